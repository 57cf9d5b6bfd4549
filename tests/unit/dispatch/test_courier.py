from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.objects.ref import Ref
from tests.support.build import made
from tests.support.clock import ManualClock
from tests.support.dispatching import GROUP, Desk, Service, dispatching, event
from tests.support.failing_disk import hanging

UPDATE = {f"{GROUP}/commit_status": "update"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def desk(tmp_path: Path, clock: ManualClock) -> Any:
    with dispatching(tmp_path, clock, {"slack": Service(), "github": Service()}) as desk:
        yield desk


def waiting(desk: Desk, provider: str = "chat") -> Any:
    """What is next for a Provider."""
    line = Ref("notification.toolkit.fluxcd.io", "Provider", "ns", provider)
    found = desk.dispatch.queue.first(line)
    return None if found is None else found.delivery


async def test_an_event_is_in_line_for_each_alert_that_wants_it(desk: Desk) -> None:
    desk.provider()
    desk.alert("a")
    desk.alert("b")
    desk.alert("other", eventSources=[{"kind": "GitRepository", "name": "*"}])

    await desk.receive(event())

    assert desk.dispatch.queue.waiting == 2


async def test_what_nobody_wants_costs_nothing(desk: Desk) -> None:
    assert await desk.receive(event()) == [True]
    assert desk.dispatch.queue.waiting == 0


async def test_an_event_is_told_once_in_the_window(desk: Desk, clock: ManualClock) -> None:
    desk.provider()
    desk.alert()

    first = await desk.receive(event(), event(timestamp="2026-11-23T11:00:00Z"), event("n"))
    await clock.advance(299)
    second = await desk.receive(event())
    await clock.advance(1)
    third = await desk.receive(event())

    assert (first, second, third) == ([True, False, True], [False], [True])
    assert desk.dispatch.queue.waiting == 3


async def test_what_could_not_be_put_in_line_is_no_repetition(desk: Desk) -> None:
    desk.provider()
    desk.alert(eventSources=[{"kind": "Kustomization", "name": "*", "matchLabels": {"a": "b"}}])
    desk.client.refuse("get Kustomization/ns/app", RuntimeError("a bug"))

    with pytest.raises(RuntimeError):
        await desk.receive(event())

    desk.client.put(made("Kustomization", "app", api_version=f"{GROUP}/v1", labels={"a": "b"}))
    assert await desk.receive(event()) == [True]
    assert desk.dispatch.queue.waiting == 1


async def test_an_event_whose_caller_gave_up_while_the_disk_hung_is_in_line_once(
    desk: Desk, tmp_path: Path
) -> None:
    desk.provider()
    desk.alert()
    caller = anyio.CancelScope()

    async def receive() -> None:
        with caller:
            await desk.receive(event("second"))

    with hanging(tmp_path / "notifications.db") as go_on:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.receive, event("first"))
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(receive)
            await anyio.wait_all_tasks_blocked()
            caller.cancel()
            await anyio.wait_all_tasks_blocked()
            go_on()

    assert await desk.receive(event("second")) == [False]
    assert desk.dispatch.queue.waiting == 2


async def test_labels_are_those_that_the_engine_knows_or_else_asks_for(desk: Desk) -> None:
    desk.provider()
    sources = [{"kind": "Kustomization", "name": "*", "matchLabels": {"team": "a"}}]
    desk.alert(eventSources=sources)
    known = made("Kustomization", "app", api_version=f"{GROUP}/v1", labels={"team": "a"})
    desk.known[Ref.of(known)] = known

    await desk.receive(event(), event(of={"name": "gone"}))

    assert desk.dispatch.queue.waiting == 1
    (said,) = desk.said()
    assert said.startswith("SourceFetchFailed: error getting source object Kustomization/ns/gone")


async def test_a_missing_provider_is_told_on_the_alert(desk: Desk) -> None:
    desk.alert(provider="none")

    await desk.receive(event())

    (said,) = desk.said()
    assert said == (
        "NotificationDispatchFailed: failed to dispatch notification for Kustomization/ns/app: "
        "failed to read provider 'ns/none': it does not exist, or is malformed: create it, or "
        "correct spec.providerRef"
    )
    assert (desk.events[0].type, desk.events[0].controller) == (
        "Warning",
        "notification-controller",
    )


async def test_a_provider_that_no_watch_has_told_yet_is_asked_for(desk: Desk) -> None:
    desk.alert(provider="new")
    desk.client.put(
        made(
            "Provider",
            "new",
            api_version="notification.toolkit.fluxcd.io/v1beta3",
            spec={"type": "slack"},
        )
    )

    await desk.receive(event())

    assert desk.dispatch.queue.waiting == 1


async def test_a_type_that_is_not_supported_is_told_on_the_alert(desk: Desk) -> None:
    desk.provider(type="telegram")
    desk.alert()

    await desk.receive(event())

    (said,) = desk.said()
    assert "type 'telegram' of Provider 'chat' is not supported yet (these are: github" in said
    assert "--events-addr" in said


async def test_events_of_other_namespaces_are_refused_if_that_is_set(tmp_path: Path) -> None:
    clock, services = ManualClock(), {"slack": Service()}
    with dispatching(tmp_path, clock, services, no_cross_namespace_refs=True) as desk:
        desk.provider()
        desk.alert(eventSources=[{"kind": "Kustomization", "name": "*", "namespace": "other"}])

        await desk.receive(event(of={"namespace": "other"}))

        assert desk.dispatch.queue.waiting == 0
        assert "cross-namespace references have been blocked" in desk.said()[0]


async def test_a_suspended_provider_is_told_nothing(desk: Desk) -> None:
    desk.provider(suspend=True)
    desk.alert()

    await desk.receive(event())

    assert (desk.dispatch.queue.waiting, desk.said()) == (0, [])


async def test_updates_of_commit_statuses_go_to_whom_they_are_for(desk: Desk) -> None:
    desk.provider()
    desk.provider("hub", type="github", address="https://github.com/o/r")
    desk.alert("a")
    desk.alert("b", provider="hub")

    await desk.receive(event(metadata=UPDATE))

    assert waiting(desk) is None
    assert waiting(desk, "hub").status == "kustomization/app/uid"


async def test_a_commit_status_without_a_name_is_told_on_the_alert(desk: Desk) -> None:
    desk.provider("hub", type="github", commitStatusExpr="event.nothing")
    desk.alert(provider="hub")

    await desk.receive(event(metadata=UPDATE))

    assert "failed to create commit status: failed to evaluate the spec" in desk.said()[0]


async def test_metadata_that_is_given_twice_is_told_once(desk: Desk) -> None:
    desk.provider()
    desk.alert(eventMetadata={"revision": "mine", "env": "prod"})
    metadata = {f"{GROUP}/revision": "r1", f"{GROUP}/token": "t"}

    await desk.receive(event(metadata=metadata), event("n", metadata=metadata))

    assert waiting(desk).notification.metadata == {"revision": "r1", "env": "prod"}
    (said,) = desk.said()
    assert said.startswith("MetadataAppendFailed: metadata of these keys is given more than once")
    assert dict(desk.events[0].metadata).keys() == {"revision"}


async def test_a_bad_expression_and_a_malformed_alert_are_told_when_they_come(desk: Desk) -> None:
    desk.alert("regex", exclusionList=["("])
    desk.put("Alert", "odd", {"eventSources": []})

    assert [each.split(":")[0] for each in desk.said()] == ["InvalidConfig", "InvalidConfig"]
    assert desk.events[1].obj["metadata"]["name"] == "odd"


async def test_an_alert_that_changed_counts_as_it_is_now(desk: Desk) -> None:
    desk.provider()
    alert = desk.alert()
    desk.alert(eventSources=[{"kind": "GitRepository", "name": "*"}])
    await desk.receive(event("one"))
    desk.alert()
    await desk.receive(event("two"))
    desk.dispatch.directory.gone(Ref.of(alert))
    await desk.receive(event("three"))

    assert desk.dispatch.queue.waiting == 1
    assert waiting(desk).notification.message == "two"


async def test_a_problem_is_told_once_a_minute_and_how_often_it_was_met(
    desk: Desk, clock: ManualClock
) -> None:
    desk.alert(provider="none")

    await desk.receive(*(event(str(n)) for n in range(5)))
    await clock.advance(60)
    await desk.receive(event("later"))

    first, second = desk.said()
    assert "times more" not in first
    assert second.endswith("(and 4 times more since the last event of it)")


async def test_an_event_of_our_own_that_makes_no_sense_is_logged_and_left(desk: Desk) -> None:
    await desk.dispatch.courier.take({"involvedObject": 5}, {})

    assert desk.dispatch.queue.waiting == 0


async def test_an_event_waits_until_alerts_are_known(desk: Desk) -> None:
    body = event().as_json()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.dispatch.courier.take, body, {})
        await anyio.wait_all_tasks_blocked()
        desk.provider()
        desk.alert()
        desk.synced()

    assert desk.dispatch.queue.waiting == 1
