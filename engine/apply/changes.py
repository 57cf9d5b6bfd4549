"""What was done: one outcome an object, in the words of Flux's events."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from engine.objects.ref import Object, Ref
from engine.plan.drift import Difference


class Outcome(StrEnum):
    """What happened to one object."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    LEFT = "left"
    """It has drifted, and stays so."""
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Done:
    """One object after its change.

    live: as the API server last returned it, None if absent.  before: as it was where it had
    drifted, with the `differences` that were corrected.
    """

    ref: Ref
    version: str
    outcome: Outcome
    live: Object | None = None
    differences: tuple[Difference, ...] = ()
    before: Object | None = None

    def __str__(self) -> str:
        """`Kind/namespace/name outcome`, a line of Flux's events."""
        return f"{self.ref} {self.outcome}"


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What one run did, in the order of doing."""

    done: tuple[Done, ...] = ()

    def changed(self) -> list[Done]:
        """What was written."""
        quiet = (Outcome.UNCHANGED, Outcome.SKIPPED, Outcome.LEFT)
        return [each for each in self.done if each.outcome not in quiet]

    def __str__(self) -> str:
        """A line an object."""
        return lines_of(self.done)


def lines_of(done: Iterable[Done]) -> str:
    """`Kind/namespace/name outcome`, a line each."""
    return "\n".join(str(each) for each in done)
