"""What single objects, and requests, say by annotations."""

from typing import Any

import pytest

from tests.support.fleet import Fleet, condition_of, config_map, is_ready

PREFIX = "kustomize.toolkit.fluxcd.io"


def marked(name: str, key: str, value: str, **data: str) -> dict[str, Any]:
    annotations = {f"{PREFIX}/{key}": value}
    return {**config_map(name, **data), "metadata": {"name": name, "annotations": annotations}}


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("reconcile", "disabled", {"x": "mine"}),
        ("ssa", "ignore", {"x": "mine"}),
        ("ssa", "IfNotPresent", {"x": "mine"}),
        ("ssa", "IFNOTPRESENT", {"x": "mine"}),
        ("ssa", "merge", {"x": "git", "kept": "1"}),
        ("any", "other", {"x": "git"}),
    ],
)
async def test_the_mark_decides_what_becomes_of_an_object_that_exists(
    fleet: Fleet, key: str, value: str, wanted: dict[str, str]
) -> None:
    maps = await fleet.resource("ConfigMap")
    mine = config_map("a", fleet.namespace, x="mine")
    if wanted != {"x": "mine"}:
        mine["data"]["kept"] = "1"
    await fleet.client.create(maps, mine, field_manager="kubectl-create")
    await fleet.app({"app/a.yaml": marked("a", key, value, x="git")})

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_ready)

    assert await fleet.data("a") == wanted
    assert len(ks["status"]["inventory"]["entries"]) == 1


async def test_a_mark_in_the_cluster_counts_too(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a", x="1")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        mark = {"metadata": {"annotations": {f"{PREFIX}/reconcile": "disabled"}}}
        await fleet.patch("ConfigMap", "a", mark)
        await fleet.goes_live({"app/a.yaml": config_map("a", x="2")})

    assert await fleet.data("a") == {"x": "1"}


@pytest.mark.parametrize("where", ["labels", "annotations"])
@pytest.mark.parametrize(
    ("key", "value"), [("reconcile", "Disabled"), ("ssa", "Ignore"), ("prune", "DISABLED")]
)
async def test_a_marked_object_stays_when_it_leaves_git(
    fleet: Fleet, where: str, key: str, value: str
) -> None:
    await fleet.app({"app/a.yaml": config_map("a", x="1"), "app/b.yaml": config_map("b")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("ConfigMap", "a", {"metadata": {where: {f"{PREFIX}/{key}": value}}})
        ks = await fleet.goes_live({"app/a.yaml": None})

    assert await fleet.data("a") == {"x": "1"}
    assert len(ks["status"]["inventory"]["entries"]) == 1


async def test_the_force_of_a_live_object_counts_too(fleet: Fleet) -> None:
    def fixed(value: str) -> dict[str, Any]:
        return {**config_map("a", x=value), "immutable": True}

    await fleet.app({"app/a.yaml": fixed("1")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        mark = {"metadata": {"labels": {f"{PREFIX}/force": "Enabled"}}}
        await fleet.patch("ConfigMap", "a", mark)
        await fleet.goes_live({"app/a.yaml": fixed("2")})

    assert await fleet.data("a") == {"x": "2"}


@pytest.mark.parametrize("value", ["disabled", "Disabled"])
async def test_an_object_that_opts_out_keeps_its_variables(fleet: Fleet, value: str) -> None:
    files = {
        "app/a.yaml": marked("a", "substitute", value, x="${who}"),
        "app/b.yaml": config_map("b", x="${who}"),
    }
    await fleet.app(files, postBuild={"substitute": {"who": "me"}})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)

    assert await fleet.data("a") == {"x": "${who}"}
    assert await fleet.data("b") == {"x": "me"}


async def test_what_kubectl_applied_before_becomes_ours(fleet: Fleet) -> None:
    maps = await fleet.resource("ConfigMap")
    last = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    old = config_map("a", fleet.namespace, x="1", gone="1")
    old["metadata"]["annotations"] = last
    await fleet.client.create(maps, old, field_manager="kubectl-client-side-apply")
    await fleet.app({"app/a.yaml": config_map("a", x="2")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)

    live = await fleet.get("ConfigMap", "a")
    assert live is not None
    assert live["data"] == {"x": "2"}
    assert last.keys().isdisjoint(live["metadata"].get("annotations") or {})
    assert [each["manager"] for each in live["metadata"]["managedFields"]] == [
        "kustomize-controller"
    ]


async def test_a_suspended_one_answers_a_request_and_does_nothing(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a")}, suspend=True)

    async with fleet.engine():
        ks = await fleet.reconcile("Kustomization", "app")
        assert condition_of(ks) == {}
        await fleet.patch("Kustomization", "app", {"spec": {"suspend": False}})
        await fleet.until("Kustomization", "app", is_ready)
