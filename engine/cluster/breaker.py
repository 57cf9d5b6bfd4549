"""Whether a cluster is asked at all: not while it gives no answer, as one probe asks for everybody.

closed      requests go out
open        none does: each is refused at once, and every watch is cut; a probe asks now and then
half-open   a probe is under way: its answer closes, its failure opens for longer
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from random import Random

import anyio

from engine.cluster.errors import ApiError, Paused, TimedOut, Unreachable
from engine.cluster.retry import BREAKS
from engine.runtime.clock import Clock

GRACE = 3.0  # seconds in a row without any answer; a restarting proxy is back by then
FIRST_PROBE, LONGEST_PROBE = 1.0, 30.0  # seconds between two probes, doubled each time


class State(StrEnum):
    """What is done with a request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without answers.  since: seconds since 1970, of the first request that had none."""

    since: float
    why: str


class Breaker:
    """Told of each answer and of each silence; `serve` probes.

    told: called when the cluster falls silent (True), and when it answers again (False).
    outages: how many there were.   lasted: seconds of the last one that ended.
    """

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock, self._random = clock, random
        self._silent_since: tuple[float, float] | None = None  # monotonic, wall
        self._cuts: set[Callable[[], None]] = set()
        self._woken, self._closed = anyio.Event(), anyio.Event()  # serve has work; it is over
        self._suspected: Outage | None = None
        self.state = State.CLOSED
        self.outage: Outage | None = None
        self.outages = 0
        self.lasted = 0.0
        self.told: Callable[[bool], None] = _nobody

    def check(self) -> None:
        """Raises Paused while the cluster gives no answer."""
        if self.outage is not None:
            raise self.paused(f"not asked while there is no answer: {self.outage.why}")

    def paused(self, text: str) -> Paused:
        """What lasts as long as the last outage, which may be over by now."""
        return Paused(text, self._closed.wait)

    def answered(self) -> None:
        """The cluster answered, whatever it said."""
        self._silent_since = None
        if self.outage is not None:
            self._close(self.outage)

    def failed(self, error: ApiError, attempt: int) -> None:
        """A request failed at that attempt, from 1; that may be an answer, too."""
        if not is_silence(error):
            if error.status:  # else it was not even asked: there are no credentials
                self.answered()
            return
        now = self._clock.monotonic()
        if self._silent_since is None:
            self._silent_since = now, self._clock.wall()
        began, wall = self._silent_since
        if self.outage is not None:
            return
        outage = Outage(wall, _reason(error))
        if isinstance(error, TimedOut):  # perhaps a webhook hangs, and the cluster is well
            self._suspected = outage
            self._woken.set()
        elif attempt >= BREAKS or now - began >= GRACE:
            self._open(outage)

    @contextmanager
    def cutting(self, cut: Callable[[], None]) -> Iterator[None]:
        """While inside, `cut` is called as soon as the cluster falls silent.

        A watch may look open at our end for minutes after the other end has forgotten it.
        Raises Paused on leaving if it was called, also where the outage is over by then.
        """
        outages = self.outages
        self._cuts.add(cut)
        try:
            yield
        except Unreachable as error:
            if self.outages == outages:
                raise
            raise self.paused(f"cut by an outage: {error.message}") from None
        finally:
            self._cuts.discard(cut)
        if self.outages != outages:
            raise self.paused("cut by an outage")

    async def serve(self, ask: Callable[[], Awaitable[None]]) -> None:
        """Probes while the cluster is silent, until cancelled.

        ask: one request, without tries; raises ApiError.
        """
        while True:
            await self._woken.wait()
            if self._suspected is not None and self.outage is None:
                await self._confirm(ask)
            pause = FIRST_PROBE
            while self.outage is not None:
                await self._clock.sleep(pause * self._random.uniform(0.5, 1.0))
                pause = min(pause * 2, LONGEST_PROBE)
                await self._probe(ask)

    async def _confirm(self, ask: Callable[[], Awaitable[None]]) -> None:
        """Requests have timed out: asks whether anything answers."""
        suspected, self._suspected, self._woken = self._suspected, None, anyio.Event()
        try:
            await ask()
        except ApiError as error:
            if is_silence(error):
                if suspected is not None and self.outage is None:
                    self._open(suspected)
                return
        self.answered()

    async def _probe(self, ask: Callable[[], Awaitable[None]]) -> None:
        if self.outage is None:  # a late answer came meanwhile
            return
        self.state = State.HALF_OPEN
        try:
            await ask()
        except ApiError as error:
            if is_silence(error):
                self.state = State.OPEN if self.outage is not None else State.CLOSED
                return
        self.answered()

    def _open(self, outage: Outage) -> None:
        self.outage, self.state, self._suspected = outage, State.OPEN, None
        self.outages += 1
        self._closed = anyio.Event()
        self._woken.set()
        for cut in list(self._cuts):
            cut()
        self.told(True)

    def _close(self, outage: Outage) -> None:
        self.lasted = max(0.0, self._clock.wall() - outage.since)
        self.outage, self.state = None, State.CLOSED
        self._woken = anyio.Event()
        self._closed.set()
        self.told(False)

    def __repr__(self) -> str:
        """The state, for logs and debuggers."""
        return f"<Breaker {self.state}, {self.outages} outages>"


def is_silence(error: ApiError) -> bool:
    """Whether nothing of the cluster itself answered: no connection, or a gateway in its place.

    An API server says of a 503 what it is about (its reason); a gateway has no Status.
    """
    is_gateway = error.status in (502, 503, 504) and not error.reason
    return isinstance(error, Unreachable) or is_gateway


def _reason(error: ApiError) -> str:
    """The error's text without method and URL, which differ from request to request."""
    if error.status:  # never quoted: whoever named the address may not read what is there
        return f"HTTP {error.status} of something before it"
    place, mark, why = error.message.partition(": ")
    return why if mark and "://" in place else error.message


def _nobody(_is_silent: bool) -> None:
    """Nobody listens yet."""
