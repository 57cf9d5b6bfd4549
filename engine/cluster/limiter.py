"""Leave to send: one Limiter for each API server, asked before each request and each watch.

How many at once is said by `concurrency.py`, who is next by `runtime/lines.py`; here it is waited
for.
Watches take no place of requests: they are counted, capped and opened a few at a time.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import anyio

from engine.cluster.breaker import Breaker
from engine.cluster.concurrency import Bounds, Concurrency
from engine.cluster.errors import TooManyWatches
from engine.runtime.clock import Clock
from engine.runtime.lines import Lines
from engine.runtime.priority import Priority

_URGENT = 0.5  # seconds after a manual request in which its run is likely to send the next one
_KEPT = 0.875
"""Of the limit, while a person waits: 4 requests in flight use most of an API server."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A Limiter at one moment; durations in seconds."""

    limit: int  #: requests that may be in flight
    in_flight: int
    rejected: int  #: refusals for load since the start
    waiting: Mapping[Priority, int]
    watches: int  #: open ones
    latency_median: float  #: of the last 512 answers, without the wait for leave; 0: none yet
    latency_p99: float
    resumes_in: float  #: until the end of the pause that the API server asked for, 0: none


@dataclass(eq=False, slots=True)
class _Waiter:
    crowd: int = 0  #: requests under way when it was admitted, 0 before
    event: anyio.Event | None = None  #: None while nobody waits for it: most need not wait

    def wake(self) -> None:
        """Has it look again."""
        if self.event is not None:
            self.event.set()


class Slot:
    """Leave to send one request; told what came of it, or nothing if that says nothing of load."""

    def __init__(self, concurrency: Concurrency, crowd: int, clock: Clock) -> None:
        self._concurrency = concurrency
        self._crowd = crowd
        self._clock = clock
        self._began = clock.monotonic()

    def answered(self, operation: str) -> None:
        """The answer came, of whatever kind; operation: such as `get pods`."""
        now = self._clock.monotonic()
        self._concurrency.answered(operation, now - self._began, self._crowd, now)

    def unanswered(self) -> None:
        """No answer came in time."""
        now = self._clock.monotonic()
        self._concurrency.unanswered(now - self._began, now)


class Limiter:
    """Whoever sends a request holds a slot meanwhile, whoever watches a place for watches."""

    def __init__(
        self, clock: Clock, bounds: Bounds | None = None, breaker: Breaker | None = None
    ) -> None:
        """breaker: None for a cluster without which there is nothing to do anyway."""
        self._clock = clock
        self.breaker = breaker
        self._bounds = bounds or Bounds()
        self._concurrency = Concurrency(self._bounds)
        self._lines: Lines[_Waiter] = Lines()
        self._openings = anyio.Semaphore(self._bounds.openings)
        self._watches = 0
        self._urgent_until = float("-inf")

    @asynccontextmanager
    async def slot(self, priority: Priority, tenant: str = "") -> AsyncIterator[Slot]:
        """Wait for leave to send, and hold it inside.

        tenant: on whose behalf, "": the engine's own.
        """
        crowd = await self._admission(priority, tenant)
        try:
            yield Slot(self._concurrency, crowd, self._clock)
        finally:
            self._end(priority, tenant)

    def reject(self, retry_after: float) -> None:
        """The API server sheds load: nobody but Leases sends for that many seconds."""
        self._concurrency.reject(retry_after, self._clock.monotonic())
        # Whoever waits is to wait for the end of the pause; else nobody might be left to admit.
        for waiter in self._lines:
            waiter.wake()
            waiter.event = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Holds a watch's place while inside.  Raises TooManyWatches if all are taken."""
        if self._watches >= self._bounds.watches:
            text = f"{self._watches} watches are open, as many as --api-watches allows"
            raise TooManyWatches(0, "", text)
        self._watches += 1
        try:
            yield
        finally:
            self._watches -= 1

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[None]:
        """Wait for leave to open a watch, and hold it inside, until its answer has begun.

        Apart from slots: a proxy may hold an answer back until something happens.
        """
        async with self._openings:
            while (left := self._resumes_in()) > 0:
                await self._clock.sleep(left)
            yield

    async def _admission(self, priority: Priority, tenant: str) -> int:
        """Wait for leave; how many requests are under way then, itself included."""
        if priority is Priority.LEASE:
            # The API server keeps a level of its own for Leases; a pause of the rest must not cost
            # the right to write.
            return self._concurrency.start()
        waiter = _Waiter()
        self._note(priority)
        self._lines.join(waiter, priority, tenant)
        try:
            self._admit()
            while not waiter.crowd:
                pause_ends_at = self._concurrency.resumes_at if self._resumes_in() > 0 else None
                waiter.event = waiter.event or anyio.Event()
                await self._clock.wait(waiter.event, pause_ends_at)
                self._admit()
        except BaseException:
            self._lines.leave(waiter)
            if waiter.crowd:
                self._end(priority, tenant)
            raise
        return waiter.crowd

    def _end(self, priority: Priority, tenant: str) -> None:
        """One that was admitted is not under way any more."""
        self._concurrency.end()
        self._note(priority)
        if priority is not Priority.LEASE:
            self._lines.release(tenant)
        self._admit()

    def _admit(self) -> None:
        """Let in whom there is room for."""
        now, concurrency = self._clock.monotonic(), self._concurrency
        while not concurrency.is_paused(now):
            leases = concurrency.in_flight - self._lines.held
            waiter = self._lines.next(concurrency.limit - leases, self._kept(now))
            if waiter is None:
                return
            waiter.crowd = concurrency.start()
            waiter.wake()

    def _note(self, priority: Priority) -> None:
        if priority is Priority.MANUAL:
            self._urgent_until = self._clock.monotonic() + _URGENT

    def _kept(self, now: float) -> int:
        """How many of the requests are kept for a person who waits, if one does.

        Else each answer to him comes after those to all others: at the API server, and here.
        """
        if now > self._urgent_until:
            return 0
        rest = int(self._concurrency.limit * _KEPT)
        return max(0, min(rest, self._concurrency.limit - self._bounds.least))

    def _resumes_in(self) -> float:
        return max(0.0, self._concurrency.resumes_at - self._clock.monotonic())

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        now = self._concurrency
        return Statistics(
            limit=now.limit,
            in_flight=now.in_flight,
            rejected=now.rejected,
            waiting=self._lines.waiting(),
            watches=self._watches,
            latency_median=now.percentile(0.5),
            latency_p99=now.percentile(0.99),
            resumes_in=self._resumes_in(),
        )

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Limiter {self.statistics()}>"
