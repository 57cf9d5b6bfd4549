"""`spec.ignore`: fields that are left to others."""

from typing import Any

from engine.objects.ref import Object
from tests.support.fleet import Fleet, config_map, has_reason, is_ready

HOUR = "1h"


def deployment(image: str = "web:1", replicas: int = 1) -> dict[str, Any]:
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


IGNORED = [{"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}]


def image_of(obj: Object) -> str:
    return str(obj["spec"]["template"]["spec"]["containers"][0]["image"])


def has_image(image: str) -> Any:
    return lambda obj: image_of(obj) == image


async def scaled(fleet: Fleet, replicas: int) -> None:
    await fleet.patch("Deployment", "web", {"spec": {"replicas": replicas}})


async def test_an_ignored_field_is_no_drift_and_costs_nothing(fleet: Fleet) -> None:
    files = {"app/web.yaml": deployment(), "app/a.yaml": config_map("a", v="1")}
    await fleet.app(files, interval=HOUR, ignore=IGNORED)

    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.reconcile("Kustomization", "app")  # all watches have told all
        assert state.client is not None
        before = state.client.statistics().requests.get(("patch", "deployments"), 0)
        await scaled(fleet, 7)
        await fleet.reconcile("Kustomization", "app")
        after = state.client.statistics().requests.get(("patch", "deployments"), 0)
        live = await fleet.get("Deployment", "web")

    assert live is not None
    assert live["spec"]["replicas"] == 7
    assert after == before


async def test_it_stays_when_something_else_of_the_object_changes(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": deployment()}, interval=HOUR, ignore=IGNORED)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await scaled(fleet, 7)
        await fleet.goes_live({"app/web.yaml": deployment("web:2", replicas=3)})
        live = await fleet.get("Deployment", "web")

    assert live is not None
    assert (image_of(live), live["spec"]["replicas"]) == ("web:2", 7)


async def test_it_stays_when_something_else_is_corrected(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": deployment()}, interval=HOUR, ignore=IGNORED)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await scaled(fleet, 7)
        containers = [{"name": "web", "image": "web:edited"}]
        spec = {"replicas": 7, "template": {"spec": {"containers": containers}}}
        await fleet.patch("Deployment", "web", {"spec": spec})
        live = await fleet.until("Deployment", "web", has_image("web:1"))

    assert live["spec"]["replicas"] == 7


async def test_it_is_left_to_who_applies_it_too(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": deployment()}, interval=HOUR, ignore=IGNORED)
    body = {**deployment(), "metadata": {"name": "web", "namespace": fleet.namespace}}
    body["spec"] = {"replicas": 7}

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        resource = await fleet.resource("Deployment")
        await fleet.client.apply(resource, body, manager="autoscaler", force=True)
        await fleet.goes_live({"app/web.yaml": deployment("web:2", replicas=3)})
        live = await fleet.get("Deployment", "web")

    assert live is not None
    owners = [
        entry["manager"]
        for entry in live["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    ]
    assert (image_of(live), live["spec"]["replicas"]) == ("web:2", 7)
    assert owners == ["autoscaler"]


async def test_a_rule_that_goes_lets_the_field_be_corrected_again(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": deployment()}, interval=HOUR, ignore=IGNORED)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await scaled(fleet, 7)
        await fleet.patch("Kustomization", "app", {"spec": {"ignore": None}})
        await fleet.until("Deployment", "web", lambda obj: obj["spec"]["replicas"] == 1)


async def test_a_rule_that_goes_lets_a_field_come_that_was_never_sent(fleet: Fleet) -> None:
    rule = [{"paths": ["/data/x"], "target": {"kind": "ConfigMap"}}]
    await fleet.app({"app/a.yaml": config_map("a", v="1")}, interval=HOUR, ignore=rule)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.goes_live({"app/a.yaml": config_map("a", v="1", x="2")})
        ignored = await fleet.data("a")
        await fleet.patch("Kustomization", "app", {"spec": {"ignore": None}})
        await fleet.reconcile("Kustomization", "app")
        sent = await fleet.data("a")

    assert (ignored, sent) == ({"v": "1"}, {"v": "1", "x": "2"})


async def test_it_is_known_again_after_a_restart(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": deployment()}, interval=HOUR, ignore=IGNORED)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await scaled(fleet, 7)
    async with fleet.engine():
        await fleet.reconcile("Kustomization", "app")
        live = await fleet.get("Deployment", "web")

    assert live is not None
    assert live["spec"]["replicas"] == 7


async def test_a_key_of_a_map_and_an_annotation_are_ignored_as_well(fleet: Fleet) -> None:
    marked = config_map("a", mine="1", theirs="1")
    marked["metadata"]["annotations"] = {"example.com/host": "a"}
    paths = ["/data/theirs", "/metadata/annotations/example.com~1host"]
    await fleet.app({"app/a.yaml": marked}, interval=HOUR, ignore=[{"paths": paths}])
    edited = {"mine": "2", "theirs": "2"}

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        metadata = {"annotations": {"example.com/host": "b"}}
        await fleet.patch("ConfigMap", "a", {"data": edited, "metadata": metadata})
        live = await fleet.until("ConfigMap", "a", lambda obj: obj["data"]["mine"] == "1")

    assert live["data"] == {"mine": "1", "theirs": "2"}
    assert live["metadata"]["annotations"] == {"example.com/host": "b"}


async def test_a_rule_that_makes_no_sense_is_named(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a")}, ignore=[{"paths": ["spec/replicas"]}])

    async with fleet.engine():
        failed = await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))

    assert "'spec/replicas' is not a JSON pointer" in str(failed["status"]["conditions"])
