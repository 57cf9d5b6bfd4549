from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from engine.status.events import Event, Recorder
from engine.telemetry import reconciling
from tests.support.build import made
from tests.support.observing import traced

KS = made(
    "Kustomization",
    "app",
    api_version="kustomize.toolkit.fluxcd.io/v1",
    uid="u",
    resourceVersion="7",
    annotations={"event.toolkit.fluxcd.io/team": "a", "other": "b"},
)


class Written:
    """What a Recorder wrote and posted."""

    def __init__(self) -> None:
        self.events: list[tuple[dict[str, Any], int]] = []
        self.posts: list[dict[str, Any]] = []
        self.time = 0
        self.recorder = Recorder(self.write, self.post, self.now, "host")

    async def write(self, body: dict[str, Any], count: int) -> None:
        if body["reason"] == "Odd":
            raise RuntimeError("odd")
        self.events.append((body, count))

    async def post(self, body: dict[str, Any], headers: Mapping[str, str]) -> None:
        self.posts.append(body)

    def now(self) -> str:
        self.time += 1
        return f"t{self.time}"

    async def after(self, *events: Event) -> "Written":
        for event in events:
            self.recorder.emit(event)
        await self.recorder.drain()
        return self


def event(message: str = "m", type_: str = "Normal", **more: Any) -> Event:
    return Event(
        KS, type_, more.pop("reason", "Progressing"), message, "kustomize-controller", more
    )


async def test_an_event_is_written_as_flux_writes_it() -> None:
    ((body, count),) = (await Written().after(event(revision="r1"))).events

    assert count == 1
    assert body["involvedObject"] == {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "name": "app",
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": "7",
    }
    assert body["metadata"]["annotations"] == {
        "event.toolkit.fluxcd.io/team": "a",
        "kustomize.toolkit.fluxcd.io/revision": "r1",
    }
    assert body["source"] == {"component": "kustomize-controller"}
    assert (body["type"], body["reason"], body["message"]) == ("Normal", "Progressing", "m")


async def test_the_notification_has_the_severity_of_the_type() -> None:
    posts = (await Written().after(event(type_="Warning", revision="r1"), event("n"))).posts

    assert [each["severity"] for each in posts] == ["error", "info"]
    assert posts[0]["metadata"]["kustomize.toolkit.fluxcd.io/revision"] == "r1"
    assert posts[0]["reportingController"] == "kustomize-controller"


async def test_a_trace_is_written_and_not_posted() -> None:
    written = await Written().after(event(type_="Trace"))

    assert written.events[0][0]["type"] == "Normal"
    assert written.posts == []


async def test_the_same_again_counts_up_the_same_event() -> None:
    written = await Written().after(event(), event("other"), event())

    first, _, again = written.events
    assert again[1] == 2
    assert again[0]["metadata"]["name"] == first[0]["metadata"]["name"]
    assert again[0]["firstTimestamp"] == first[0]["firstTimestamp"]
    assert again[0]["lastTimestamp"] != first[0]["lastTimestamp"]


async def test_a_long_message_is_cut_as_flux_cuts_it() -> None:
    written = await Written().after(event("x" * 50_000))

    assert len(written.events[0][0]["message"]) == len(written.posts[0]["message"]) == 39_000


async def test_a_long_name_still_makes_a_valid_one() -> None:
    obj = {**KS, "metadata": {**KS["metadata"], "name": "a" * 229 + "-" + "b" * 20}}
    written = await Written().after(Event(obj, "Normal", "R", "m", "c"))

    assert "-." not in written.events[0][0]["metadata"]["name"]


async def test_an_odd_event_does_not_end_the_telling(caplog: pytest.LogCaptureFixture) -> None:
    written = await Written().after(event(reason="Odd"), event())

    assert len(written.events) == 1
    assert "not recorded" in caplog.text


async def test_what_nobody_takes_in_time_is_dropped_and_counted() -> None:
    written = Written()
    for number in range(10_003):
        written.recorder.emit(event(str(number)))

    assert written.recorder.dropped == 6
    assert repr(written.recorder) == "Recorder(waiting=10000, to post=10000, dropped=6)"


async def test_an_address_that_hangs_holds_up_no_event_and_no_reconcile() -> None:
    written = Written()

    async def hang(body: dict[str, Any], headers: Mapping[str, str]) -> None:
        await anyio.sleep_forever()

    recorder = Recorder(written.write, hang, written.now, "host")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recorder.run)
        for number in range(3):
            recorder.emit(event(str(number)))
        await anyio.wait_all_tasks_blocked()
        assert [body["message"] for body, _ in written.events] == ["0", "1", "2"]
        with anyio.move_on_after(0.01) as scope:
            await recorder.drain()
        assert scope.cancelled_caught
        tasks.cancel_scope.cancel()


async def test_an_event_has_the_time_at_which_it_happened() -> None:
    written = Written()
    written.recorder.emit(event("a"))
    written.recorder.emit(event("b"))
    written.time = 60

    await written.recorder.drain()

    assert [body["firstTimestamp"] for body, _ in written.events] == ["t1", "t2"]
    assert [body["timestamp"] for body in written.posts] == ["t1", "t2"]


async def test_a_failure_that_repeats_is_told_each_time() -> None:
    failures = [event("kustomize build failed", "Warning", reason="BuildFailed")] * 40

    written = await Written().after(*failures)

    assert len(written.posts) == 40
    assert [count for _, count in written.events] == list(range(1, 41))
    assert len({body["metadata"]["name"] for body, _ in written.events}) == 1


async def test_what_an_event_changed_is_logged_and_how_a_run_ended_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("DEBUG", "lockstep"):
        await Written().after(event("ConfigMap/ns/a created"), event("end", reason="Other"))

    assert caplog.messages == ["ConfigMap/ns/a created"]


@pytest.mark.slow
async def test_that_events_are_dropped_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    written = Written()
    for number in range(10_005):
        written.recorder.emit(event(str(number), reason="Other"))

    assert caplog.messages == ["10000 events wait to be sent: newer ones are dropped"] * 2


async def test_a_notification_carries_the_trace_that_it_came_from() -> None:
    shown: list[Mapping[str, str]] = []

    async def post(body: dict[str, Any], headers: Mapping[str, str]) -> None:
        shown.append(headers)

    recorder = Recorder(Written().write, post, lambda: "t", "host")
    with traced() as traces, reconciling("K", "g", "ns", "app", "a change", str):
        recorder.emit(event())
    await recorder.drain()

    (root,) = traces.spans
    assert f"{root.context.trace_id:032x}" in shown[0]["traceparent"]
