"""Who goes next: the most urgent one, but whoever waits longest is not passed over for ever.

Laws (tests/property/test_limiter.py):
1. Who goes next is the most urgent one, among equals the first that came; only after PATIENCE
   have gone in a row while somebody else had waited longest, that one goes.
2. Hence whoever had k waiting before it when it came is at latest the (PATIENCE + 1) * (k + 1)-th
   to go, whatever comes after it: the urgent lose one turn in sixteen, the others are not starved.

Pure: no clock; it counts turns.
"""

import itertools
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from engine.runtime.priority import Priority

PATIENCE = 15  # turns; more would let an hour of drift stop the regular looks

T = TypeVar("T", bound=Hashable)


class Lines(Generic[T]):
    """Who waits, a line for each priority; nobody stands in two."""

    def __init__(self) -> None:
        # {priority: {who: number of arrival}}, both in the order in which they go
        self._lines: dict[Priority, dict[T, int]] = {priority: {} for priority in Priority}
        self._numbers = itertools.count()
        self._passed_over = 0  # turns in a row for others than the one who waits longest

    def join(self, who: T, priority: Priority) -> None:
        """One more waits, behind its equals."""
        self._lines[priority][who] = next(self._numbers)

    def leave(self, who: T) -> None:
        """One gives up."""
        for line in self._lines.values():
            line.pop(who, None)

    def next(self) -> T | None:
        """Who goes, and waits no more; None if nobody waits."""
        first = [next(iter(line.items())) for line in self._lines.values() if line]
        if not first:
            return None
        urgent, longest = first[0], min(first, key=lambda each: each[1])
        chosen = longest if self._passed_over >= PATIENCE else urgent
        self._passed_over = 0 if chosen is longest else self._passed_over + 1
        self.leave(chosen[0])
        return chosen[0]

    def waiting(self) -> Mapping[Priority, int]:
        """How many wait in each line."""
        return {priority: len(line) for priority, line in self._lines.items()}

    def __iter__(self) -> "itertools.chain[T]":
        """Whoever waits."""
        return itertools.chain.from_iterable(self._lines.values())

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return any(self._lines.values())
