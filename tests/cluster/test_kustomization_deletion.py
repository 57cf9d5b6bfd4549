"""What becomes of the objects when their Kustomization is deleted."""

from typing import Any

import pytest

from engine.objects.ref import Object
from tests.support.fleet import Fleet, config_map, has_reason, is_ready


@pytest.mark.parametrize(
    ("spec", "stays"),
    [
        ({}, False),
        ({"prune": False}, True),
        pytest.param(
            {"prune": False, "deletionPolicy": "MirrorPrune"},
            True,
            marks=pytest.mark.covers("Kustomization.spec.deletionPolicy=MirrorPrune"),
        ),
        pytest.param(
            {"prune": False, "deletionPolicy": "Delete"},
            False,
            marks=pytest.mark.covers("Kustomization.spec.deletionPolicy=Delete"),
        ),
        pytest.param(
            {"prune": False, "deletionPolicy": "WaitForTermination"},
            False,
            marks=pytest.mark.covers("Kustomization.spec.deletionPolicy=WaitForTermination"),
        ),
        pytest.param(
            {"deletionPolicy": "Orphan"},
            True,
            marks=pytest.mark.covers("Kustomization.spec.deletionPolicy=Orphan"),
        ),
    ],
)
async def test_the_policy_decides(fleet: Fleet, spec: dict[str, Any], stays: bool) -> None:
    await fleet.app({"app/a.yaml": config_map("a")}, **spec)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")

    assert (await fleet.get("ConfigMap", "a") is not None) is stays


async def test_a_suspended_one_leaves_its_objects(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("Kustomization", "app", {"spec": {"suspend": True}})
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")

    assert await fleet.get("ConfigMap", "a") is not None


async def test_termination_is_waited_for(fleet: Fleet) -> None:
    held = {**config_map("a"), "metadata": {"name": "a", "finalizers": ["example.com/hold"]}}
    await fleet.app({"app/a.yaml": held}, deletionPolicy="WaitForTermination")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.delete("Kustomization", "app")
        await fleet.until("ConfigMap", "a", is_terminating)
        still_there = await fleet.get("Kustomization", "app")
        await fleet.patch("ConfigMap", "a", {"metadata": {"finalizers": None}})
        await fleet.until_gone("Kustomization", "app")

    assert still_there is not None


async def test_one_that_was_deleted_while_no_engine_ran_is_finished_by_the_next(
    fleet: Fleet,
) -> None:
    await fleet.app({"app/a.yaml": config_map("a")})
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
    await fleet.delete("Kustomization", "app")

    async with fleet.engine():
        await fleet.until_gone("Kustomization", "app")

    assert await fleet.get("ConfigMap", "a") is None


def is_terminating(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


async def test_a_kustomization_that_became_malformed_can_be_deleted(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": config_map("web")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("Kustomization", "app", {"spec": {"timeout": "99999999999h"}})
        await fleet.until("Kustomization", "app", has_reason("Failed"))
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")

    assert await fleet.get("ConfigMap", "web") is None
