"""Which key runs next: a queue that holds each key once and knows no clock.

Laws (tests/property/test_workqueue.py): a key is held at most once; it is never given out before
its time nor while it runs; a key pushed while it runs is run again afterwards; nothing pushed is
lost.
"""

import heapq
import itertools
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_REPLACED = 100  # entries that may lie about before they are swept out


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


class Queue(Generic[K]):
    """Keys by time and priority.  Instants are whatever the caller's `now` is, in seconds."""

    def __init__(self) -> None:
        self._items: dict[K, Item[K]] = {}
        self._running: dict[K, Item[K] | None] = {}  # {key: what was pushed meanwhile}
        # An entry whose number is not the key's newest was replaced, and is skipped.
        self._newest: dict[K, int] = {}
        self._later: list[tuple[float, int, K]] = []
        self._due: list[tuple[int, float, int, K]] = []
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
        number = next(self._numbers)
        self._newest[item.key] = number
        heapq.heappush(self._later, (item.at, number, item.key))
        if len(self._later) + len(self._due) > 2 * len(self._items) + _REPLACED:
            self._later = [entry for entry in self._later if self._newest.get(entry[2]) == entry[1]]
            self._due = [entry for entry in self._due if self._newest.get(entry[3]) == entry[2]]
            heapq.heapify(self._later)
            heapq.heapify(self._due)

    def pop(self, now: float) -> Item[K] | None:
        """The most urgent key whose time has come, now running until `done`; None if there is none.

        Among equally urgent keys the one that fell due first.
        """
        while self._later and self._later[0][0] <= now:
            _, number, key = heapq.heappop(self._later)
            if self._newest.get(key) == number:
                item = self._items[key]
                heapq.heappush(self._due, (item.priority, item.at, number, key))
        while self._due:
            _, _, number, key = heapq.heappop(self._due)
            if self._newest.get(key) == number:
                del self._newest[key]
                self._running[key] = None
                self._popped += 1
                return self._items.pop(key)
        return None

    def next_at(self) -> float | None:
        """The instant at which `pop` next has something to give; None if nothing is queued."""
        while self._due:
            _, at, number, key = self._due[0]
            if self._newest.get(key) == number:
                return at
            heapq.heappop(self._due)
        while self._later:
            at, number, key = self._later[0]
            if self._newest.get(key) == number:
                return at
            heapq.heappop(self._later)
        return None

    def done(self, key: K) -> None:
        """The run of `key` has ended.  Raises KeyError if it was not running."""
        again = self._running.pop(key)
        if again is not None:
            self._put(again)

    def remove(self, key: K) -> None:
        """Forget what is queued for `key`; a run under way goes on."""
        self._items.pop(key, None)
        self._newest.pop(key, None)
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
