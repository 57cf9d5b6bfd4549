"""Runs keys when they are due, a few at a time: the only loop that waits for work.

A run is handed its Turn.  It holds a slot while it works and gives it back while it only waits
(`turn.yielded()`), so any number of keys may wait at once.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import anyio
import anyio.lowlevel

from engine.runtime.backoff import Failures
from engine.runtime.clock import Clock
from engine.runtime.priority import Priority
from engine.runtime.workqueue import Item, Queue
from engine.runtime.workqueue import Statistics as QueueStatistics

K = TypeVar("K", bound=Hashable)

log = logging.getLogger("lockstep.runtime")


@dataclass(frozen=True, slots=True)
class Requeue:
    """What a run asks for at its end.

    after: seconds until the next run; None with `failed`: the key's growing back-off; None
    without: no run until something pushes the key.
    """

    after: float | None = None
    failed: bool = False
    priority: Priority = Priority.INTERVAL
    reason: str = "interval"


@dataclass(frozen=True, slots=True)
class Statistics:
    """A controller at one moment."""

    working: int  #: runs that hold a slot or wait to get theirs back
    waiting: int  #: runs that gave their slot back
    slots: int
    due: int  #: keys whose time has come, but that no slot is free for
    queue: QueueStatistics


class Slots(Protocol):
    """What runs hold while they work."""

    def release_on_behalf_of(self, borrower: "Turn[Any]") -> None:
        """That turn holds none any more."""

    async def acquire_on_behalf_of(self, borrower: "Turn[Any]") -> None:
        """Returns once that turn holds one."""


@dataclass(eq=False, slots=True)
class Turn(Generic[K]):
    """One run of one key: why it runs, and what it may ask of its controller."""

    item: Item[K]
    slots: "Slots"
    freed: Callable[[], None]
    superseded: anyio.Event = field(default_factory=anyio.Event)
    """Set once something newer asked for this key: give up waiting, it is run again at once."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    is_yielded: bool = False
    _waits: list[anyio.CancelScope] = field(default_factory=list, init=False)

    @property
    def key(self) -> K:
        """What runs."""
        return self.item.key

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it runs, oldest reason first."""
        return self.item.reasons

    @property
    def priority(self) -> Priority:
        """How urgent its requests are."""
        return Priority(self.item.priority)

    @asynccontextmanager
    async def yielded(self) -> AsyncIterator[None]:
        """Hold no slot inside; on leaving, wait for one again (before any queued key gets it)."""
        self.slots.release_on_behalf_of(self)
        self.is_yielded = True
        self.freed()
        try:
            yield
        finally:
            if not self.scope.cancel_called:  # else it ends here and needs no slot any more
                with anyio.CancelScope(shield=True):  # a superseded run still writes its status
                    await self.slots.acquire_on_behalf_of(self)
                self.is_yielded = False
            # Cancelled at the last moment it ends here, and not in the middle of its next write.
            await anyio.lowlevel.checkpoint_if_cancelled()

    @contextmanager
    def until_superseded(self) -> Iterator[anyio.CancelScope]:
        """A scope that is cancelled once the turn is superseded: see `scope.cancelled_caught`."""
        with anyio.CancelScope() as scope:
            self._waits.append(scope)
            if self.superseded.is_set():
                scope.cancel()
            try:
                yield scope
            finally:
                self._waits.remove(scope)

    def supersede(self) -> None:
        """End the waits of this turn."""
        self.superseded.set()
        for scope in self._waits:
            scope.cancel()


class _Slots(Generic[K]):
    """The slots of a controller, as its turns see them."""

    def __init__(self, queue: Queue[K], changed: Callable[[], None]) -> None:
        self._queue, self._changed = queue, changed
        self._called: dict[K, anyio.Event] = {}  # {who waits to get its slot back: is it called}
        self._is_open = False

    def release_on_behalf_of(self, borrower: Turn[K]) -> None:
        self._queue.pause(borrower.key)

    async def acquire_on_behalf_of(self, borrower: Turn[K]) -> None:
        if self._is_open:
            return
        self._queue.resume(borrower.item)
        called = self._called[borrower.key] = anyio.Event()
        self._changed()
        await called.wait()

    def call(self, key: K) -> None:
        """That one has its slot back."""
        self._called.pop(key).set()

    def open(self) -> None:
        """Nothing new is begun any more: what was begun need not wait to end."""
        self._is_open = True
        for key in list(self._called):
            self.call(key)


class Controller(Generic[K]):
    """A queue and the tasks that work it off.

    In: `push`.  Out: calls of `run`, at most one at a time for a key, `concurrency` in all, and a
    few more: one for what a person waits for, others for tenants that have none (Lines' last laws).
    An exception that leaves `run` is a bug: it is logged, and the key tried again later.
    """

    def __init__(
        self,
        run: "Callable[[Turn[K]], Awaitable[Requeue]]",
        clock: Clock,
        concurrency: int,
        *,
        grace: float = 30.0,
        failures: Failures[K] | None = None,
        tenant_of: Callable[[K], Hashable] | None = None,
    ) -> None:
        """grace: seconds that runs under way are given to end after `stop`.

        tenant_of: whose key it is; None: all are of one.
        """
        self._run = run
        self._clock = clock
        self._grace = grace
        self._failures = failures or Failures()
        self._queue: Queue[K] = Queue(tenant_of) if tenant_of is not None else Queue()
        self._concurrency = concurrency
        self._slots = _Slots(self._queue, self._wake)
        self._turns: dict[K, Turn[K]] = {}
        self._changed = anyio.Event()
        self._stopping = False

    def push(
        self,
        key: K,
        *,
        after: float = 0.0,
        priority: Priority = Priority.INTERVAL,
        reason: str = "",
        supersede: bool = False,
    ) -> None:
        """Have `key` run in `after` seconds, or sooner if that was asked for already.

        supersede: a run under way that only waits is to give up, as this is newer.
        """
        self._queue.push(key, self._clock.monotonic() + after, priority, reason)
        if supersede and key in self._turns:
            self._turns[key].supersede()
        self._wake()

    def remove(self, key: K) -> None:
        """The object is gone: forget what is queued and counted for it."""
        self._queue.remove(key)
        self._failures.forget(key)

    def stop(self) -> None:
        """Begin no more runs; `serve` returns once those under way have ended."""
        self._stopping = True
        self._wake()

    async def serve(self) -> None:
        """Work until `stop` is called, and then until the runs under way have ended.

        Runs that gave their slot back are cancelled at once (nothing of theirs is half done),
        the others after the grace period.
        """
        async with anyio.create_task_group() as tasks:
            try:
                while not self._stopping:
                    self._changed = anyio.Event()
                    now = self._clock.monotonic()
                    item = self._queue.pop(now, self._concurrency)
                    if item is None:
                        await self._clock.wait(self._changed, self._queue.next_at(now))
                    elif item.key in self._turns:
                        self._slots.call(item.key)
                    else:
                        turn = Turn(item, self._slots, self._wake)
                        self._turns[item.key] = turn
                        tasks.start_soon(self._take, turn)
            finally:  # also if all is cancelled: a run that takes its slot back cannot be
                self._slots.open()
            await self._drain()

    async def _take(self, turn: Turn[K]) -> None:
        """Run one turn and queue what it asks for."""
        outcome = Requeue()
        try:
            with turn.scope:
                outcome = await self._run(turn)
        except Exception:
            log.exception("run of %s failed unexpectedly", turn.key)
            outcome = Requeue(failed=True, reason="failure")
        finally:
            del self._turns[turn.key]
            self._queue.done(turn.key)
            self._wake()
        self._requeue(turn.key, outcome)

    def _requeue(self, key: K, outcome: Requeue) -> None:
        after = outcome.after
        if not outcome.failed:
            self._failures.forget(key)
        elif after is None:
            after = self._failures.add(key)
        if after is not None:
            self.push(key, after=after, priority=outcome.priority, reason=outcome.reason)

    async def _drain(self) -> None:
        """Wait for the runs under way, then cancel what is left of them."""
        deadline = self._clock.monotonic() + self._grace
        while self._turns and self._clock.monotonic() < deadline:
            for turn in self._turns.values():
                if turn.is_yielded:
                    turn.scope.cancel()
            self._changed = anyio.Event()
            await self._clock.wait(self._changed, deadline)
        for turn in self._turns.values():
            log.warning("run of %s did not end in %g s: cancelled", turn.key, self._grace)
            turn.scope.cancel()

    def _wake(self) -> None:
        self._changed.set()

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        waiting = sum(turn.is_yielded for turn in self._turns.values())
        queue = self._queue.statistics()
        due = self._queue.due(self._clock.monotonic())
        working = len(self._turns) - waiting
        return Statistics(working, waiting, self._concurrency, due, queue)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Controller {self.statistics()}>"
