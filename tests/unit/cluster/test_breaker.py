from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import anyio
import pytest

from engine.cluster.breaker import GRACE, LONGEST_PROBE, Breaker, State, is_silence
from engine.cluster.errors import (
    ApiError,
    Forbidden,
    Paused,
    TimedOut,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from engine.cluster.retry import BREAKS
from tests.support.clock import ManualClock, settle

SLOW = TimedOut(0, "", "PATCH https://10.0.0.1/api: no answer in time")
REFUSED = Unreachable(0, "", "GET https://10.0.0.1/api: Connection refused")


class Probed:
    """A cluster that answers a probe as it is told to."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.breaker = Breaker(self.clock, Random(0))
        self.answer: ApiError | None = REFUSED
        self.asked_at: list[float] = []
        self.told: list[bool] = []
        self.breaker.told = self.told.append

    async def ask(self) -> None:
        self.asked_at.append(self.clock.monotonic())
        if self.answer is not None:
            raise self.answer


@asynccontextmanager
async def probed() -> AsyncIterator[Probed]:
    world = Probed()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.breaker.serve, world.ask)
        await settle()
        yield world
        tasks.cancel_scope.cancel()


async def test_a_short_break_pauses_nobody() -> None:
    async with probed() as world:
        for attempt in range(1, BREAKS):
            world.breaker.failed(REFUSED, attempt)
        world.breaker.answered()
        await world.clock.advance(GRACE)
        world.breaker.failed(REFUSED, 1)
        world.breaker.check()

        assert (world.breaker.state, world.told, world.asked_at) == (State.CLOSED, [], [])


async def test_many_requests_that_break_at_one_moment_pause_nobody() -> None:
    async with probed() as world:
        for _ in range(100):
            world.breaker.failed(REFUSED, 1)

        world.breaker.check()


@pytest.mark.parametrize(("attempt", "later"), [(BREAKS, 0.0), (1, GRACE)])
async def test_who_is_silent_for_long_is_not_asked_any_more(attempt: int, later: float) -> None:
    async with probed() as world:
        world.breaker.failed(REFUSED, 1)
        began = world.clock.wall()
        await world.clock.advance(later)
        world.breaker.failed(REFUSED, attempt)
        with pytest.raises(Paused, match="Connection refused"):
            world.breaker.check()

        outage = world.breaker.outage
        assert outage is not None
        assert (outage.since, outage.why) == (began, "Connection refused")
        assert (world.breaker.state, world.told) == (State.OPEN, [True])


async def test_one_probe_looks_for_it_less_and_less_often_and_its_answer_ends_the_pause() -> None:
    async with probed() as world:
        world.breaker.failed(REFUSED, BREAKS)
        await world.clock.advance(600)
        pauses = [b - a for a, b in zip(world.asked_at, world.asked_at[1:], strict=False)]
        count = len(world.asked_at)
        world.answer = None
        await world.clock.advance(LONGEST_PROBE)
        world.breaker.check()
        await world.clock.advance(600)

        assert count < 40
        assert LONGEST_PROBE / 2 <= max(pauses) <= LONGEST_PROBE
        assert len(world.asked_at) == count + 1
        assert (world.told, world.breaker.outages) == ([True, False], 1)
        assert world.breaker.lasted >= 600


@pytest.mark.parametrize("is_silent", [True, False])
async def test_timeouts_alone_prove_nothing_a_probe_does(is_silent: bool) -> None:
    async with probed() as world:
        if not is_silent:
            world.answer = None
        world.breaker.failed(SLOW, 1)
        world.breaker.check()
        await settle()

        assert len(world.asked_at) == 1
        assert (world.breaker.outage is not None) is is_silent
        assert world.told == [True] * is_silent
        await world.clock.advance(60)
        assert (len(world.asked_at) > 1) is is_silent


async def test_a_refusal_is_an_answer() -> None:
    async with probed() as world:
        world.breaker.failed(REFUSED, BREAKS)
        world.answer = Forbidden(403, "Forbidden", "no")
        await world.clock.advance(1)

        assert world.breaker.outage is None


async def test_what_waits_for_the_end_is_woken_by_it() -> None:
    async with probed() as world:
        world.breaker.failed(REFUSED, BREAKS)
        woken = anyio.Event()

        async def wait() -> None:
            try:
                world.breaker.check()
            except Paused as pause:
                await pause.over()
                woken.set()

        async with anyio.create_task_group() as waiting:
            waiting.start_soon(wait)
            await settle()
            assert not woken.is_set()
            world.answer = None
            await world.clock.advance(1)

        assert woken.is_set()


async def test_a_late_answer_ends_it_too() -> None:
    async with probed() as world:
        world.breaker.failed(REFUSED, BREAKS)
        world.breaker.answered()
        await world.clock.advance(60)

        assert (world.breaker.state, world.asked_at) == (State.CLOSED, [])


async def test_every_watch_is_cut_when_it_begins() -> None:
    async with probed() as world:
        cut: list[str] = []
        with world.breaker.cutting(lambda: cut.append("gone")):
            pass
        with pytest.raises(Paused), world.breaker.cutting(lambda: cut.append("open")):
            world.breaker.failed(REFUSED, BREAKS)

        assert cut == ["open"]


async def test_missing_credentials_say_nothing_about_the_cluster() -> None:
    async with probed() as world:
        world.breaker.failed(REFUSED, BREAKS)
        world.breaker.failed(Unauthorized(0, "", "the plugin failed"), 1)

        assert world.breaker.outage is not None


@pytest.mark.parametrize(
    ("error", "is_silent"),
    [
        (REFUSED, True),
        (ApiError(502, "", "bad gateway"), True),
        (Unavailable(503, "", "no upstream"), True),
        (Unavailable(503, "ServiceUnavailable", "an APIService is away"), False),
        (ApiError(500, "InternalError", "oops"), False),
        (Forbidden(403, "Forbidden", "no"), False),
    ],
)
def test_a_gateways_word_is_silence(error: ApiError, is_silent: bool) -> None:
    assert is_silence(error) is is_silent
