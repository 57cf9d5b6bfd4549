"""When those are told of a revision whom it does not concern: after those whom it does.

What a revision concerns has the engine to itself for a moment, source by source; the others, who
only note the revision, are then told a few at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import anyio
import anyio.lowlevel

from engine.objects.ref import Ref
from engine.runtime import Clock

HEAD_START = 0.25  # seconds; most builds are live by then, and the others are told for longer
_AT_ONCE = 50  # of those who only note a revision: half a millisecond of work


@dataclass(slots=True)
class _Source:
    """left: who is still to be told.   ahead: {who goes first: how many runs of it are to end}.

    until: monotonic, the end of the head start; None: it has not begun.
    """

    left: Iterator[Ref]
    ahead: dict[Ref, int] = field(default_factory=dict)
    until: float | None = None


class Others:
    """Of each source, those who are still to note its revision."""

    def __init__(self, tell: Callable[[Ref, Ref], object]) -> None:
        """tell: has one look at a source."""
        self._tell = tell
        self._sources: dict[Ref, _Source] = {}  # the one that is told next comes first
        self._news: anyio.Event | None = None  # None: nobody serves

    def add(self, source: Ref, ahead: Mapping[Ref, int], others: Iterator[Ref]) -> None:
        """The source holds a revision that concerns those `ahead`, by the runs of each to end."""
        known = self._sources.get(source)
        if known is None:
            self._sources[source] = _Source(others, dict(ahead))
        else:  # no later end: who commits all the time would keep the others waiting
            known.left = others
            known.ahead |= ahead
        if self._news is not None:
            self._news.set()
        while self._sources and self._news is None:
            self._tell_some(next(iter(self._sources)))

    def ended(self, user: Ref, sources: Iterable[Ref]) -> None:
        """A run of a user of these sources has ended."""
        for each in sources:
            source = self._sources.get(each)
            if source is None or user not in source.ahead:
                continue
            source.ahead[user] -= 1
            if not source.ahead[user]:
                del source.ahead[user]
            if not source.ahead and self._news is not None:
                self._news.set()

    async def serve(self, clock: Clock) -> None:
        """Tells them, until cancelled.  Until this runs they are told at once."""
        while True:
            self._news = anyio.Event()
            source = self._next(clock.monotonic())
            if source is None:
                ends = [each.until for each in self._sources.values() if each.until is not None]
                await clock.wait(self._news, min(ends, default=None))
            else:
                self._tell_some(source)
                await anyio.lowlevel.checkpoint()

    def _next(self, now: float) -> Ref | None:
        """The next source whose head start is over."""
        for ref, source in self._sources.items():
            if source.until is None:
                source.until = now + HEAD_START
            if not source.ahead or source.until <= now:
                source.ahead, source.until = {}, None  # of the next revision there is another one
                return ref
        return None

    def _tell_some(self, ref: Ref) -> None:
        source = self._sources.pop(ref)
        some = list(islice(source.left, _AT_ONCE))
        for user in some:
            self._tell(user, ref)
        if len(some) == _AT_ONCE:
            self._sources[ref] = source  # behind the other ones
