"""The brake: a prune that would take away most of a Kustomization waits for a person.

So does the deletion of a Namespace or a definition that holds what is not deleted with it.
A deliberate difference from Flux (ARCHITECTURE.md); `--prune-brake=false` gives Flux's way.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.errors import PruneFailed
from engine.objects.ref import Ref
from engine.plan.containment import is_inside
from engine.plan.plan import Action, Change, Plan

APPROVAL = "gitops.lockstep/approve-prune"
_MANY = 20  # deletions that nobody needs to approve
_HALF = 0.5  # of the inventory
_LISTED = 30  # objects named in the message


@dataclass(frozen=True, slots=True)
class Consequences:
    """What the deletions of a plan mean beyond the plan.

    size: objects of the inventory, with those of the Kustomizations in it.
    taken: what deleted Kustomizations take along.
    held: by Namespace or definition to be deleted, what it holds and nobody deletes.
    unnamed: of that, what the identity that deletes may not read: it is only counted.
    is_asked_for: the whole Kustomization is deleted on purpose: the number needs no approval.
    """

    size: int
    taken: frozenset[Ref] = frozenset()
    held: Mapping[Ref, Sequence[Ref]] = field(default_factory=dict)
    unnamed: frozenset[Ref] = frozenset()
    is_asked_for: bool = False


def check_brake(plan: Plan, consequences: Consequences, revision: str) -> None:
    """Raises PruneFailed if the plan deletes too much and nobody approved just that.

    Too much: more than 20 objects and more than half of the inventory, those of pruned
    Kustomizations included; or a Namespace or definition that holds objects which are not deleted
    with it.
    """
    deletions = deletions_of(plan)
    if not plan.policy.brake or not deletions:
        return
    held = sorted({ref for refs in consequences.held.values() for ref in refs})
    reason = "; ".join((*_many(deletions, consequences), *_filled(plan, deletions, consequences)))
    if not reason:
        return
    gone = [change.ref for change in deletions]
    gone += sorted(consequences.taken - set(gone))
    approval = approval_of([*gone, *held], revision)
    if plan.policy.approved == approval:
        return
    raise PruneFailed(
        f"prune stopped before deleting anything: {reason}: {_listed(gone)}; "
        f"if this is wanted, annotate the Kustomization with {APPROVAL}={approval}"
    )


def deletions_of(plan: Plan) -> list[Change]:
    """What the plan deletes."""
    return [change for change in plan.prunes if change.action is Action.DELETE]


def approval_of(refs: Iterable[Ref], revision: str) -> str:
    """What the annotation must hold: bound to the revision and to the list, 16 hex digits."""
    lines = [revision, *sorted(ref.id for ref in refs)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _many(deletions: Sequence[Change], consequences: Consequences) -> Iterator[str]:
    count, size = len({change.ref for change in deletions} | consequences.taken), consequences.size
    if not consequences.is_asked_for and count > _MANY and count > size * _HALF:
        yield f"{count} of {size} objects would be deleted"


def _filled(plan: Plan, deletions: Sequence[Change], consequences: Consequences) -> Iterator[str]:
    for change in deletions:
        name = f"{change.ref.kind} '{change.ref.name}' would be deleted, but"
        inside = (a.ref for a in plan.applies if is_inside(a.ref, change.ref, change.live))
        kept = next(inside, None)
        if kept is not None:
            yield f"{name} {kept} is still in Git"
        held = consequences.held.get(change.ref, ())
        if held:
            yield f"{name} it holds {_named(held, consequences.unnamed)}"


def _named(refs: Sequence[Ref], unnamed: frozenset[Ref]) -> str:
    """The objects, but for the names of those that are not for everybody to read."""
    known = [ref for ref in refs if ref not in unnamed]
    hidden = len(refs) - len(known)
    if not hidden:
        return _listed(refs)
    others = f"{hidden} object{'s' * (hidden > 1)} that the service account may not read"
    return f"{_listed(known)} and {others}" if known else others


def _listed(refs: Sequence[Ref]) -> str:
    more = f" and {len(refs) - _LISTED} more" if len(refs) > _LISTED else ""
    return ", ".join(map(str, refs[:_LISTED])) + more
