"""What the server does by itself after a change: each controller sees every change in order.

Deterministic and synchronous: `settle` runs until nothing is left to do.  A change that a
controller makes is queued behind those before it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from engine.apiserver.storage.store import Change, Store


class Controller(Protocol):
    """Something that follows changes and writes its own."""

    def react(self, change: Change) -> None:
        """Look at one change.  The store may be further by now."""


class Controllers:
    """Runs controllers over the changes of a store."""

    def __init__(self, store: Store, controllers: Sequence[Controller]) -> None:
        """Follow the store from now on; nothing runs before `settle`."""
        self._controllers = controllers
        self._pending: deque[Change] = deque()
        self.wake: Callable[[], None] = _nothing
        """Called when there is something to settle."""
        store.tell_all(self._offer)

    def settle(self) -> int:
        """Let the controllers see all changes; how many there were."""
        count = 0
        while self._pending:
            change = self._pending.popleft()
            count += 1
            for controller in self._controllers:
                controller.react(change)
        return count

    def _offer(self, change: Change) -> None:
        self._pending.append(change)
        self.wake()


def _nothing() -> None:
    return None
