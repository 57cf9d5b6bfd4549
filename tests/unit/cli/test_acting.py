from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from engine.api import decode
from engine.api.kustomize import Kustomization
from engine.cli.acting import acting_for
from engine.cluster import Client, connected
from engine.cluster.endpoint import Endpoint
from engine.runtime import SystemClock
from tests.support.scripted_api import ScriptedApi, json, status

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
USER = "system:serviceaccount:team-a:deployer"


def kustomization(account: str = "deployer") -> Kustomization:
    spec: dict[str, Any] = {
        "interval": "1m",
        "prune": True,
        "path": "./",
        "sourceRef": {"kind": "GitRepository", "name": "fleet"},
        **({"serviceAccountName": account} if account else {}),
    }
    return decode(
        Kustomization,
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": "apps", "namespace": "team-a"},
            "spec": spec,
        },
    )


@pytest.fixture
async def client(api: ScriptedApi) -> AsyncIterator[Client]:
    async with connected(Endpoint(api.url), SystemClock(), Random(0)) as client:
        yield client


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_service_account_is_impersonated_by_who_may(
    api: ScriptedApi, client: Client, allowed: bool
) -> None:
    api.on("POST", REVIEWS, json({"status": {"allowed": allowed}}, code=201))
    acting, doubt = await acting_for(kustomization(), client)

    assert acting.user == (USER if allowed else "")
    assert bool(doubt) != allowed
    (asked,) = api.asked("POST", REVIEWS)
    assert asked.body["spec"]["resourceAttributes"] == {
        "verb": "impersonate",
        "resource": "serviceaccounts",
        "name": "deployer",
        "namespace": "team-a",
    }


async def test_where_nobody_can_say_who_may_the_caller_asks(
    api: ScriptedApi, client: Client
) -> None:
    api.on("POST", REVIEWS, status(403))
    acting, doubt = await acting_for(kustomization(), client)

    assert acting is client
    assert f"it is applied as {USER}, which you may not impersonate" in doubt


async def test_whoever_acts_as_somebody_stays_that(api: ScriptedApi, client: Client) -> None:
    same, other = client.impersonating(USER), client.impersonating("ada")

    assert await acting_for(kustomization(), same) == (same, "")
    assert await acting_for(kustomization(account=""), other) == (other, "")
    _, doubt = await acting_for(kustomization(account=""), other, "usual")
    assert doubt.endswith(":usual")
    assert await acting_for(kustomization(), other) == (
        other,
        f"it is compared as ada, but applied as {USER}",
    )
    assert api.seen == []
