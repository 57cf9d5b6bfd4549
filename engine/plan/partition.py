"""What is done about objects that others changed while their cluster was out of reach.

`gitops.lockstep/after-partition` on a Kustomization, else the setting `--after-partition`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from engine.objects.ref import Object, Ref

ANNOTATION = "gitops.lockstep/after-partition"
APPROVAL = "gitops.lockstep/approve-overwrite"
OUT_OF_REACH = "gitops.lockstep/OutOfReach"
"""Type of the condition of who has not looked at his objects since: engines come and go."""


class AfterPartition(StrEnum):
    """What comes after it was told."""

    APPLY = "apply"
    """They are overwritten at once."""
    WARN = "warn"
    """They are overwritten at the next retry, unless somebody suspends the Kustomization."""
    HOLD = "hold"
    """They are overwritten once somebody has approved just that."""


def after_partition(kustomization: Object, default: str) -> AfterPartition:
    """What holds for a Kustomization.  A word that is none of these counts as `hold`."""
    annotations = kustomization["metadata"].get("annotations") or {}
    word = str(annotations.get(ANNOTATION) or default).lower()
    return AfterPartition(word) if word in list(AfterPartition) else AfterPartition.HOLD


def approval_of(lines: Iterable[str]) -> str:
    """What the annotation must hold: bound to what would be overwritten, 16 hex digits."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


@dataclass(slots=True)
class _Open:
    """What an owner has told since.   warned_at: monotonic, of the first time."""

    warned_at: float | None = None
    told: set[str] = field(default_factory=set)


class Partitions:
    """Who has not looked at his objects since their cluster was last out of reach."""

    def __init__(self) -> None:
        self._open: dict[Ref, _Open] = {}

    def begin(self, owners: Iterable[Ref]) -> None:
        """The cluster of these is out of reach."""
        for owner in owners:
            self._open.setdefault(owner, _Open())

    def is_open(self, owner: Ref) -> bool:
        """Whether the owner has not looked since then."""
        return owner in self._open

    def is_news(self, owner: Ref, approval: str) -> bool:
        """Whether the owner has not told of just this yet; from now on it has."""
        told = self._open[owner].told
        is_new = approval not in told
        told.add(approval)
        return is_new

    def warned_for(self, owner: Ref, now: float) -> float:
        """Seconds since the owner was first warned, 0 the first time.  now: monotonic."""
        known = self._open[owner]
        known.warned_at = now if known.warned_at is None else known.warned_at
        return now - known.warned_at

    def end(self, owner: Ref) -> None:
        """The owner has looked and goes on, or is gone."""
        self._open.pop(owner, None)
