"""Events as `flux events --for` asks for them and people read them (flux-behaviour 1.6, 4.11)."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from engine.objects.ref import Object
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_ready
from tests.support.flux import POLL, FluxTwin

KUSTOMIZE, SOURCE = "kustomize.toolkit.fluxcd.io", "source.toolkit.fluxcd.io"


@pytest.fixture
async def fleet(fleet: Fleet) -> Fleet:
    """A fleet with one source and one Kustomization, `app`."""
    await fleet.app({"app/web.yaml": config_map("web", color="blue")}, "Paint it blue")
    return fleet


async def seen(
    flux: FluxTwin, kind: str, name: str, reason: str, check: Callable[[Object], bool] = bool
) -> Object:
    """The event of that reason once it is written: events trail the status."""
    while True:
        for event in await flux.events(kind, name):
            if event["reason"] == reason and check(event):
                return event
        await anyio.sleep(POLL)


EVENTS: dict[str, tuple[str, str, str, str, dict[str, Any]]] = {
    "objects changed": (
        "Kustomization",
        "Progressing",
        "ConfigMap/{namespace}/web created",
        "kustomize-controller",
        {f"{KUSTOMIZE}/revision": "{revision}"},
    ),
    "a run ended well": (
        "Kustomization",
        "ReconciliationSucceeded",
        "Reconciliation finished in ",
        "kustomize-controller",
        {f"{KUSTOMIZE}/revision": "{revision}", f"{KUSTOMIZE}/commit_status": "update"},
    ),
    "a new artifact": (
        "GitRepository",
        "NewArtifact",
        "stored artifact for commit 'Paint it blue'",
        "source-controller",
        {f"{SOURCE}/revision": "{revision}", f"{SOURCE}/digest": "{digest}"},
    ),
}


@pytest.mark.parametrize("case", EVENTS)
async def test_an_event_tells_that(fleet: Fleet, flux: FluxTwin, case: str) -> None:
    kind, reason, text, component, annotations = EVENTS[case]
    name = "app" if kind == "Kustomization" else "fleet"

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        event = await seen(flux, kind, name, reason)

    obj, source = await flux.get(kind, name), await flux.get("GitRepository", "fleet")
    facts = {"namespace": fleet.namespace, **source["status"]["artifact"]}
    wanted = {key: value.format(**facts) for key, value in annotations.items()}
    assert text.format(**facts) in event["message"]
    assert event["type"] == "Normal"
    assert event["source"]["component"] == component
    assert event["metadata"]["annotations"] == wanted
    assert event["involvedObject"]["apiVersion"] == obj["apiVersion"]
    assert event["involvedObject"]["uid"] == obj["metadata"]["uid"]
    assert event["involvedObject"]["namespace"] == fleet.namespace
    assert event["count"] >= 1


async def test_a_failure_is_a_warning_with_its_revision(fleet: Fleet, flux: FluxTwin) -> None:
    commit = fleet.commit({"bad/x.yaml": "{ broken"})
    mark = {"metadata": {"annotations": {"event.toolkit.fluxcd.io/team": "web"}}}
    await fleet.kustomization("bad", path="./bad")
    await fleet.patch("Kustomization", "bad", mark)

    async with fleet.engine():
        event = await seen(flux, "Kustomization", "bad", "BuildFailed")
        obj = await fleet.until("Kustomization", "bad", has_reason("BuildFailed"))

    assert event["type"] == "Warning"
    assert event["message"] == condition_of(obj)["message"]
    assert event["metadata"]["annotations"] == {
        f"{KUSTOMIZE}/revision": f"main@sha1:{commit}",
        "event.toolkit.fluxcd.io/team": "web",
    }


async def test_a_failure_that_goes_on_is_one_event_with_a_count(
    fleet: Fleet, flux: FluxTwin
) -> None:
    await fleet.patch("Kustomization", "app", {"spec": {"path": "./nowhere"}})

    async with fleet.engine():
        await seen(flux, "Kustomization", "app", "ArtifactFailed")
        await flux.annotate("Kustomization", "app")
        event = await seen(
            *(flux, "Kustomization", "app", "ArtifactFailed"), lambda event: event["count"] > 1
        )
        told = await flux.events("Kustomization", "app")

    assert [each["reason"] for each in told] == ["ArtifactFailed"]
    assert event["lastTimestamp"] >= event["firstTimestamp"]
