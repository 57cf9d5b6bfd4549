"""Told of drift: each change of a live object that is not as its owner left it.

The owner is queued at once.  While a run of it goes on, what is told of its objects is only noted,
and judged when it ends: the watch may tell of our own write before its answer comes, and of
somebody else's right after it.  A run that only waits for health has all its answers: it is woken,
and corrects.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from engine.objects.kstatus import Status
from engine.objects.ref import Object, Ref
from engine.plan.claims import Claims
from engine.plan.contention import Contended, Contention
from engine.plan.observation import Observation
from engine.runtime.clock import Clock

WHOLE = 5_000  # drifted objects that are kept whole; of more, each costs a request again
_GONE = b"gone"  # in place of a signature


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment."""

    drifted: int  #: objects that are to be corrected, or that nothing could correct
    contended: int  #: objects that somebody else keeps changing


@dataclass(frozen=True, slots=True)
class _Found:
    """A drifted object: how it looks, and whole where there is room for it."""

    signature: bytes
    version: int
    obj: Object | None


@dataclass(slots=True)
class _Running:
    """What was told of an owner's objects since its run began."""

    heard: set[Ref]
    begun_with: dict[Ref, bytes]
    """Signatures of drift that the run is to correct: if it cannot, its retry will try again."""
    wake: Callable[[], None] | None = None
    """Wakes the run while it only waits."""


class Drift:
    """Compares what the live view tells with what was left, and has the owner correct it."""

    def __init__(
        self,
        claims: Claims,
        look: Callable[[Ref], Observation | None],
        push: Callable[[Ref, float], None],
        clock: Clock,
    ) -> None:
        """look: the object as last seen.  push: queue that Kustomization in so many seconds.

        `unwell` is told of each owner and object that is not Current, if no run of the owner lasts.
        `is_seen_here`: whether this is the view of that owner; others look with other credentials.
        """
        self._claims, self._look, self._push, self._clock = claims, look, push, clock
        self.contention = Contention()
        self.is_seen_here: Callable[[Ref], bool] = _everybody
        self._found: dict[Ref, dict[Ref, _Found]] = {}  # {owner: {object: how it drifted}}
        self._whole = 0
        self._running: dict[Ref, _Running] = {}
        self.unwell: Callable[[Ref, Ref], None] = _nobody

    def told(self, ref: Ref, seen: Observation | None, obj: Object) -> None:
        """A live object changed; seen: None: it is gone."""
        drifted = self._claims.drifted(ref, seen)
        for owner in filter(self.is_seen_here, self._claims.owners_of(ref)):
            running = self._running.get(owner)
            if running is not None:
                running.heard.add(ref)
                if running.begun_with.get(ref) != _signature(seen):
                    running.begun_with.pop(ref, None)  # what comes after this is new
            elif seen is not None and seen.health.status is not Status.CURRENT:
                self.unwell(owner, ref)
            if owner != drifted:
                self._forget(owner, ref)
                if running is not None:
                    running.begun_with.pop(ref, None)
                continue
            is_known = self._is_known(owner, ref, seen)
            self._remember(owner, ref, seen, obj)
            if running is None and not is_known:  # else the run that is queued for it sees it
                self._push(owner, self._pause(ref))
            elif running is not None and running.wake is not None:
                running.wake()

    def evidence(self, owner: Ref, ref: Ref, version: int) -> Object | None:
        """The drifted object whole, if it was told in that version."""
        found = self._found.get(owner, {}).get(ref)
        return found.obj if found is not None and found.version == version else None

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
        found = self.contention.histories() & self._claims.wanted(owner)
        return self.contention.among(sorted(found), self._clock.monotonic())

    @contextmanager
    def running(self, owner: Ref) -> Iterator[None]:
        """A run of `owner` goes on: what looks like drift may be its own doing."""
        running = self._running[owner] = _Running(set(), self._signatures(owner))
        try:
            yield
        finally:
            del self._running[owner]
            found = self._uncorrected(owner, running)
            if found:
                self._push(owner, min(found.values()))

    @contextmanager
    def waiting(self, owner: Ref, wake: Callable[[], None]) -> Iterator[None]:
        """The run of `owner` only waits while inside; `wake` is called when something drifts."""
        running = self._running[owner]
        running.wake = wake
        try:
            yield
        finally:
            running.wake = None

    def due(self, owner: Ref) -> float:
        """Seconds until the run of `owner`, which waits, is to correct something; inf: nothing."""
        running = self._running[owner]
        found = self._uncorrected(owner, running)
        running.heard = set(found)
        for ref in found:  # also what was known when the run began, once its pause is over
            running.begun_with.pop(ref, None)
        return min(found.values(), default=math.inf)

    def correcting(self, owner: Ref) -> None:
        """The run of `owner` corrects from here on what is known to have drifted."""
        running = self._running[owner]
        running.heard.clear()
        running.begun_with = self._signatures(owner)

    def release(self, owner: Ref) -> None:
        """The owner is gone."""
        for ref in list(self._found.get(owner, ())):
            self._forget(owner, ref)

    def _signatures(self, owner: Ref) -> dict[Ref, bytes]:
        """How what is known to have drifted looks."""
        return {ref: found.signature for ref, found in self._found.get(owner, {}).items()}

    def _uncorrected(self, owner: Ref, running: _Running) -> dict[Ref, float]:
        """What is still not as it should be once a run is over, and in how many seconds to correct.

        What the run was to correct and did not waits for its retry; what it left alone as somebody
        undoes it, for the end of the pause; what is new is corrected at once.
        """
        pauses: dict[Ref, float] = {}
        for ref in running.heard | self._found.get(owner, {}).keys():
            seen = self._look(ref)
            if self._claims.drifted(ref, seen) != owner:
                self._forget(owner, ref)
                continue
            if not self._is_known(owner, ref, seen):
                self._remember(owner, ref, seen, None)
            pause, signature = self._pause(ref), _signature(seen)
            is_new = ref in running.heard and running.begun_with.get(ref) != signature
            if pause > 0 or is_new:
                pauses[ref] = pause
        return pauses

    def _is_known(self, owner: Ref, ref: Ref, seen: Observation | None) -> bool:
        """Whether the same drift was told before."""
        found = self._found.get(owner, {}).get(ref)
        return found is not None and found.signature == _signature(seen)

    def _remember(self, owner: Ref, ref: Ref, seen: Observation | None, obj: Object | None) -> None:
        self._forget(owner, ref)
        version = 0 if seen is None else seen.version
        is_kept = seen is not None and obj is not None and self._whole < WHOLE
        self._whole += is_kept
        found = _Found(_signature(seen), version, obj if is_kept else None)
        self._found.setdefault(owner, {})[ref] = found

    def _forget(self, owner: Ref, ref: Ref) -> None:
        found = self._found.get(owner, {}).pop(ref, None)
        if found is None:
            return
        self._whole -= found.obj is not None
        if not self._found[owner]:
            del self._found[owner]

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        contended = len(self.contention.all(self._clock.monotonic()))
        return Statistics(sum(map(len, self._found.values())), contended)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Drift {self.statistics()}>"


def _everybody(_owner: Ref) -> bool:
    """There is no other view."""
    return True


def _nobody(_owner: Ref, _ref: Ref) -> None:
    """Nobody listens yet."""


def _signature(seen: Observation | None) -> bytes:
    return _GONE if seen is None else seen.signature
