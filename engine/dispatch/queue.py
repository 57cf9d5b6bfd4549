"""What is still to be told, a line for each Provider; bounded, and journaled.

At least once: it leaves the journal after it was told.  When it is full the oldest of the longest
line goes, so that one tenant's silent service costs the others nothing.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Self

import anyio
import orjson
from anyio import to_thread

from engine.api.decode import Undecodable
from engine.dispatch.late import Deliveries, JournalBroken
from engine.notice.notification import Notification, restored
from engine.objects.ref import Ref
from engine.telemetry import because, logger


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one Alert; status: the name of a commit's status, "" where none is set."""

    alert: Ref
    provider: Ref
    notification: Notification
    status: str = ""

    def encoded(self) -> bytes:
        """JSON for the journal."""
        return orjson.dumps(
            {
                "alert": self.alert.id,
                "provider": self.provider.id,
                "status": self.status,
                "notification": self.notification.as_json(),
            }
        )

    @classmethod
    def decoded(cls, body: bytes) -> Self:
        """Raises ValueError for what `encoded` did not write."""
        found = orjson.loads(body)
        try:
            notification = restored(found["notification"])
            alert, provider = (Ref.parse_id(found[key]) for key in ("alert", "provider"))
            return cls(alert, provider, notification, found["status"])
        except (KeyError, TypeError, AttributeError, Undecodable) as error:
            raise ValueError(f"no delivery: {error}") from error


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery in line."""

    number: int
    delivery: Delivery
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment."""

    waiting: int
    lines: int
    size_bytes: int


class Queue:
    """The lines."""

    def __init__(
        self, journal: Deliveries | None, most_bytes: int, dropped: Callable[[Delivery], None]
    ) -> None:
        """journal: None: nothing survives.   dropped: is told of what there was no room for."""
        self._journal, self._most_bytes, self._dropped = journal, most_bytes, dropped
        self._lines: dict[Ref, deque[Waiting]] = {}
        self._sizes: dict[Ref, int] = {}
        self._next = 1
        self.waiting = 0
        """How many deliveries are in line."""
        self._added: dict[int, bytes] = {}  # still to be journaled
        self._done: list[int] = []  # the same
        self._writing = anyio.Lock()
        self._is_broken = False
        self.news = anyio.Event()
        """Set when something came; who waits puts a new one in its place first."""
        for number, body in journal.rows() if journal is not None else ():
            self._restore(number, body)

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """In line at once, and on disk if there is a journal that can be written.

        Whoever is cancelled has only not waited for the disk.
        """
        for each in deliveries:
            body = each.encoded()
            self._added[self._next] = body
            self._append(Waiting(self._next, each, len(body)))
            self._next += 1
        while self._lines and sum(self._sizes.values()) > self._most_bytes:
            longest = max(self._sizes, key=lambda line: self._sizes[line])
            oldest = self._lines[longest][0]
            self._remove(oldest)
            self._dropped(oldest.delivery)
        self.news.set()
        await self._journaled()

    def lines(self) -> list[Ref]:
        """The Providers that have something to be told."""
        return list(self._lines)

    def first(self, line: Ref) -> Waiting | None:
        """What is next for a Provider."""
        waiting = self._lines.get(line)
        return waiting[0] if waiting else None

    async def done(self, waiting: Waiting) -> None:
        """It was told, or never will be."""
        self._remove(waiting)
        await self._journaled()

    def close(self) -> None:
        """Writes what is not journaled yet, and closes the file."""
        if self._journal is not None:
            if self._added or self._done:
                with suppress(JournalBroken):
                    self._journal.write(tuple(self._added.items()), self._done)
            self._journal.close()

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(self.waiting, len(self._lines), sum(self._sizes.values()))

    def __repr__(self) -> str:
        return f"<Queue {self.statistics()}>"

    def _restore(self, number: int, body: bytes) -> None:
        self._next = max(self._next, number + 1)
        try:
            self._append(Waiting(number, Delivery.decoded(body), len(body)))
        except ValueError as error:
            logger.error("an event that was to be told cannot be read", extra=because(error))
            self._done.append(number)

    def _append(self, waiting: Waiting) -> None:
        line = waiting.delivery.provider
        self._lines.setdefault(line, deque()).append(waiting)
        self._sizes[line] = self._sizes.get(line, 0) + waiting.size
        self.waiting += 1

    def _remove(self, waiting: Waiting) -> None:
        """Also if it was dropped before."""
        line = waiting.delivery.provider
        found = self._lines.get(line, deque())
        if not found or found[0].number != waiting.number:
            return
        found.popleft()
        self.waiting -= 1
        self._sizes[line] -= waiting.size
        if not found:
            del self._lines[line], self._sizes[line]
        if self._added.pop(waiting.number, None) is None:
            self._done.append(waiting.number)

    async def _journaled(self) -> None:
        """Writes, in one go, all that gathered while somebody else was writing."""
        if self._journal is None:
            self._added, self._done = {}, []
            return
        async with self._writing:
            while self._added or self._done:  # again for what came meanwhile, and was given up on
                await self._write(self._journal)
                if self._is_broken or self._writing.statistics().tasks_waiting:
                    return  # those who wait will write it

    async def _write(self, journal: Deliveries) -> None:
        added, done = self._added, self._done
        self._added, self._done = {}, []
        try:
            await to_thread.run_sync(partial(journal.write, tuple(added.items()), done))
        except BaseException as error:  # cancelled, too: before it began
            self._added, self._done = {**added, **self._added}, [*done, *self._done]
            if not isinstance(error, JournalBroken):
                raise
            if not self._is_broken:
                logger.error(
                    "events to be told are kept in memory only, and lost if the engine ends",
                    extra=because(error),
                )
            self._is_broken = True
        else:
            self._is_broken = False
