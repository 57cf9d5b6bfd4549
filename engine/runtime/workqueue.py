"""Which key runs next: a queue that holds each key once, fair to tenants, and knows no clock.

Laws (tests/property/test_workqueue.py): a key is held at most once; it is never given out before
its time nor while it runs; a key pushed while it runs is run again afterwards; nothing pushed is
lost.  Among the keys whose time has come `lines.py` says who goes.
"""

import heapq
import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from math import inf
from typing import Generic, TypeVar

from engine.runtime.lines import Lines

K = TypeVar("K", bound=Hashable)

_REPLACED = 100  # entries that may lie about before they are swept out
_BEFORE_ALL = -1  # priority of what was begun already: it is nearly done, and holds memory


@dataclass(frozen=True, slots=True)
class Item(Generic[K]):
    """A key to run: when, how urgently, and all the reasons that were given, oldest first."""

    key: K
    at: float
    priority: int
    reasons: tuple[str, ...]

    def merged(self, other: "Item[K]") -> "Item[K]":
        """Both pushes as one: the earlier time, the more urgent priority, all reasons."""
        reasons = tuple(dict.fromkeys(self.reasons + other.reasons))
        at, priority = min(self.at, other.at), min(self.priority, other.priority)
        return replace(self, at=at, priority=priority, reasons=reasons)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of a Queue; `pushed` and `popped` since its start."""

    queued: int
    running: int
    again: int  #: running keys that were pushed meanwhile
    pushed: int
    popped: int


def _of_nobody(_key: Hashable) -> str:
    """One tenant for all."""
    return ""


class Queue(Generic[K]):
    """Keys by time and priority.  Instants are whatever the caller's `now` is, in seconds.

    A key that was popped holds a place until `done`; `pause` gives it back for a while.
    """

    def __init__(self, tenant_of: Callable[[K], Hashable] = _of_nobody) -> None:
        """tenant_of: whose key it is; each tenant gets its share of the places."""
        self._tenant_of = tenant_of
        self._items: dict[K, Item[K]] = {}
        self._running: dict[K, Item[K] | None] = {}  # {key: what was pushed meanwhile}
        self._paused: set[K] = set()  # running keys that hold no place
        self._resuming: dict[K, Item[K]] = {}  # paused keys that wait for a place
        # An entry whose number is not the key's newest was replaced, and is skipped.
        self._newest: dict[K, int] = {}
        self._later: list[tuple[float, int, K]] = []
        self._lines: Lines[K] = Lines()  # keys whose time has come, and those that resume
        self._numbers = itertools.count()
        self._pushed = 0
        self._popped = 0

    def push(self, key: K, at: float, priority: int, reason: str) -> None:
        """Have `key` run at `at` or as soon after as can be; merged with what is queued for it."""
        self._pushed += 1
        item = Item(key, at, priority, (reason,))
        if key in self._running:
            waiting = self._running[key]
            self._running[key] = waiting.merged(item) if waiting else item
        else:
            self._put(item)

    def _put(self, item: Item[K]) -> None:
        held = self._items.get(item.key)
        if held is not None:
            item = held.merged(item)
            if (item.at, item.priority) == (held.at, held.priority):
                self._items[item.key] = item  # keeps its place
                return
        self._items[item.key] = item
        self._lines.leave(item.key)
        number = next(self._numbers)
        self._newest[item.key] = number
        heapq.heappush(self._later, (item.at, number, item.key))
        if len(self._later) > 2 * len(self._items) + _REPLACED:
            self._later = [entry for entry in self._later if self._newest.get(entry[2]) == entry[1]]
            heapq.heapify(self._later)

    def pop(self, now: float, limit: float = inf) -> Item[K] | None:
        """The next key whose time has come, now running until `done`; None if none may go.

        Or one that runs already, was paused, and goes on: these come before all others.
        limit: how many places there are, and one more for what a person waits for: whoever holds
        them may be waiting for leave to send, and he sends first.
        """
        self._fall_due(now)
        key = self._lines.next(limit, spare=1)
        if key is None:
            return None
        if key in self._resuming:
            self._paused.remove(key)
            return self._resuming.pop(key)
        self._running[key] = None
        self._popped += 1
        return self._items.pop(key)

    def _fall_due(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            at, number, key = heapq.heappop(self._later)
            if self._newest.get(key) == number:
                del self._newest[key]
                self._lines.join(key, self._items[key].priority, self._tenant_of(key), at)

    def next_at(self, now: float) -> float | None:
        """The next instant at which a key falls due that has not by `now`; None if there is none.

        A key that has fallen due before needs no instant, but a place.
        """
        self._fall_due(now)
        while self._later:
            at, number, key = self._later[0]
            if self._newest.get(key) == number:
                return at
            heapq.heappop(self._later)
        return None

    def pause(self, key: K) -> None:
        """The run of `key` goes on without its place."""
        self._paused.add(key)
        self._lines.release(self._tenant_of(key))

    def resume(self, item: Item[K]) -> None:
        """The run of a paused key wants its place back: `pop` will give the item once more."""
        self._resuming[item.key] = item
        self._lines.join(item.key, _BEFORE_ALL, self._tenant_of(item.key), item.at)

    def done(self, key: K) -> None:
        """The run of `key` has ended.  Raises KeyError if it was not running."""
        again = self._running.pop(key)
        if key in self._paused:
            self._paused.remove(key)
            self._resuming.pop(key, None)
            self._lines.leave(key)
        else:
            self._lines.release(self._tenant_of(key))
        if again is not None:
            self._put(again)

    def remove(self, key: K) -> None:
        """Forget what is queued for `key`; a run under way goes on."""
        if self._items.pop(key, None) is not None:
            self._newest.pop(key, None)
            self._lines.leave(key)
        if key in self._running:
            self._running[key] = None

    def is_running(self, key: K) -> bool:
        """Whether `key` was popped and is not done."""
        return key in self._running

    def item(self, key: K) -> Item[K] | None:
        """What is queued for `key`, or pushed while it runs."""
        return self._running.get(key) or self._items.get(key)

    def due(self, now: float) -> int:
        """How many keys `pop` could give at that instant."""
        return sum(item.at <= now for item in self._items.values())

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        again = sum(1 for item in self._running.values() if item is not None)
        return Statistics(len(self._items), len(self._running), again, self._pushed, self._popped)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Queue {self.statistics()}>"
