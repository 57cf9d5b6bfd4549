"""How many requests may be under way at once: as many as the API server answers quickly.

A round is as many answers as may be under way.  Where half of a round's answers were slow, fewer
are sent at once, in the measure of their slowness (as Netflix' gradient limits do); where the limit
was reached and they were quick, one more (as TCP does).  Half, not one: a webhook or a big list is
slow by itself, congestion slows everything.

Pure: instants and durations are the caller's, in seconds.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median_high

LONGEST_PAUSE = 30.0  # a Retry-After above it would starve people
_SHORTEST_ROUND = 8  # answers; fewer have no meaningful median
_RELEARNED = 300.0  # after so long of slower answers, most of that slowness is the usual
_REMEMBERED = 512  # answers, for percentiles


@dataclass(frozen=True, slots=True)
class Bounds:
    """How the limit may move, and how many watches there may be."""

    least: int = 2  #: one slow answer must not hold up everything else
    most: int = 32  #: twice what a quiet API server can use; more would only wait in its queues
    start: int = 16  #: where a bare client reached the server's throughput (design, section 8)
    shrink: float = 0.7  #: factor for a refusal or a missing answer
    tolerance: float = 4.0  #: times the usual, and `slack`: 16 at once take 5 times as long as one
    slack: float = 0.1  #: seconds that never count as slow: garbage collection, a busy processor
    watches: int = 500  #: 30 MB of TLS buffers here, and as many goroutines and buffers there
    openings: int = 8  #: watches whose answer has not begun; each may be a big list


class Concurrency:
    """The limit, and what it is derived from."""

    def __init__(self, bounds: Bounds) -> None:
        """The limit begins at `bounds.start`, or at `bounds.most` where that is lower."""
        self._bounds = bounds
        self._limit = float(max(bounds.least, min(bounds.start, bounds.most)))
        self._usual: dict[str, tuple[float, float]] = {}  # {operation: (duration, learned at)}
        self._slowness: list[float] = []  # of this round's answers; above 1 is too slow
        self._was_full = False  # in this round
        self._shrunk_at = float("-inf")
        self._durations: deque[float] = deque(maxlen=_REMEMBERED)
        self.in_flight = 0
        self.resumes_at = float("-inf")
        self.rejected = 0

    @property
    def limit(self) -> int:
        """Requests that may be under way at once."""
        return int(self._limit)

    def is_paused(self, now: float) -> bool:
        """Whether nobody may start, as the API server has asked."""
        return now < self.resumes_at

    def start(self) -> int:
        """One more is under way; how many are, itself included."""
        self.in_flight += 1
        self._was_full = self._was_full or self.in_flight >= self.limit
        return self.in_flight

    def end(self) -> None:
        """One less is under way, whatever came of it."""
        self.in_flight -= 1

    def answered(self, operation: str, duration: float, crowd: int, now: float) -> None:
        """One was answered.

        operation: what is compared with itself, such as `get pods`.   crowd: what `start` gave.
        """
        self._durations.append(duration)
        is_alone = max(crowd, self.in_flight) <= self._bounds.least
        usual = self._learn(operation, duration, is_alone, now)
        self._slowness.append(duration / (usual * self._bounds.tolerance + self._bounds.slack))
        if len(self._slowness) >= max(self.limit, _SHORTEST_ROUND):
            self._judge()

    def unanswered(self, waited: float, now: float) -> None:
        """One had no answer in that time: the API server, or what lies before it, is choked."""
        self._shrink(now, waited)

    def reject(self, retry_after: float, now: float) -> None:
        """One was refused for load: fewer at once, and none for `retry_after` seconds."""
        self.rejected += 1
        self._shrink(now, 1.0)
        self.resumes_at = max(self.resumes_at, now + min(retry_after, LONGEST_PAUSE))

    def percentile(self, share: float) -> float:
        """Seconds within which that share (0..1) of the last answers came; 0 before the first."""
        ordered = sorted(self._durations)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

    def _learn(self, operation: str, duration: float, is_alone: bool, now: float) -> float:
        """How long such an answer takes when nothing is in its way.

        Falls at once.  Rises over minutes, so that congestion does not pass for the usual; but at
        once while so few are under way that it cannot be our doing.
        """
        usual, learned_at = self._usual.get(operation, (duration, now))
        if duration > usual and not is_alone:
            usual += (duration - usual) * min(1.0, (now - learned_at) / _RELEARNED)
        else:
            usual = duration
        self._usual[operation] = usual, now
        return usual

    def _judge(self) -> None:
        """Move the limit by what the round's answers say, and begin the next round."""
        slowness = median_high(self._slowness)
        if slowness > 1:
            self._move(self._limit * max(0.5, 1 / slowness))
        elif self._was_full:
            self._move(self._limit + 1)
        self._begin_round()

    def _shrink(self, now: float, round_trip: float) -> None:
        """Lower the limit, once for all requests that were under way together."""
        if now - self._shrunk_at >= round_trip:
            self._shrunk_at = now
            self._move(self._limit * self._bounds.shrink)
            self._begin_round()

    def _move(self, limit: float) -> None:
        self._limit = min(max(limit, float(self._bounds.least)), float(self._bounds.most))

    def _begin_round(self) -> None:
        self._slowness.clear()
        self._was_full = self.in_flight >= self.limit
