"""Tell of corrections once it is known where Git has their fields; in a storm, after it.

Finding that out costs a build, which in a storm would take the processors from the corrections.
`serve` is a task of its own, which `app.py` starts.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from engine.render.explanation import Places
from engine.runtime import Clock

_CALM = 0.5  # seconds without a correction after which a storm is over
_PATIENCE = 10.0  # seconds that an event waits for that
_MOST = 1000  # events that wait; with more the oldest is told without lines


@dataclass(frozen=True, slots=True)
class _Report:
    find: Callable[[], Awaitable[Places]]
    tell: Callable[[Places], None]
    at: float  # monotonic
    is_in_storm: bool


class Reports:
    """What is still to be told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[_Report] = deque()
        self._last_at = -_CALM
        self._news = anyio.Event()
        self._is_serving = False

    async def add(
        self, find: Callable[[], Awaitable[Places]], tell: Callable[[Places], None]
    ) -> None:
        """Have `tell` called with what `find` gives; at once if nobody serves."""
        if not self._is_serving:
            places: Places = {}
            try:
                places = await find()
            finally:  # it was written, and is told even if the run is ended meanwhile
                tell(places)
            return
        now = self._clock.monotonic()
        is_in_storm = bool(self._waiting) or now - self._last_at < _CALM
        self._waiting.append(_Report(find, tell, now, is_in_storm))
        self._last_at = now
        if len(self._waiting) > _MOST:
            self._waiting.popleft().tell({})
        self._news.set()

    async def serve(self) -> None:
        """Tells one after the other, until cancelled; then of all the rest, without lines."""
        self._is_serving = True
        try:
            while True:
                await self._tell_next()
        finally:
            self._is_serving = False
            while self._waiting:
                self._waiting.popleft().tell({})

    async def _tell_next(self) -> None:
        while (until := self._begins_at()) is None or until > self._clock.monotonic():
            self._news = anyio.Event()
            await self._clock.wait(self._news, until)
        report = self._waiting.popleft()
        places: Places = {}
        try:
            places = await report.find()
        finally:
            report.tell(places)

    def _begins_at(self) -> float | None:
        """When the oldest is due, a monotonic instant; None: there is none."""
        if not self._waiting:
            return None
        oldest = self._waiting[0]
        if not oldest.is_in_storm:
            return oldest.at
        return min(self._last_at + _CALM, oldest.at + _PATIENCE)
