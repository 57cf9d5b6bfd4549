"""Fields that cannot be changed in place."""

from typing import Any

import pytest

from tests.support.fleet import (
    Fleet,
    condition_of,
    config_map,
    has_reason,
    is_ready,
)


def fixed(value: str) -> dict[str, Any]:
    return {**config_map("fixed", x=value), "immutable": True}


@pytest.mark.covers("Kustomization:ReconciliationFailed")
async def test_without_force_the_refusal_is_told(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": fixed("1")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        fleet.commit({"app/a.yaml": fixed("2")})
        await fleet.request("GitRepository", "fleet", "1")
        ks = await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))

    assert "field is immutable" in condition_of(ks)["message"]


@pytest.mark.covers("Kustomization.spec.force")
async def test_with_force_the_object_is_replaced(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": fixed("1")}, force=True)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        old = await fleet.get("ConfigMap", "fixed")
        await fleet.goes_live({"app/a.yaml": fixed("2")})
        new = await fleet.get("ConfigMap", "fixed")

    assert old is not None
    assert new is not None
    assert new["data"] == {"x": "2"}
    assert new["metadata"]["uid"] != old["metadata"]["uid"]


async def test_an_annotation_forces_a_single_object(fleet: Fleet) -> None:
    def forced(value: str) -> dict[str, Any]:
        annotations = {"kustomize.toolkit.fluxcd.io/force": "enabled"}
        return {**fixed(value), "metadata": {"name": "fixed", "annotations": annotations}}

    await fleet.app({"app/a.yaml": forced("1")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.goes_live({"app/a.yaml": forced("2")})


async def test_an_object_that_is_invalid_in_itself_is_not_deleted(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": fixed("1")}, force=True)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        before = await fleet.get("ConfigMap", "fixed")
        fleet.commit({"app/a.yaml": {**fixed("2"), "data": {"not/a/key": "2"}}})
        await fleet.request("GitRepository", "fleet", "1")
        await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))

    assert await fleet.get("ConfigMap", "fixed") == before
