"""What is known of the demo's cluster, and waiting for it."""

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.app import State
from engine.cluster import connected
from engine.cluster.endpoint import Endpoint
from engine.demo.world import NotAsTold, World, is_at, owner_of
from engine.objects.ref import Ref
from engine.runtime import SystemClock
from engine.source.author import create_repository

SHA = "1f0a3c22" + "0" * 32


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """With a repository, and a cluster that is never asked."""
    create_repository(tmp_path / "fleet.git")
    async with connected(Endpoint("http://127.0.0.1:1"), SystemClock(), Random(0)) as client:
        yield World(client, State(), tmp_path / "fleet.git", "http://git", SystemClock())


def kustomization(commit: str, status: str = "True", observed: int = 2) -> dict[str, Any]:
    ready = {"type": "Ready", "status": status, "message": "so it is"}
    return {
        "metadata": {"name": "apps", "generation": 2},
        "status": {
            "conditions": [ready],
            "observedGeneration": observed,
            "lastAppliedRevision": f"main@sha1:{commit}",
        },
    }


@pytest.mark.parametrize(
    ("obj", "wanted"),
    [
        (kustomization(SHA), True),
        (kustomization(SHA, "False"), False),
        (kustomization(SHA, observed=1), False),
        (kustomization("0" * 40), False),
        ({"metadata": {"generation": 1}}, False),
        ({}, False),
    ],
)
def test_whether_a_kustomization_is_ready_at_a_commit(obj: dict[str, Any], wanted: bool) -> None:
    assert is_at(obj, SHA) is wanted


def test_the_owner_of_a_field_is_whose_entry_holds_it() -> None:
    entries = [
        {"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "kustomize-controller", "fieldsV1": {"f:spec": {"f:selector": {}}}},
    ]
    obj = {"metadata": {"managedFields": entries}}

    assert owner_of(obj, "spec", "replicas") == "kubectl-edit"
    assert owner_of(obj, "spec", "selector") == "kustomize-controller"
    assert owner_of(obj, "spec", "paused") == ""
    assert owner_of({"metadata": {}}, "spec") == ""


async def test_waiting_ends_with_what_each_kustomization_says(world: World) -> None:
    world.patience = 0.01
    ref = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps")
    world.objects[ref] = kustomization(SHA, "False")

    with pytest.raises(NotAsTold) as caught:
        await world.until("a miracle", lambda: None)

    assert str(caught.value) == (
        "waited 0.01 s for a miracle; flux-system is Ready -: nothing yet; infrastructure is "
        "Ready -: nothing yet; apps is Ready False: so it is; monitoring is Ready -: nothing yet"
    )


async def test_waiting_asks_at_once_and_gives_what_was_found(world: World) -> None:
    assert await world.until("a number", lambda: 7) == 7


async def test_an_object_that_is_not_there_ends_the_story(world: World) -> None:
    with pytest.raises(NotAsTold, match="there is no Deployment/shop/web"):
        world.live(Ref("apps", "Deployment", "shop", "web"))


async def test_a_commit_adds_to_what_is_known_of_the_repository(world: World) -> None:
    first = world.commit({"a": "1", "b": "2"}, "one")
    second = world.commit({"a": None, "b": "3"}, "two")

    assert first != second
    assert world.files == {"b": "3"}


async def test_no_request_is_counted_before_the_engine_has_a_client(world: World) -> None:
    assert world.requests() == {}
    world.engine.client = world.client
    assert world.requests() == {}
