"""Clusters that are entered with tokens of a cloud: built-in plugins, real protocols."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.cluster.endpoint import Endpoint
from engine.objects.ref import Ref
from engine.plugin import TokenUnavailable
from engine.reconcile.issued import issued_endpoint
from engine.settings import Settings
from tests.support.clouds import amazon, google, microsoft
from tests.support.clouds.world import World, world

POD = {
    "AWS_ACCESS_KEY_ID": "AKIDSTATIC",
    "AWS_SECRET_ACCESS_KEY": "static-secret",
    "AZURE_TENANT_ID": microsoft.TENANT,
    "AZURE_CLIENT_ID": microsoft.CLIENT,
    "AZURE_CLIENT_SECRET": "client-secret~1",
}


@dataclass(frozen=True)
class Cloud:
    """A cluster there: what the ConfigMap says, where it is, and whether a token is good for it."""

    config: dict[str, str]
    host: str
    is_good: Callable[[str], bool]


def at_amazon(clouds: World) -> Cloud:
    account = amazon.Amazon(clouds)
    config = {"provider": "aws", "cluster": "arn:aws:eks:eu-west-1:123456789012:cluster/prod"}
    return Cloud(config, "https://eks.example.com:443", lambda token: account.holder(token) == "")


def at_google(clouds: World) -> Cloud:
    project = google.Google(clouds)
    config = {"provider": "gcp", "cluster": "projects/shop/locations/europe/clusters/prod"}
    return Cloud(config, "https://203.0.113.7:443", lambda token: token in project.tokens)


def at_microsoft(clouds: World) -> Cloud:
    tenant, aks = microsoft.Microsoft(clouds), "6dae42f8-4368-4678-94ff-3960e28e3630"
    config = {"provider": "azure", "cluster": microsoft.CLUSTER}
    return Cloud(config, "https://old.azmk8s.io:443", lambda token: tenant.tokens[token][0] == aks)


async def endpoint_of(clouds: World, config: dict[str, str]) -> Endpoint:
    """The endpoint that a ConfigMap of namespace `apps` leads to, as the engine itself."""
    run = SimpleNamespace(
        turn=SimpleNamespace(key=Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "apps", "a")),
        engine=SimpleNamespace(settings=Settings()),
        context=clouds.context(POD),
    )
    return await issued_endpoint(config, "there", cast("Any", run))()


@pytest.mark.parametrize("at", [at_amazon, at_google, at_microsoft])
async def test_a_config_map_leads_to_the_cluster_that_the_cloud_knows(
    at: Callable[[World], Cloud],
) -> None:
    async with world() as clouds:
        cloud = at(clouds)

        endpoint = await endpoint_of(clouds, cloud.config)

        headers = await endpoint.credentials.headers(clouds.clock.monotonic())
        assert endpoint.host == cloud.host
        assert cloud.is_good(headers["Authorization"].removeprefix("Bearer "))


@pytest.mark.parametrize("at", [at_amazon, at_google, at_microsoft])
async def test_the_engines_own_token_goes_to_no_address_that_a_tenant_made_up(
    at: Callable[[World], Cloud],
) -> None:
    async with world() as clouds:
        config = {**at(clouds).config, "address": "https://evil.example.com"}

        with pytest.raises(TokenUnavailable, match=r"address 'https://evil\.example\.com"):
            await endpoint_of(clouds, config)

        assert clouds.asked("evil.example.com") == []
