"""ConfigMaps and Secrets that a Kustomization reads: a change of one is acted on at once."""

import base64
from typing import Any

from engine.objects.ref import Object
from tests.cluster.test_kustomization_wait import tell, unready
from tests.support.fleet import (
    Fleet,
    condition_of,
    config_map,
    has_reason,
    is_checking,
    is_ready,
)

WATCHED = {"reconcile.fluxcd.io/watch": "Enabled"}
VARIABLES = {
    "substituteFrom": [
        {"kind": "ConfigMap", "name": "vars"},
        {"kind": "Secret", "name": "extra", "optional": True},
    ]
}
GREETING = config_map("greeting", text="${greeting:-hello} ${name:-nobody}")


def variables(kind: str, called: str, labels: Object, /, **data: str) -> dict[str, Any]:
    if kind == "Secret":
        data = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": called, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}


async def says(fleet: Fleet, text: str) -> None:
    await fleet.until("ConfigMap", "greeting", lambda obj: obj["data"]["text"] == text)


async def test_a_changed_variable_is_applied_without_waiting_for_the_interval(fleet: Fleet) -> None:
    await fleet.put(variables("ConfigMap", "vars", WATCHED, name="Ada"))
    await fleet.app({"app/a.yaml": GREETING}, postBuild=VARIABLES, interval="1h")

    async with fleet.engine():
        await says(fleet, "hello Ada")
        await fleet.patch("ConfigMap", "vars", {"data": {"name": "Bob"}})
        await says(fleet, "hello Bob")
        await fleet.put(variables("Secret", "extra", WATCHED, greeting="hi"))
        await says(fleet, "hi Bob")
        await fleet.delete("Secret", "extra")
        await says(fleet, "hello Bob")


async def test_one_that_must_be_there_fails_as_soon_as_it_goes_and_heals_as_soon_as_it_is_back(
    fleet: Fleet,
) -> None:
    await fleet.put(variables("ConfigMap", "vars", WATCHED, name="Ada"))
    await fleet.app({"app/a.yaml": GREETING}, postBuild=VARIABLES, interval="1h")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.delete("ConfigMap", "vars")
        failed = await fleet.until("Kustomization", "app", has_reason("BuildFailed"))
        await fleet.put(variables("ConfigMap", "vars", WATCHED, name="Bob"))
        await says(fleet, "hello Bob")
        await fleet.until("Kustomization", "app", is_ready)

    assert "substitute from 'ConfigMap/vars' error: " in condition_of(failed)["message"]
    assert await fleet.data("greeting") == {"text": "hello Bob"}


async def test_without_the_label_the_interval_decides(fleet: Fleet) -> None:
    await fleet.put(variables("ConfigMap", "vars", {}, name="Ada"))
    await fleet.put(variables("ConfigMap", "watched", WATCHED, name="Ada"))
    await fleet.app({"app/a.yaml": GREETING}, postBuild=VARIABLES, interval="1h")
    other = {"substituteFrom": [{"kind": "ConfigMap", "name": "watched"}]}
    await fleet.kustomization("other", path="./app", postBuild=other, namePrefix="other-")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.until("Kustomization", "other", is_ready)
        await fleet.patch("ConfigMap", "vars", {"data": {"name": "Bob"}})
        await fleet.patch("ConfigMap", "watched", {"data": {"name": "Bob"}})
        await fleet.until(
            "ConfigMap", "other-greeting", lambda obj: obj["data"]["text"] == "hello Bob"
        )
        assert await fleet.data("greeting") == {"text": "hello Ada"}
        await fleet.reconcile("Kustomization", "app")

    assert await fleet.data("greeting") == {"text": "hello Bob"}


async def test_a_changed_variable_ends_the_wait_for_what_the_old_one_gave(fleet: Fleet) -> None:
    await fleet.put(variables("ConfigMap", "vars", WATCHED, name="Ada"))
    files = {"app/a.yaml": GREETING, "app/b.yaml": unready("web")}
    await fleet.app(files, postBuild=VARIABLES, wait=True, timeout="5m")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        await fleet.patch("ConfigMap", "vars", {"data": {"name": "Bob"}})
        ended = await fleet.until("Kustomization", "app", has_reason("HealthCheckCanceled"))
        await says(fleet, "hello Bob")
        await fleet.until("Kustomization", "app", is_checking)
        await tell(fleet, "web", "Ready")
        await fleet.until("Kustomization", "app", is_ready)

    assert condition_of(ended)["message"] == (
        f"New reconciliation triggered by ConfigMap/{fleet.namespace}/vars"
    )


async def test_the_watchers_can_be_turned_off(fleet: Fleet) -> None:
    await fleet.put(variables("ConfigMap", "vars", WATCHED, name="Ada"))
    await fleet.app({"app/a.yaml": GREETING}, postBuild=VARIABLES, interval="1h")

    async with fleet.engine(disable_config_watchers=True) as state:
        await fleet.until("Kustomization", "app", is_ready)
        assert state.client is not None
        asked = state.client.statistics().requests

    assert ("watch", "secrets") not in asked
