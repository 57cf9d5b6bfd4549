"""Kustomizations that wait for each other."""

import pytest

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
    await fleet.app(
        {"base/a.yaml": config_map("base"), "app/a.yaml": config_map("app")},
        dependsOn=[{"name": "base"}],
    )

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
        await fleet.goes_live({"base/a.yaml": config_map("base", v="2")})

    assert await fleet.data("base") == {"v": "2"}


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
        await fleet.goes_live({"base/a.yaml": config_map("base")})


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


async def test_a_chain_of_ten_needs_no_timer(fleet: Fleet) -> None:
    names = [f"k{n}" for n in range(10)]
    fleet.commit({f"{name}/a.yaml": config_map(name) for name in names})
    await fleet.source()
    for name, before in zip(names, [None, *names], strict=False):
        depends_on = [{"name": before}] if before else []
        await fleet.kustomization(name, path=f"./{name}", retryInterval="1h", dependsOn=depends_on)

    async with fleet.engine(requeue_dependency=3600.0):
        await fleet.until("Kustomization", names[-1], is_ready)
        new = {f"{name}/a.yaml": config_map(name, v="2") for name in names}
        commit = fleet.commit(new)
        await fleet.request("GitRepository", "fleet", commit)
        await fleet.until("Kustomization", names[-1], is_at(commit))

    assert [await fleet.data(name) for name in names] == [{"v": "2"}] * 10


async def test_a_cycle_is_named_by_all_that_are_in_it_and_ends_when_it_is_cut(
    fleet: Fleet,
) -> None:
    after = {"a": "b", "b": "c", "c": "a"}
    fleet.commit({f"{name}/a.yaml": config_map(name) for name in after})
    await fleet.source()
    space = fleet.namespace

    async with fleet.engine(requeue_dependency=3600.0):
        for name, before in after.items():
            await fleet.kustomization(name, path=f"./{name}", dependsOn=[{"name": before}])
        texts = [
            message_of(
                await fleet.until("Kustomization", name, lambda ks: "cycle" in message_of(ks))
            )
            for name in after
        ]
        await fleet.patch("Kustomization", "c", {"spec": {"dependsOn": None}})
        await fleet.until("Kustomization", "a", is_ready)

    ways = [["a", "b", "c", "a"], ["b", "c", "a", "b"], ["c", "a", "b", "c"]]
    for text, way in zip(texts, ways, strict=True):
        assert f"dependency cycle {' -> '.join(f'{space}/{name}' for name in way)}:" in text


@pytest.mark.covers("Kustomization.spec.dependsOn[].readyExpr")
async def test_an_expression_about_labels_is_asked_again_when_they_change(fleet: Fleet) -> None:
    fleet.commit({"base/a.yaml": "a: [", "app/a.yaml": config_map("app")})
    await fleet.source()
    await fleet.kustomization("base", path="./base")
    expression = "dep.?metadata.?labels.?version.orValue('') == self.metadata.name + '-1'"
    depends_on = [{"name": "base", "readyExpr": expression}]
    await fleet.kustomization("app", path="./app", dependsOn=depends_on)

    async with fleet.engine(requeue_dependency=3600.0):
        waiting = await fleet.until("Kustomization", "app", has_reason("DependencyNotReady"))
        await fleet.patch("Kustomization", "base", {"metadata": {"labels": {"version": "app-1"}}})
        await fleet.until("Kustomization", "app", is_ready)

    assert message_of(waiting) == (
        f"dependency '{fleet.namespace}/base' is not ready according to readyExpr eval"
    )
