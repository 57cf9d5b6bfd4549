"""Tokens of service accounts from a real API server: whom they name, and who is to accept them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from engine.cluster import Client, connected
from engine.cluster.connect import locate
from engine.plugin import Purpose, Scope, ServiceAccount, TokenUnavailable
from engine.runtime import SystemClock
from plugins.clouds.jwt import claims_of
from tests.support.apiserver import ApiServer
from tests.support.contexts import context_of

VAULT = Scope(Purpose.KEYS, "https://vault", audiences=("https://vault",))


@asynccontextmanager
async def client_of(server: ApiServer) -> AsyncIterator[Client]:
    endpoint = locate(str(server.kubeconfig), "")
    async with connected(endpoint, SystemClock(), Random(1)) as client:
        yield client


async def account_in(namespace: str, client: Client) -> ServiceAccount:
    resource = await client.resource("v1", "ServiceAccount")
    metadata = {"name": "app", "namespace": namespace}
    await client.create(
        resource, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    )
    return ServiceAccount(namespace, "app")


async def reviewed(token: str, client: Client) -> dict[str, Any]:
    """What the API server says of a token that is for the Vault."""
    resource = await client.resource("authentication.k8s.io/v1", "TokenReview")
    spec = {"token": token, "audiences": ["https://vault"]}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    status: dict[str, Any] = (await client.create(resource, review))["status"]
    return status


async def test_a_token_of_a_service_account_is_what_the_api_server_vouches_for(
    api_server: ApiServer, namespace: str
) -> None:
    async with client_of(api_server) as client:
        account = await account_in(namespace, client)
        context = context_of(client, object_level_workload_identity=True)

        token = await context.token("generic", account, VAULT)

        status = await reviewed(token.secret, client)
        assert status["authenticated"] is True
        assert status["user"]["username"] == f"system:serviceaccount:{namespace}:app"
        assert claims_of(token.secret)["sub"] == f"system:serviceaccount:{namespace}:app"
        assert token.expires_at > context.clock.wall() + 600


async def test_a_token_for_a_vault_opens_nothing_else(
    api_server: ApiServer, namespace: str
) -> None:
    async with client_of(api_server) as client:
        account = await account_in(namespace, client)
        context = context_of(client, object_level_workload_identity=True)

        token = await context.token("generic", account, VAULT)

        assert claims_of(token.secret)["aud"] == ["https://vault"]


async def test_an_engine_that_is_no_service_account_has_no_token_of_its_own(
    api_server: ApiServer,
) -> None:
    async with client_of(api_server) as client:
        with pytest.raises(TokenUnavailable, match="has no service account of its own, it is '"):
            await context_of(client).token("generic", None, VAULT)


async def test_a_service_account_that_was_deleted_gets_no_token_that_was_kept(
    api_server: ApiServer, namespace: str
) -> None:
    async with client_of(api_server) as client:
        account = await account_in(namespace, client)
        context = context_of(client, object_level_workload_identity=True)
        await context.token("generic", account, VAULT)
        resource = await client.resource("v1", "ServiceAccount")
        await client.delete(resource, namespace, "app")

        with pytest.raises(TokenUnavailable, match="it does not exist"):
            await replace(context).token("generic", account, VAULT)  # that of the next run
