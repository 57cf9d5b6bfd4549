"""`gitops.lockstep/suspend-*`: a suspension with a reason, an owner and an end."""

from typing import Any

from engine.cluster import Resource
from engine.objects.ref import Object
from engine.plan.suspension import BY, MARKS, REASON, UNTIL
from engine.reconcile.run import rfc3339
from engine.runtime import SystemClock
from tests.support.fleet import Fleet, config_map, is_ready

EVENTS = Resource("", "v1", "Event", "events", namespaced=True)


def suspended(until: str = "", **marks: str) -> dict[str, Any]:
    """What `lockstep suspend` writes."""
    given = {UNTIL: until or None, REASON: marks.get("reason"), BY: marks.get("by")}
    return {"spec": {"suspend": True}, "metadata": {"annotations": given}}


def in_seconds(seconds: float) -> str:
    return rfc3339(SystemClock().wall() + seconds)


def is_resumed(obj: Object) -> bool:
    return not obj["spec"].get("suspend") and MARKS[1] not in (
        obj["metadata"].get("annotations") or {}
    )


async def told(fleet: Fleet, reason: str) -> list[str]:
    listed = await fleet.client.list(EVENTS, fleet.namespace)
    return [each["message"] for each in listed.items if each["reason"] == reason]


async def test_it_ends_by_itself_and_an_event_says_so(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a", x="1")}, interval="1h")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        until = in_seconds(3)
        await fleet.patch("Kustomization", "app", suspended(until, reason="a move", by="ada"))
        fleet.commit({"app/a.yaml": config_map("a", x="2")})
        await fleet.reconcile("GitRepository", "fleet")
        before = await fleet.data("a")
        await fleet.until("Kustomization", "app", is_resumed)
        await fleet.until("ConfigMap", "a", lambda obj: obj["data"] == {"x": "2"})

    assert before == {"x": "1"}
    assert await told(fleet, "Resumed") == [
        f"resumed, as its time is over: it was suspended by ada until {until}: a move"
    ]


async def test_one_whose_time_ended_while_no_engine_ran_is_resumed_at_the_start(
    fleet: Fleet,
) -> None:
    await fleet.app({"app/a.yaml": config_map("a")}, suspend=True)
    await fleet.patch("Kustomization", "app", suspended(in_seconds(-60)))
    await fleet.patch("GitRepository", "fleet", suspended(in_seconds(-60)))

    async with fleet.engine():
        await fleet.until("GitRepository", "fleet", is_resumed)
        await fleet.until("Kustomization", "app", is_ready)


async def test_what_is_no_time_is_told_and_ends_nothing(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a")}, suspend=True)
    await fleet.patch("Kustomization", "app", suspended("tomorrow"))

    async with fleet.engine():
        ks = await fleet.reconcile("Kustomization", "app")
        await fleet.reconcile("Kustomization", "app")

    assert ks["spec"]["suspend"] is True
    (text,) = await told(fleet, "Suspended")
    assert "'tomorrow' is not an instant of RFC 3339" in text


async def test_drift_is_told_while_it_lasts_and_corrected_after_it(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a", x="1")}, interval="1h")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("Kustomization", "app", suspended(by="ada"))
        await fleet.reconcile("Kustomization", "app")
        await fleet.patch("ConfigMap", "a", {"data": {"x": "edited"}})
        while not await told(fleet, "DriftDetected"):
            await fleet.reconcile("Kustomization", "app")
        meanwhile = await fleet.data("a")
        await fleet.patch("Kustomization", "app", {"spec": {"suspend": None}})
        await fleet.until("ConfigMap", "a", lambda obj: obj["data"] == {"x": "1"})
        await fleet.until("Kustomization", "app", is_resumed)

    assert meanwhile == {"x": "edited"}
    (text,) = await told(fleet, "DriftDetected")
    assert text.startswith(f"drift of ConfigMap/{fleet.namespace}/a (app/a.yaml:1): .data.x (by ")
    assert text.endswith("it is not corrected, as this is suspended by ada")


async def test_who_resumes_by_hand_leaves_nothing_for_the_next_suspension(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a")}, suspend=True)
    await fleet.patch("Kustomization", "app", suspended(in_seconds(3600), reason="old"))

    async with fleet.engine():
        await fleet.reconcile("Kustomization", "app")
        await fleet.patch("Kustomization", "app", {"spec": {"suspend": None}})
        await fleet.until("Kustomization", "app", lambda obj: is_ready(obj) and is_resumed(obj))
        ks = await fleet.get("Kustomization", "app")

    assert ks is not None
    assert not set(MARKS) & set(ks["metadata"].get("annotations") or {})


async def test_drift_is_told_by_an_engine_that_starts_meanwhile_too(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a", x="1")}, interval="1h")
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("Kustomization", "app", suspended(by="ada"))
        await fleet.reconcile("Kustomization", "app")

    async with fleet.engine():
        await fleet.until("GitRepository", "fleet", is_ready)
        await fleet.reconcile("Kustomization", "app")
        await fleet.patch("ConfigMap", "a", {"data": {"x": "edited"}})
        while not await told(fleet, "DriftDetected"):
            await fleet.reconcile("Kustomization", "app")
        meanwhile = await fleet.data("a")

    assert meanwhile == {"x": "edited"}
