"""Two writers of one field: found by how often a correction is undone, then slowed down.

After several corrections of an object within a window the next ones wait, longer each time; when
the other writer stops, so does this.  Pure: instants are the caller's monotonic seconds.
"""

from collections import deque
from collections.abc import KeysView, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from engine.objects.ref import Ref

FLIPS = 5  # corrections within the window after which another writer is to blame
WINDOW = 60.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0  # seconds between two corrections of a contended object
CALM = 2.0  # pauses without a correction after which the other writer has stopped


@dataclass(frozen=True, slots=True)
class Contended:
    """An object that somebody else keeps changing.

    fields: {path: manager}, who wrote it last.  flips: corrections so far.
    """

    ref: Ref
    fields: Mapping[str, str]
    flips: int
    pause: float

    def __str__(self) -> str:
        """`Kind/ns/name: .spec.replicas is written back by hpa`."""
        listed = ", ".join(
            f"{path} (by {manager or 'an unknown writer'})" for path, manager in self.fields.items()
        )
        return f"{self.ref}: {listed}"


@dataclass(slots=True)
class _History:
    corrections: deque[float] = field(default_factory=deque)
    fields: dict[str, str] = field(default_factory=dict)
    flips: int = 0
    pause: float = 0.0  # 0: not contended
    until: float = 0.0


class Contention:
    """The corrections of each object, as far as they matter."""

    def __init__(self) -> None:
        self._histories: dict[Ref, _History] = {}

    def corrected(self, ref: Ref, fields: Mapping[str, str], now: float) -> Contended | None:
        """Notes a correction; gives the contention if it began with this one.

        fields: {path: manager who had written it}.
        """
        self._sweep(now)
        history = self._histories.setdefault(ref, _History())
        self._calm(ref, history, now)
        history = self._histories.setdefault(ref, history)
        history.flips += 1
        history.fields = {**history.fields, **fields}
        history.corrections.append(now)
        while history.corrections and history.corrections[0] <= now - WINDOW:
            history.corrections.popleft()
        is_contended = history.pause > 0
        if not is_contended and len(history.corrections) < FLIPS:
            return None
        history.pause = min(max(FIRST_PAUSE, history.pause * 2), LONGEST_PAUSE)
        history.until = now + history.pause
        return None if is_contended else self._contended(ref, history)

    def paused_until(self, ref: Ref, now: float) -> float:
        """The instant before which the object is not to be corrected; in the past: it may be."""
        history = self._histories.get(ref)
        if history is None:
            return now
        self._calm(ref, history, now)
        return max(history.until, now) if history.pause else now

    def among(self, refs: Sequence[Ref], now: float) -> list[Contended]:
        """Which of these objects are contended now."""
        found = []
        for ref in refs:
            history = self._histories.get(ref)
            if history is None:
                continue
            self._calm(ref, history, now)
            if ref in self._histories and history.pause:
                found.append(self._contended(ref, history))
        return found

    def histories(self) -> KeysView[Ref]:
        """The objects that were corrected lately."""
        return self._histories.keys()

    def all(self, now: float) -> list[Contended]:
        """Every contended object."""
        return self.among(list(self._histories), now)

    def _sweep(self, now: float) -> None:
        """Looks at two others, in turn: nobody asks any more for those that are gone."""
        for ref in tuple(islice(self._histories, 2)):
            history = self._histories[ref]
            self._calm(ref, history, now)
            if self._histories.pop(ref, None) is not None:
                self._histories[ref] = history

    def _calm(self, ref: Ref, history: _History, now: float) -> None:
        """Forgets what was long enough quiet."""
        quiet = CALM * history.pause if history.pause else WINDOW
        if history.corrections and now - history.corrections[-1] > quiet:
            self._histories.pop(ref, None)
            history.corrections.clear()
            history.fields, history.flips, history.pause = {}, 0, 0.0

    @staticmethod
    def _contended(ref: Ref, history: _History) -> Contended:
        return Contended(ref, dict(history.fields), history.flips, history.pause)

    def __repr__(self) -> str:
        """How many objects are watched for it."""
        return f"<Contention of {len(self._histories)} objects>"
