from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from engine.notice import Notification
from engine.objects.ref import Ref
from engine.plugin import Context, Destination, Undeliverable, Undelivered
from tests.support.clock import ManualClock
from tests.support.dispatching import Desk, Service, dispatching, event


@asynccontextmanager
async def served(
    folder: Path, clock: ManualClock, notifier: Any, **settings: Any
) -> AsyncIterator[Desk]:
    """A desk whose dispatcher works, with a Provider and an Alert."""
    with dispatching(folder, clock, {"slack": notifier}, **settings) as desk:
        desk.provider()
        desk.alert()
        desk.synced()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.dispatch.dispatcher.serve)
            yield desk
            tasks.cancel_scope.cancel()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_events_are_told_in_order(tmp_path: Path, clock: ManualClock) -> None:
    service = Service()
    async with served(tmp_path, clock, service) as desk:
        await desk.receive(*(event(str(n)) for n in range(20)))
        await desk.dispatch.drain()

        assert [message for _, message in service.told] == [str(n) for n in range(20)]
        assert desk.counted("delivered") == 20
        assert desk.said() == []


async def test_one_that_fails_is_tried_again_before_the_next(
    tmp_path: Path, clock: ManualClock
) -> None:
    service = Service()
    service.failures = [Undelivered("busy"), Undelivered("busy", after=20), Undelivered("gone")]
    async with served(tmp_path, clock, service) as desk:
        began = clock.monotonic()
        await desk.receive(event("1"), event("2"))
        waits = []
        while len(service.told) < 2:
            await desk.dispatch.drain()
            waits.append(clock.next_wake())
            await clock.advance((waits[-1] or clock.monotonic()) - clock.monotonic())

    assert [message for _, message in service.told] == ["1", "2"]
    assert [at - began for at in waits if at is not None] == [2.0, 22.0, 30.0]


async def test_after_four_retries_the_alert_says_so_and_the_next_has_its_turn(
    tmp_path: Path, clock: ManualClock
) -> None:
    service = Service()
    service.failures = [Undelivered("HTTP 503: busy")] * 5
    async with served(tmp_path, clock, service) as desk:
        await desk.receive(event("1"), event("2"))
        for _ in range(4):
            await desk.dispatch.drain()
            await clock.advance(30)
        await desk.dispatch.drain()

        assert [message for _, message in service.told] == ["2"]
        assert desk.said() == [
            "NotificationDispatchFailed: failed to send notification for Kustomization/ns/app: "
            "HTTP 503: busy (tried 5 times)"
        ]
        assert (desk.counted("failed"), desk.counted("delivered")) == (1, 1)


async def test_what_is_useless_to_repeat_is_not(tmp_path: Path, clock: ManualClock) -> None:
    service = Service()
    service.failures = [Undeliverable("HTTP 404")]
    async with served(tmp_path, clock, service) as desk:
        await desk.receive(event("1"))
        await desk.dispatch.drain()

        assert service.tries == 1
        assert desk.said()[0].endswith("Kustomization/ns/app: HTTP 404")


async def test_a_silent_service_holds_up_nobody_else(tmp_path: Path, clock: ManualClock) -> None:
    service, hung = Service(), anyio.Event()

    async def notify(notification: Notification, to: Destination, ctx: Context) -> None:
        if to.provider.name == "silent":
            hung.set()
            await anyio.sleep_forever()
        await service(notification, to, ctx)

    async with served(tmp_path, clock, notify) as desk:
        desk.provider("silent", timeout="59m")
        desk.alert("b", provider="silent")
        await desk.receive(event("1"), event("2"))
        await hung.wait()
        while len(service.told) < 2:
            await anyio.lowlevel.checkpoint()

    assert service.told == [("chat", "1"), ("chat", "2")]


async def test_a_service_has_the_time_that_its_provider_gives_it(
    tmp_path: Path, clock: ManualClock
) -> None:
    async def notify(*_: Any) -> None:
        await anyio.sleep_forever()

    async with served(tmp_path, clock, notify) as desk:
        desk.provider(timeout="1ms")
        await desk.receive(event("1"))
        for _ in range(4):
            await desk.dispatch.drain()
            await clock.advance(30)
        await desk.dispatch.drain()

        assert "no answer in time" in desk.said()[0]


async def test_a_bug_of_a_notifier_is_told_without_its_text_and_ends_nothing(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service()
    service.failures = [ValueError("with a Secret/1 in it")]
    async with served(tmp_path, clock, service) as desk:
        await desk.receive(event("1"), event("2"))
        await desk.dispatch.drain()

        assert "unexpected ValueError: this is a bug" in desk.said()[0]
        assert [message for _, message in service.told] == ["2"]
        assert "Secret/1" not in str([vars(each) for each in caplog.records])


async def test_what_was_not_told_is_told_after_a_restart(
    tmp_path: Path, clock: ManualClock
) -> None:
    busy, service = Service(), Service()
    busy.failures = [Undelivered("busy")] * 9
    async with served(tmp_path, clock, busy) as desk:
        await desk.receive(event("1"), event("2"))
        await desk.dispatch.drain()

    async with served(tmp_path, clock, service) as desk:
        await desk.dispatch.drain()

    assert [message for _, message in service.told] == ["1", "2"]


async def test_an_alert_that_is_gone_hears_nothing_more(tmp_path: Path, clock: ManualClock) -> None:
    service = Service()
    with dispatching(tmp_path, clock, {"slack": service}) as desk:
        desk.provider()
        desk.alert()
        await desk.receive(event("1"))
    with dispatching(tmp_path, clock, {"slack": service}) as desk:
        desk.provider()
        desk.synced()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.dispatch.dispatcher.serve)
            await desk.dispatch.drain()
            tasks.cancel_scope.cancel()

        assert desk.counted("withdrawn") == 1
    assert service.told == []


async def test_a_provider_that_is_gone_is_told_on_the_alert(
    tmp_path: Path, clock: ManualClock
) -> None:
    service = Service()
    service.failures = [Undelivered("busy")]
    async with served(tmp_path, clock, service) as desk:
        await desk.receive(event("1"))
        await desk.dispatch.drain()
        desk.dispatch.directory.gone(
            Ref("notification.toolkit.fluxcd.io", "Provider", "ns", "chat")
        )
        for _ in range(4):
            await clock.advance(30)
            await desk.dispatch.drain()

        assert "failed to read provider 'ns/chat': it does not exist any more" in desk.said()[0]


async def test_a_secret_that_comes_late_is_waited_for(tmp_path: Path, clock: ManualClock) -> None:
    service = Service()
    async with served(tmp_path, clock, service) as desk:
        desk.provider(secretRef={"name": "s"})
        await desk.receive(event("1"))
        await desk.dispatch.drain()
        desk.secret("s", token=b"t", address=b"https://other.test\n")
        await clock.advance(2)
        await desk.dispatch.drain()

    (to,) = service.destinations
    assert (to.address, to.token) == ("https://other.test", "t")


async def test_a_full_queue_is_counted_and_told_on_the_alert(
    tmp_path: Path, clock: ManualClock
) -> None:
    with dispatching(tmp_path, clock, {"slack": Service()}, notification_queue_bytes=1000) as desk:
        desk.provider()
        desk.alert()
        await desk.receive(*(event(str(n)) for n in range(9)))

        assert desk.counted("dropped") > 0
        (said,) = desk.said()
    assert "more than 1000 bytes wait to be told: the oldest for 'chat' are dropped" in said


async def test_no_folder_for_the_journal_costs_nothing_but_survival(
    tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "file").write_text("")
    service = Service()

    async with served(tmp_path / "file", clock, service) as desk:
        await desk.receive(event("1"))
        await desk.dispatch.drain()

    assert service.told == [("chat", "1")]
