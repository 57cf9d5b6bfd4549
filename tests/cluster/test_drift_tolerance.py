"""`gitops.lockstep/drift`: drift that is told, or not even that, and stays."""

from typing import Any

import pytest

from engine.objects.ref import Object
from tests.support.fleet import Fleet, config_map, is_ready

ANNOTATION = "gitops.lockstep/drift"


def marked(word: str, **data: str) -> dict[str, Any]:
    obj = config_map("web", **data)
    obj["metadata"]["annotations"] = {ANNOTATION: word}
    return obj


async def ignoring(fleet: Fleet, obj: Object) -> None:
    """Creates a Kustomization of that object which ignores drift."""
    fleet.commit({"app/a.yaml": obj})
    await fleet.source()
    described = fleet.described("app", path="./app")
    described["metadata"]["annotations"] = {ANNOTATION: "ignore"}
    await fleet.put(described)


async def edit(fleet: Fleet, color: str) -> None:
    await fleet.patch("ConfigMap", "web", {"data": {"color": color}})


async def warnings(fleet: Fleet) -> list[str]:
    listed = await fleet.client.list(await fleet.resource("Event"), fleet.namespace)
    return [each["message"] for each in listed.items if each["reason"] == "DriftDetected"]


def has_color(color: str) -> Any:
    return lambda obj: (obj.get("data") or {}).get("color") == color


async def after_a_look(fleet: Fleet) -> Object:
    """The live object once everybody has looked twice."""
    await fleet.reconcile("Kustomization", "app")
    await fleet.reconcile("Kustomization", "app")
    live = await fleet.get("ConfigMap", "web")
    assert live is not None
    return live


@pytest.mark.parametrize(("word", "count"), [("warn", 1), ("ignore", 0)])
async def test_drift_stays_until_the_desired_object_changes(
    fleet: Fleet, word: str, count: int
) -> None:
    await fleet.app({"app/a.yaml": marked(word, color="blue")}, interval="1h")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await edit(fleet, "red")
        drifted = await after_a_look(fleet)
        await fleet.goes_live({"app/a.yaml": marked(word, color="green")})
        applied = await fleet.data("web")
    told = await warnings(fleet)

    assert drifted["data"] == {"color": "red"}
    assert applied == {"color": "green"}
    assert len(told) == count
    assert all(
        f"drift of ConfigMap/{fleet.namespace}/web left as it is" in text
        and '.data.color is "red" (written by kubectl-patch at ' in text
        and ', in Git "blue"' in text
        for text in told
    )


async def test_an_annotation_of_the_kustomization_holds_until_it_is_taken_away(
    fleet: Fleet,
) -> None:
    await ignoring(fleet, config_map("web", color="blue"))

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await edit(fleet, "red")
        drifted = await after_a_look(fleet)
        await fleet.patch("Kustomization", "app", {"metadata": {"annotations": {ANNOTATION: None}}})
        await fleet.until("ConfigMap", "web", has_color("blue"))

    assert drifted["data"] == {"color": "red"}


async def test_the_objects_own_word_wins(fleet: Fleet) -> None:
    await ignoring(fleet, marked("correct", color="blue"))

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await edit(fleet, "red")
        await fleet.until("ConfigMap", "web", has_color("blue"))


async def test_tolerated_drift_survives_a_restart(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": marked("warn", color="blue")}, interval="1h")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
    await edit(fleet, "red")
    async with fleet.engine():
        drifted = await after_a_look(fleet)

    assert drifted["data"] == {"color": "red"}


async def test_a_fixed_number_of_replicas_under_an_autoscaler_is_told(fleet: Fleet) -> None:
    labels = {"app": "web"}
    container = {"name": "web", "image": "web:1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    web: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3},
    }
    await fleet.app({"app/web.yaml": web, "app/hpa.yaml": scaler}, interval="1h")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.reconcile("Kustomization", "app")
    told = await warnings(fleet)

    space = fleet.namespace
    assert told == [
        f"Deployment/{space}/web has spec.replicas in Git and HorizontalPodAutoscaler/{space}/web "
        "scales it: each will undo the other's change; remove spec.replicas from Git, or add "
        "/spec/replicas to spec.ignore"
    ]
