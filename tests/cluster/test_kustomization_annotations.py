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
        ("ssa", "Merge", {"x": "git", "kept": "1"}),
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
