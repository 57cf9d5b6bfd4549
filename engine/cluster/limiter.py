"""How many requests may be under way at once: as many as the API server answers quickly.

Concurrency grows by one a round of good answers and shrinks by a factor on bad ones (AIMD, as TCP
does); who waits is let in by priority, and in the order of arrival within one.
"""

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from engine.runtime.clock import Clock
from engine.runtime.priority import Priority

LONGEST_PAUSE = 30.0  # seconds; a Retry-After above it would starve Leases and people


@dataclass(frozen=True, slots=True)
class Bounds:
    """How the limit may move."""

    least: int = 2
    most: int = 64
    start: int = 16  #: where a bare client reached the server's throughput (design, section 8)
    shrink: float = 0.7
    tolerance: float = 4.0  #: an answer this many times slower than usual means congestion
    slack: float = 0.25  #: seconds of slowness that never count: webhooks, collections of garbage


class Concurrency:
    """The limit itself; `now` is given with each call, in seconds."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._limit = float(bounds.start)
        self._usual: dict[str, float] = {}  # {verb: seconds of an unhurried answer}
        self._shrunk_at = float("-inf")
        self.in_flight = 0
        self.resumes_at = float("-inf")
        self.rejected = 0

    @property
    def limit(self) -> int:
        """Requests that may be under way at once."""
        return int(self._limit)

    def has_room(self, now: float) -> bool:
        """Whether one more may start."""
        return self.in_flight < self.limit and now >= self.resumes_at

    def start(self) -> None:
        """One more is under way."""
        self.in_flight += 1

    def finish(self, verb: str, latency: float, now: float) -> None:
        """One was answered after `latency` seconds."""
        busy = self.in_flight >= self.limit - 1
        self.in_flight -= 1
        usual = self._usual.get(verb)
        if usual is None:
            self._usual[verb] = latency
            return
        # Falls at once and rises slowly, so that congestion does not pass for the usual.
        self._usual[verb] = min(latency, usual + 0.01 * (latency - usual))
        if latency > usual * self._bounds.tolerance + self._bounds.slack:
            self._shrink(now, latency)
        elif busy:
            self._limit = min(float(self._bounds.most), self._limit + 1 / self._limit)

    def abandon(self) -> None:
        """One ended without an answer that says anything about load."""
        self.in_flight -= 1

    def reject(self, retry_after: float, now: float) -> None:
        """One was refused for load: fewer at once, and none for `retry_after` seconds."""
        self.in_flight -= 1
        self.rejected += 1
        self._shrink(now, 1.0)
        self.resumes_at = max(self.resumes_at, now + min(retry_after, LONGEST_PAUSE))

    def _shrink(self, now: float, round_trip: float) -> None:
        """Lower the limit, once for all answers that were under way together."""
        if now - self._shrunk_at >= round_trip:
            self._shrunk_at = now
            self._limit = max(float(self._bounds.least), self._limit * self._bounds.shrink)


@dataclass(frozen=True, slots=True)
class Statistics:
    """A Limiter at one moment."""

    limit: int
    in_flight: int
    rejected: int  #: refusals for load since the start
    waiting: Mapping[Priority, int]


@dataclass(eq=False, slots=True)
class _Waiter:
    event: anyio.Event = field(default_factory=anyio.Event)
    admitted: bool = False


class Slot:
    """Leave to send one request; told what came of it."""

    def __init__(self, concurrency: Concurrency, clock: Clock) -> None:
        self._concurrency = concurrency
        self._clock = clock
        self._began = clock.monotonic()
        self._told = False
        self.was_rejected = False

    def answered(self, verb: str) -> None:
        """The answer came, of whatever kind."""
        now = self._clock.monotonic()
        self._told = True
        self._concurrency.finish(verb, now - self._began, now)

    def rejected(self, retry_after: float) -> None:
        """The API server wants less; seconds."""
        self._told = self.was_rejected = True
        self._concurrency.reject(retry_after, self._clock.monotonic())

    def close(self) -> None:
        """Count it out if nothing was told."""
        if not self._told:
            self._concurrency.abandon()


class Limiter:
    """One for each cluster: whoever sends a request holds a slot meanwhile."""

    def __init__(self, clock: Clock, bounds: Bounds | None = None) -> None:
        self._clock = clock
        self._concurrency = Concurrency(bounds or Bounds())
        self._waiting: dict[Priority, deque[_Waiter]] = {p: deque() for p in Priority}

    @asynccontextmanager
    async def slot(self, priority: Priority) -> AsyncIterator[Slot]:
        """Wait for leave to send, and hold it inside."""
        await self._admission(priority)
        slot = Slot(self._concurrency, self._clock)
        try:
            yield slot
        finally:
            slot.close()
            self._admit()
            if slot.was_rejected:
                self._tell_of_the_pause()

    async def _admission(self, priority: Priority) -> None:
        if priority is Priority.LEASE:
            # The API server keeps a level of its own for Leases; a pause of the rest must not cost
            # the right to write.
            self._concurrency.start()
            return
        waiter = _Waiter()
        self._waiting[priority].append(waiter)
        try:
            while True:
                self._admit()
                if waiter.admitted:
                    return
                now, resumes_at = self._clock.monotonic(), self._concurrency.resumes_at
                await self._clock.wait(waiter.event, resumes_at if resumes_at > now else None)
        except BaseException:
            if waiter.admitted:
                self._concurrency.abandon()
                self._admit()
            else:
                self._waiting[priority].remove(waiter)
            raise

    def _admit(self) -> None:
        """Let in whom there is room for."""
        now = self._clock.monotonic()
        for line in self._waiting.values():
            while line and self._concurrency.has_room(now):
                waiter = line.popleft()
                waiter.admitted = True
                self._concurrency.start()
                waiter.event.set()

    def _tell_of_the_pause(self) -> None:
        """Have those who wait wait for its end; else nobody might be left to let them in."""
        for line in self._waiting.values():
            for waiter in line:
                waiter.event.set()
                waiter.event = anyio.Event()

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        waiting = {priority: len(line) for priority, line in self._waiting.items()}
        c = self._concurrency
        return Statistics(c.limit, c.in_flight, c.rejected, waiting)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Limiter {self.statistics()}>"
