"""Told of drift: each change of a live object that is not as its owner left it.

The owner is queued at once.  While a run of it goes on, changes wait for its end: the watch may
tell of our own write before its answer comes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from engine.objects.ref import Object, Ref
from engine.plan.claims import Claims
from engine.plan.contention import Contended, Contention
from engine.plan.observation import Observation
from engine.runtime.clock import Clock


class Drift:
    """Compares what the live view tells with what was left, and has the owner correct it."""

    def __init__(self, claims: Claims, push: Callable[[Ref, float], None], clock: Clock) -> None:
        """push: queue that Kustomization for a correction in so many seconds."""
        self._claims, self._push, self._clock = claims, push, clock
        self.contention = Contention()
        self._parked: defaultdict[Ref, dict[Ref, Observation | None]] = defaultdict(dict)
        self._running: set[Ref] = set()
        self._evidence: dict[Ref, tuple[int, Object]] = {}  # of drifted objects only

    def told(self, ref: Ref, seen: Observation | None, obj: Object) -> None:
        """A live object changed; seen: None: it is gone."""
        owner = self._claims.drifted(ref, seen)
        if owner is None:
            self._evidence.pop(ref, None)
            return
        if seen is not None:
            self._evidence[ref] = seen.version, obj
        if owner in self._running:
            self._parked[owner][ref] = seen
        else:
            self._push(owner, self._pause(ref))

    def evidence(self, ref: Ref, version: int) -> Object | None:
        """The drifted object whole, if it was told in that version."""
        told, obj = self._evidence.get(ref, (0, None))
        return obj if told == version else None

    def corrected(self, ref: Ref, fields: Mapping[str, str]) -> Contended | None:
        """Notes a correction; gives the contention if it is one from now on.

        fields: {path: manager who had written it}.
        """
        return self.contention.corrected(ref, fields, self._clock.monotonic())

    def is_paused(self, ref: Ref) -> bool:
        """Whether corrections of the object wait: somebody else undoes them."""
        return self._pause(ref) > 0

    def _pause(self, ref: Ref) -> float:
        now = self._clock.monotonic()
        return self.contention.paused_until(ref, now) - now

    def contended(self, owner: Ref) -> list[Contended]:
        """The objects of an owner that somebody else keeps changing."""
        return self.contention.among(sorted(self._claims.wanted(owner)), self._clock.monotonic())

    @contextmanager
    def running(self, owner: Ref) -> Iterator[None]:
        """A run of `owner` goes on: what looks like drift may be its own doing."""
        self._running.add(owner)
        try:
            yield
        finally:
            self._running.discard(owner)
            parked = self._parked.pop(owner, {})
            drifted = {ref for ref, seen in parked.items() if self._claims.drifted(ref, seen)}
            for ref in parked.keys() - drifted:
                self._evidence.pop(ref, None)
            if drifted:
                self._push(owner, min(map(self._pause, drifted)))
