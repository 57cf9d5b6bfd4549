"""Kustomizations that wait for each other."""

from engine.objects.ref import Object
from tests.support.fleet import (
    Fleet,
    condition_of,
    config_map,
    has_reason,
    is_at,
    is_ready,
)


async def test_a_dependant_runs_as_soon_as_its_dependency_is_ready(fleet: Fleet) -> None:
    fleet.commit({"base/a.yaml": config_map("base"), "app/a.yaml": config_map("app")})
    await fleet.source()
    await fleet.kustomization("app", path="./app", dependsOn=[{"name": "base"}])

    async with fleet.engine(requeue_dependency=3600.0):
        waiting = await fleet.until("Kustomization", "app", has_reason("DependencyNotReady"))
        await fleet.kustomization("base", path="./base")
        await fleet.until("Kustomization", "app", is_ready)

    name = f"{fleet.namespace}/base"
    assert condition_of(waiting)["message"] == (
        f"dependency '{name}' not found: "
        'kustomizations.kustomize.toolkit.fluxcd.io "base" not found'
    )


async def test_a_new_revision_goes_through_in_the_order_of_dependencies(fleet: Fleet) -> None:
    fleet.commit({"base/a.yaml": config_map("base"), "app/a.yaml": config_map("app")})
    await fleet.source()
    await fleet.kustomization("base", path="./base")
    await fleet.kustomization("app", path="./app", dependsOn=[{"name": "base"}])

    async with fleet.engine(requeue_dependency=3600.0):
        await fleet.until("Kustomization", "app", is_ready)
        commit = fleet.commit({"base/a.yaml": config_map("base", v="2")})
        await fleet.request("GitRepository", "fleet", "1")
        await fleet.until("Kustomization", "app", is_at(commit))

    base = await fleet.get("ConfigMap", "base")
    assert base is not None
    assert base["data"] == {"v": "2"}


async def test_a_dependency_that_fails_holds_its_dependants_until_it_is_healed(
    fleet: Fleet,
) -> None:
    fleet.commit({"base/a.yaml": "a: [", "app/a.yaml": config_map("app")})
    await fleet.source()
    await fleet.kustomization("base", path="./base")
    await fleet.kustomization("app", path="./app", dependsOn=[{"name": "base"}])

    async with fleet.engine(requeue_dependency=3600.0):
        await fleet.until("Kustomization", "base", has_reason("BuildFailed"))
        await fleet.until("Kustomization", "app", has_reason("DependencyNotReady"))
        assert await fleet.get("ConfigMap", "app") is None
        commit = fleet.commit({"base/a.yaml": config_map("base")})
        await fleet.request("GitRepository", "fleet", "1")
        await fleet.until("Kustomization", "app", is_at(commit))


async def test_a_source_that_comes_later_wakes_who_waits_for_it(fleet: Fleet) -> None:
    fleet.commit({"app/a.yaml": config_map("app")})
    await fleet.kustomization("app", path="./app")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", has_reason("ArtifactFailed"))
        await fleet.source()
        await fleet.until("Kustomization", "app", is_ready)


async def test_a_dependency_that_is_created_later_is_no_longer_called_missing(fleet: Fleet) -> None:
    fleet.commit({"two/y.yaml": config_map("y")})
    await fleet.source()
    await fleet.kustomization("two", path="./two", dependsOn=[{"name": "one"}])

    async with fleet.engine():
        await fleet.until("Kustomization", "two", lambda ks: "not found" in message_of(ks))
        await fleet.kustomization("one", path="./missing")
        await fleet.until("Kustomization", "two", lambda ks: "is not ready" in message_of(ks))


def message_of(ks: Object) -> str:
    return str(condition_of(ks).get("message", ""))
