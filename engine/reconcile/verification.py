"""When a Kustomization is looked at regularly, and compared with a list of its objects.

A person who asks for a reconcile doubts what the engine knows; so does the engine itself, from time
to time, at an interval of the Kustomization.
Source: design section 3, rules 9 and 12.
"""

from random import Random

from engine.objects.ref import Ref
from engine.runtime.clock import Clock

_SPREAD = (0.5, 1.0)  # of the period, until the first one; spread, as all begin at one moment


class Verification:
    """The instants at which it is due again, by Kustomization."""

    def __init__(self, period: float, clock: Clock, random: Random) -> None:
        """period: seconds; 0: only when it is asked for."""
        self._period, self._clock, self._random = period, clock, random
        self._due_at: dict[Ref, float] = {}
        self._look_at: dict[Ref, float] = {}

    def is_due(self, owner: Ref, *, is_asked: bool, is_correction: bool) -> bool:
        """Whether this run is to look, which is then taken as done.

        The first run is not: what the watches show is new.
        """
        now = self._clock.monotonic()
        spread = self._random.uniform(*_SPREAD) if owner not in self._due_at else 1.0
        due_at = self._due_at.setdefault(owner, now + self._period * spread)
        is_time = self._period > 0 and not is_correction and now >= due_at
        if is_asked or is_time:
            self._due_at[owner] = now + self._period
        return is_asked or is_time

    def next_look(self, owner: Ref, interval: float, *, is_correction: bool) -> float:
        """Seconds until the owner's next regular run, which a correction does not put off.

        interval: seconds, with its jitter, from now.
        """
        now = self._clock.monotonic()
        if is_correction and owner in self._look_at:
            return min(max(self._look_at[owner] - now, 0.0), interval)
        self._look_at[owner] = now + interval
        return interval

    def is_look_due(self, owner: Ref) -> bool:
        """Whether the owner's next regular run should have begun by now, or none is planned."""
        return self._look_at.get(owner, 0.0) <= self._clock.monotonic()

    def forget(self, owner: Ref) -> None:
        """The Kustomization is gone."""
        self._due_at.pop(owner, None)
        self._look_at.pop(owner, None)

    def __repr__(self) -> str:
        """How many are looked after."""
        return f"<Verification of {len(self._due_at)} Kustomizations>"
