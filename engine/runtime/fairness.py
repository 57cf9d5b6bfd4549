"""So many at once and no more: waited for by urgency, and shared fairly among tenants."""

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import anyio

from engine.runtime.lines import Lines
from engine.runtime.priority import Priority


class FairLimiter:
    """Whoever does what only a few may do at once holds one of its places meanwhile."""

    def __init__(self, most: int) -> None:
        """most: how many may be held at once; one or two more by the fourth law of Lines."""
        self._most = most
        self._lines: Lines[anyio.Event] = Lines()

    @asynccontextmanager
    async def held(self, priority: Priority, tenant: Hashable = "") -> AsyncIterator[None]:
        """Waits for a place, and holds it inside."""
        called = anyio.Event()
        self._lines.join(called, priority, tenant)
        self._call()
        try:
            await called.wait()
            yield
        finally:
            if called.is_set():
                self._lines.release(tenant)
            self._lines.leave(called)
            self._call()

    def _call(self) -> None:
        """Lets those begin whom there is room for."""
        while (called := self._lines.next(self._most)) is not None:
            called.set()

    @property
    def taken(self) -> int:
        """How many are held."""
        return self._lines.held

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._lines)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<FairLimiter {self.taken} of {self._most} taken, {self.waiting} waiting>"
