"""Clocks for tests: one that stands still until it is moved, one that never waits."""

import itertools

import anyio
import anyio.lowlevel

from engine.runtime.clock import SystemClock


class ManualClock:
    """Time by hand: `await clock.advance(5)` wakes, in order, whoever waited that long."""

    def __init__(self, monotonic: float = 1000.0, wall: float = 1_700_000_000.0) -> None:
        self._now = monotonic
        self._wall_offset = wall - monotonic
        self._sleepers: dict[int, tuple[float, anyio.CancelScope]] = {}
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now + self._wall_offset

    def jump_wall(self, seconds: float) -> None:
        """Move only the wall clock, as a bad time server would."""
        self._wall_offset += seconds

    async def sleep(self, seconds: float) -> None:
        await self.wait(anyio.Event(), self._now + seconds)

    async def wait(self, event: anyio.Event, until: float | None) -> bool:
        if event.is_set() or (until is not None and until <= self._now):
            await anyio.lowlevel.checkpoint()
            return event.is_set()
        number = next(self._numbers)
        with anyio.CancelScope() as scope:
            if until is not None:
                self._sleepers[number] = until, scope
            try:
                await event.wait()
            finally:
                self._sleepers.pop(number, None)
        return event.is_set()

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, stopping at each instant at which somebody wanted to wake."""
        end = self._now + seconds
        await settle()
        while due := [until for until, _ in self._sleepers.values() if until <= end]:
            self._now = max(self._now, min(due))
            for until, scope in list(self._sleepers.values()):
                if until <= self._now:
                    scope.cancel()
            await settle()
        self._now = end
        await settle()

    def next_wake(self) -> float | None:
        """Seconds until the first sleeper wakes; None if nobody sleeps."""
        return min((until for until, _ in self._sleepers.values()), default=None)


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(20):  # anyio looks only ten times a second whether all are blocked
        await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()


class ImpatientClock:
    """A Clock for tests with a real network: it does not sleep, it only notes how long.

    Skipped time counts: `monotonic` is ahead of the system's by all of it.
    """

    def __init__(self) -> None:
        self._system = SystemClock()
        self._skipped = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self._system.monotonic() + self._skipped

    def wall(self) -> float:
        return self._system.wall() + self._skipped

    def skip(self, seconds: float) -> None:
        """Let that time pass at once."""
        self._skipped += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._skipped += max(0.0, seconds)
        await anyio.lowlevel.checkpoint()

    async def wait(self, event: anyio.Event, until: float | None) -> bool:
        if until is None:
            await event.wait()
        elif not event.is_set():
            await self.sleep(until - self.monotonic())
        return event.is_set()
