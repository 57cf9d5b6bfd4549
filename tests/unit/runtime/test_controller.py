from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from engine.runtime import Controller, Priority, Requeue, Turn
from tests.support.clock import ManualClock, settle

Run = Callable[[Turn[str]], Awaitable[Requeue]]


@asynccontextmanager
async def serving(
    run: Run, clock: ManualClock, concurrency: int = 2, grace: float = 30.0
) -> AsyncIterator[Controller[str]]:
    controller: Controller[str] = Controller(run, clock, concurrency, grace=grace)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(controller.serve)
        yield controller
        controller.stop()
        await clock.advance(grace)


class Recorder:
    """A run that notes its turns and ends with what it was given for the key."""

    def __init__(self, **outcomes: Requeue) -> None:
        self.outcomes = outcomes
        self.ran: list[tuple[str, tuple[str, ...]]] = []

    async def __call__(self, turn: Turn[str]) -> Requeue:
        self.ran.append((turn.key, turn.reasons))
        return self.outcomes.get(turn.key, Requeue())

    @property
    def keys(self) -> str:
        return "".join(key for key, _ in self.ran)


async def test_a_pushed_key_runs_at_once_with_its_reasons() -> None:
    run, clock = Recorder(), ManualClock()
    async with serving(run, clock) as controller:
        controller.push("a", reason="commit")
        controller.push("a", reason="webhook", priority=Priority.MANUAL)
        await settle()

        assert run.ran == [("a", ("commit", "webhook"))]


async def test_a_run_is_repeated_after_the_time_it_asks_for() -> None:
    run, clock = Recorder(a=Requeue(after=60)), ManualClock()
    async with serving(run, clock) as controller:
        controller.push("a")
        await clock.advance(59)
        assert run.keys == "a"
        await clock.advance(62)

        assert run.keys == "aaa"


async def test_a_failure_backs_off_until_it_succeeds() -> None:
    run, clock = Recorder(a=Requeue(failed=True)), ManualClock()
    async with serving(run, clock) as controller:
        controller.push("a")
        await clock.advance(0.75 + 1.5 + 3 + 0.1)
        assert run.keys == "aaaa"
        run.outcomes["a"] = Requeue()
        await clock.advance(6)
        run.outcomes["a"] = Requeue(failed=True)
        controller.push("a")
        await clock.advance(0.8)

        assert run.keys == "aaaaaaa"


async def test_a_bug_in_one_run_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    ran: list[str] = []

    async def run(turn: Turn[str]) -> Requeue:
        ran.append(turn.key)
        if turn.key == "bad":
            raise ZeroDivisionError
        return Requeue()

    clock = ManualClock()
    async with serving(run, clock) as controller:
        controller.push("bad")
        controller.push("good")
        await clock.advance(1)

        assert ran == ["bad", "good", "bad"]
    assert "run of bad failed unexpectedly" in caplog.text


async def test_no_more_runs_at_once_than_slots() -> None:
    release, clock, started = anyio.Event(), ManualClock(), []

    async def run(turn: Turn[str]) -> Requeue:
        started.append(turn.key)
        await release.wait()
        return Requeue()

    async with serving(run, clock, concurrency=2) as controller:
        for key in "abc":
            controller.push(key)
        await settle()
        assert started == ["a", "b"]
        release.set()
        await settle()

        assert started == ["a", "b", "c"]


async def test_a_run_that_waits_holds_no_slot_and_gets_one_back_first() -> None:
    health, step, clock, log = anyio.Event(), anyio.Event(), ManualClock(), []

    async def run(turn: Turn[str]) -> Requeue:
        log.append(f"{turn.key} begins")
        if turn.key == "a":
            async with turn.yielded():
                await health.wait()
        else:
            await step.wait()
        log.append(f"{turn.key} ends")
        return Requeue()

    async with serving(run, clock, concurrency=1) as controller:
        for key in "abc":
            controller.push(key)
        await settle()
        assert log == ["a begins", "b begins"]
        assert (controller.statistics().working, controller.statistics().waiting) == (1, 1)
        health.set()
        await settle()
        step.set()
        await settle()

    assert log == ["a begins", "b begins", "b ends", "a ends", "c begins", "c ends"]


async def test_a_newer_trigger_ends_a_wait_and_the_key_runs_again() -> None:
    clock, log = ManualClock(), []

    async def run(turn: Turn[str]) -> Requeue:
        log.append(turn.reasons)
        if len(log) == 1:
            async with turn.yielded():
                with turn.until_superseded() as scope:
                    await anyio.sleep_forever()
            log.append((f"superseded {scope.cancelled_caught} {turn.superseded.is_set()}",))
        return Requeue()

    async with serving(run, clock) as controller:
        controller.push("a", reason="one")
        await settle()
        controller.push("a", reason="two")
        await settle()
        assert log == [("one",)]
        controller.push("a", reason="three", supersede=True)
        await settle()

    assert log == [("one",), ("superseded True True",), ("two", "three")]


async def test_a_wait_that_begins_after_the_newer_trigger_ends_at_once() -> None:
    clock, ended = ManualClock(), []

    async def run(turn: Turn[str]) -> Requeue:
        turn.supersede()
        with turn.until_superseded():
            await anyio.sleep_forever()
        ended.append(turn.key)
        return Requeue()

    async with serving(run, clock) as controller:
        controller.push("a")
        await settle()

    assert ended == ["a"]


async def test_stop_cancels_waits_at_once_and_lets_work_end() -> None:
    clock, work, log = ManualClock(), anyio.Event(), []

    async def run(turn: Turn[str]) -> Requeue:
        try:
            if turn.key == "waits":
                async with turn.yielded():
                    await anyio.sleep_forever()
            await work.wait()
            log.append(f"{turn.key} ended")
        except anyio.get_cancelled_exc_class():
            log.append(f"{turn.key} cancelled")
            raise
        return Requeue()

    async with serving(run, clock) as controller:
        for key in ("waits", "works"):
            controller.push(key)
        await settle()
        controller.stop()
        controller.push("new")
        await settle()
        assert log == ["waits cancelled"]
        work.set()
        await settle()

    assert log == ["waits cancelled", "works ended"]


@pytest.mark.parametrize("is_crowded", [False, True], ids=["slot free", "slot taken"])
async def test_a_wait_that_ends_as_it_is_cancelled_is_not_gone_on_from(is_crowded: bool) -> None:
    clock, told, over = ManualClock(), anyio.Event(), anyio.Event()
    went_on = []

    async def run(turn: Turn[str]) -> Requeue:
        if turn.key == "b":
            await over.wait()
            return Requeue()
        async with turn.yielded():
            await told.wait()
        went_on.append(turn.key)
        return Requeue()

    async with serving(run, clock, concurrency=1) as controller:
        controller.push("a")
        await settle()
        if is_crowded:
            controller.push("b")
            await settle()
            told.set()  # "a" waits for the slot that "b" has
            await settle()
            controller.stop()
            await settle()
            over.set()
        else:
            told.set()  # its answer is there before it hears that it is to end
            controller.stop()
            controller._turns["a"].scope.cancel()

    assert went_on == []


async def test_work_that_outlasts_the_grace_period_is_cancelled() -> None:
    clock = ManualClock()

    async def run(turn: Turn[str]) -> Requeue:
        await anyio.sleep_forever()
        return Requeue()

    async with serving(run, clock, grace=5) as controller:
        controller.push("a")
        await settle()
        controller.stop()
        await clock.advance(4)
        assert controller.statistics().working == 1
        await clock.advance(1)

        assert controller.statistics().working == 0


async def test_a_removed_key_is_forgotten() -> None:
    run, clock = Recorder(a=Requeue(after=60)), ManualClock()
    async with serving(run, clock) as controller:
        controller.push("a")
        await settle()
        controller.remove("a")
        await clock.advance(100)

        assert run.keys == "a"


async def test_a_tenant_whose_runs_hold_all_slots_keeps_no_other_waiting() -> None:
    clock, over, began = ManualClock(), anyio.Event(), []

    async def run(turn: Turn[str]) -> Requeue:
        began.append(turn.key)
        if turn.key.startswith("noisy"):
            await over.wait()
        return Requeue()

    controller: Controller[str] = Controller(
        run, clock, 2, tenant_of=lambda key: key.partition("/")[0]
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(controller.serve)
        for number in range(1000):
            controller.push(f"noisy/{number}", priority=Priority.MANUAL)
        await settle()
        controller.push("calm/app")
        controller.push("calm/asked", priority=Priority.MANUAL)
        await settle()
        assert began == ["noisy/0", "noisy/1", "noisy/2", "calm/asked", "calm/app"]
        assert controller.statistics().working == 3
        controller.stop()
        over.set()


async def test_a_tenant_whose_runs_all_want_their_slots_back_keeps_no_other_waiting() -> None:
    clock, healthy, over, began = ManualClock(), anyio.Event(), anyio.Event(), []

    async def run(turn: Turn[str]) -> Requeue:
        began.append(turn.key)
        if turn.key.startswith("noisy"):
            async with turn.yielded():
                await healthy.wait()
            await over.wait()
        return Requeue()

    controller: Controller[str] = Controller(
        run, clock, 2, tenant_of=lambda key: key.partition("/")[0]
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(controller.serve)
        for number in range(100):
            controller.push(f"noisy/{number}")
        await settle()
        assert len(began) == 100
        healthy.set()
        await settle()
        controller.push("calm/app")
        await settle()
        assert began[100:] == ["calm/app"]
        over.set()
        await settle()
        assert controller.statistics().working == 0
        controller.stop()


async def test_cancelling_it_ends_runs_that_gave_their_slot_back() -> None:
    clock, ended = ManualClock(), anyio.Event()

    async def run(turn: Turn[str]) -> Requeue:
        try:
            async with turn.yielded():
                await anyio.sleep_forever()
        finally:
            ended.set()
        return Requeue()

    controller: Controller[str] = Controller(run, clock, 1)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(controller.serve)
            controller.push("a")
            await settle()
            tasks.cancel_scope.cancel()

    assert ended.is_set()
