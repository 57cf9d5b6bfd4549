from typing import Any

import pytest

from engine.cli.events import last_seen
from tests.support.scripted_api import ScriptedApi, events, json, status
from tests.unit.cli.conftest import Lockstep
from tests.unit.cli.listings import listing, watched

ROOT = "/api/v1/namespaces/{}/events"
HERE = ROOT.format("flux-system")
KS = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"
HR = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/flux-system/helmreleases"
NOW = 1_000_000.0
GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 403, "message": "no more"}}


def event(name: str, at: str = "1970-01-12T13:46:40Z", kind: str = "Kustomization") -> Any:
    return {
        "metadata": {"name": name, "namespace": "flux-system", "uid": name, "resourceVersion": "1"},
        "involvedObject": {"kind": kind, "name": name},
        "type": "Normal",
        "reason": "Told",
        "message": "something",
        "firstTimestamp": at,
        "lastTimestamp": at,
    }


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "<unknown>"),
        ({"firstTimestamp": "1970-01-12T13:46:30Z"}, "10s"),
        ({"eventTime": "1970-01-12T13:46:35.000000Z"}, "5s"),
        (
            {
                "count": 3,
                "firstTimestamp": "1970-01-12T13:36:40Z",
                "lastTimestamp": "1970-01-12T13:46:39Z",
            },
            "1s (x3 over 10m)",
        ),
        (
            {
                "eventTime": "1970-01-12T13:36:40.000000Z",
                "series": {"count": 2, "lastObservedTime": "1970-01-12T13:46:38.000000Z"},
            },
            "2s (x2 over 10m)",
        ),
    ],
)
def test_when_it_was_seen_is_written_as_kubectl_does(fields: Any, text: str) -> None:
    assert last_seen(fields, NOW) == text


async def test_the_newest_is_the_last(api: ScriptedApi, lockstep: Lockstep) -> None:
    new, old = event("new"), event("old", "1970-01-12T13:00:00Z")
    api.on("GET", HERE, listing(new, event("pod", kind="Pod"), old))
    lines = (await lockstep("events")).out.splitlines()

    assert [line.split()[-2] for line in lines[1:]] == ["Kustomization/old", "Kustomization/new"]


async def test_of_one_second_the_order_is_that_in_which_they_were_written(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    begun, ended = event("begun"), event("ended")
    ended["metadata"]["resourceVersion"] = "2"
    api.on("GET", HERE, listing(ended, begun))
    lines = (await lockstep("events")).out.splitlines()

    assert [line.split()[-2] for line in lines[1:]] == [
        "Kustomization/begun",
        "Kustomization/ended",
    ]


async def test_what_belongs_to_it_in_another_namespace_is_shown_too(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    reference = {"kind": "GitRepository", "name": "fleet", "namespace": "shared"}
    metadata = {"name": "apps", "namespace": "flux-system"}
    api.on("GET", f"{KS}/apps", json({"metadata": metadata, "spec": {"sourceRef": reference}}))
    api.on("GET", HERE, listing(event("apps")))
    api.on("GET", ROOT.format("shared"), listing(event("fleet", kind="GitRepository")))
    ended = await lockstep("events", "--for", "Kustomization/apps")

    assert ended.out.splitlines()[0].startswith("NAMESPACE     LAST SEEN")
    assert "Kustomization/apps" in ended.out
    assert "GitRepository/fleet" in ended.out
    selectors = {seen.path: seen.query.get("fieldSelector") for seen in api.asked("GET")}
    assert selectors[HERE] == "involvedObject.kind=Kustomization,involvedObject.name=apps"


async def test_of_a_release_its_chart_is_shown_too(api: ScriptedApi, lockstep: Lockstep) -> None:
    chart = {"spec": {"chart": "x", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}
    metadata = {"name": "web", "namespace": "flux-system"}
    api.on("GET", f"{HR}/web", json({"metadata": metadata, "spec": {"chart": chart}}))
    api.on("GET", HERE, listing())
    await lockstep("events", "--for", "helmrelease/web")

    asked = [seen.query["fieldSelector"].split("kind=")[1] for seen in api.asked("GET", HERE)]
    assert asked == [
        "HelmRelease,involvedObject.name=web",
        "HelmRepository,involvedObject.name=charts",
        "HelmChart,involvedObject.name=flux-system-web",
    ]


async def test_what_was_told_of_an_object_that_is_gone_is_shown(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("GET", KS.replace("/namespaces/flux-system", ""), listing())
    api.on("GET", HERE, listing(event("apps")))
    ended = await lockstep("events", "--for", "Kustomization/apps")

    assert ended.status == 0
    assert "Kustomization/apps" in ended.out
    assert "Kustomization object 'apps' not found" in ended.err


async def test_watching_goes_on_after_what_there_was(api: ScriptedApi, lockstep: Lockstep) -> None:
    old = event("old", "1970-01-12T13:00:00Z")
    changed = {"type": "ADDED", "object": event("third")}
    api.on("GET", HERE, watched(listing(event("second"), old), events(changed, GONE)))
    ended = await lockstep("events", "-w")

    words = [line.split() for line in ended.out.splitlines()]
    assert words[0][:2] == ["LAST", "SEEN"]
    assert [row[-2] for row in words[1:]] == [
        "Kustomization/old",
        "Kustomization/second",
        "Kustomization/third",
    ]
    assert ended.err == "Error: no more; ask for that permission, or use another --context\n"


async def test_a_refusal_is_one_line(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("GET", HERE, status(403, "events is forbidden", reason="Forbidden"))
    ended = await lockstep("events")

    assert ended.status == 1
    assert len(ended.err.splitlines()) == 1
