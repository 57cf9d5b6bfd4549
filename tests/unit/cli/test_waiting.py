from random import Random
from typing import Any

import pytest

from engine.cli.kinds import KINDS
from engine.cli.problems import Problem
from engine.cli.waiting import Awaited, outcome, wait_reconciled
from engine.cluster import NotFound, connected
from engine.cluster.endpoint import Endpoint
from engine.runtime import SystemClock
from tests.support.scripted_api import ScriptedApi, events, json, status
from tests.unit.cli.listings import listing, watched

KIND = KINDS["Kustomization"]
PATH = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/ns/kustomizations"
AT = "reconcile.fluxcd.io/requestedAt"


def seen(
    ready: str = "True",
    *,
    reason: str = "Succeeded",
    generation: int = 2,
    observed: int = 2,
    asked: str = "new",
    handled: str = "new",
    version: str = "7",
) -> dict[str, Any]:
    """The object as an engine leaves it."""
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": reason,
        "message": f"it is {reason}",
        "observedGeneration": observed,
    }
    return {
        "kind": "Kustomization",
        "metadata": {
            "name": "apps",
            "namespace": "ns",
            "uid": "u",
            "resourceVersion": version,
            "generation": generation,
            "annotations": {AT: asked},
        },
        "spec": {},
        "status": {
            "conditions": [condition],
            "lastHandledReconcileAt": handled,
            "lastAppliedRevision": "main@sha1:1",
        },
    }


BEFORE = seen(asked="old", handled="old", version="6")
REQUEST = Awaited(KIND, BEFORE, "new")
RESUMED = Awaited(KIND, BEFORE)


@pytest.mark.parametrize(
    ("awaited", "obj", "is_outcome"),
    [
        (REQUEST, seen(), True),
        (REQUEST, seen("False", reason="BuildFailed"), True),
        (REQUEST, seen(handled="old"), False),
        (REQUEST, BEFORE, False),
        (REQUEST, seen(asked="old", handled="older"), False),  # a list from an old cache
        (REQUEST, seen(asked="later", handled="later"), True),  # somebody asked after us
        (REQUEST, seen("Unknown", reason="Progressing"), False),
        (REQUEST, seen("False", reason="Progressing"), False),
        (REQUEST, seen(generation=3), False),
        (RESUMED, BEFORE, True),
        (RESUMED, seen(generation=1, observed=1), False),
        (RESUMED, seen(generation=3, observed=2), False),
        (RESUMED, {**seen(), "status": {}}, False),
    ],
)
def test_only_the_end_of_what_was_asked_for_is_an_outcome(
    awaited: Awaited, obj: dict[str, Any], is_outcome: bool
) -> None:
    assert awaited.is_outcome(obj) == is_outcome


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (seen(), "applied revision main@sha1:1"),
        (
            {"kind": "GitRepository", "status": {"artifact": {"revision": "main@sha1:2"}}},
            "fetched revision main@sha1:2",
        ),
        ({"kind": "Receiver", "status": seen()["status"]}, "it is Succeeded"),
    ],
)
def test_an_outcome_names_its_revision(obj: dict[str, Any], text: str) -> None:
    assert outcome(obj) == text


async def wait(api: ScriptedApi, seconds: float = 5.0) -> Any:
    async with connected(Endpoint(api.url), SystemClock(), Random(1)) as client:
        return await wait_reconciled(client, REQUEST, seconds)


def told(kind: str, obj: dict[str, Any]) -> Any:
    return events({"type": kind, "object": obj}, then="silence")


async def test_who_waits_for_its_source_says_where_to_look(api: ScriptedApi) -> None:
    obj = seen("False", reason="ArtifactFailed")
    obj["status"]["conditions"][0]["message"] = "Source artifact not found, retrying in 30s"
    obj["spec"] = {"sourceRef": {"kind": "GitRepository", "name": "fleet"}}
    api.on("GET", PATH, watched(listing(obj)))

    with pytest.raises(Problem, match="; `lockstep get source git fleet -n ns` says why"):
        await wait(api)


async def test_the_watch_tells_of_the_outcome(api: ScriptedApi) -> None:
    api.on("GET", PATH, watched(listing(BEFORE), told("MODIFIED", seen())))
    ended = await wait(api)

    assert ended["metadata"]["resourceVersion"] == "7"
    assert api.asked("GET", PATH)[0].query["fieldSelector"] == "metadata.name=apps"


async def test_a_failure_ends_the_wait_at_once(api: ScriptedApi) -> None:
    api.on("GET", PATH, watched(listing(seen("False", reason="BuildFailed"))))

    with pytest.raises(Problem, match="Kustomization ns/apps: BuildFailed: it is BuildFailed"):
        await wait(api)


async def test_without_an_engine_the_wait_ends_with_what_to_look_at(api: ScriptedApi) -> None:
    api.on("GET", PATH, watched(listing(BEFORE)))

    with pytest.raises(Problem, match=r"not reconciled within 200ms.*lockstep check"):
        await wait(api, 0.2)


async def test_a_deleted_object_ends_the_wait(api: ScriptedApi) -> None:
    api.on("GET", PATH, watched(listing(BEFORE), told("DELETED", BEFORE)))

    with pytest.raises(Problem, match="deleted meanwhile"):
        await wait(api)


async def test_who_may_not_watch_looks_again_and_again(api: ScriptedApi) -> None:
    api.on("GET", PATH, status(403, "no", reason="Forbidden"))
    api.on("GET", f"{PATH}/apps", json(seen()))

    assert (await wait(api))["metadata"]["name"] == "apps"


async def test_a_kind_that_is_not_served_ends_the_wait(api: ScriptedApi) -> None:
    with pytest.raises(NotFound):
        await wait(api)
