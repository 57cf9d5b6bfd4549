"""The brake: a prune that would take away most of a Kustomization waits for a person.

A deliberate difference from Flux (ARCHITECTURE.md); `--prune-brake=false` gives Flux's way.
"""

import hashlib
from collections.abc import Sequence

from engine.errors import PruneFailed
from engine.objects.ref import Object
from engine.plan.plan import Action, Change, Plan

APPROVAL = "gitops.lockstep/approve-prune"
_MANY = 20  # deletions that nobody needs to approve
_HALF = 0.5  # of the inventory
_LISTED = 30  # objects named in the message


def check_brake(plan: Plan, inventory_size: int, revision: str) -> None:
    """Raises PruneFailed if the plan deletes too much and nobody approved just that.

    Too much: more than 20 objects and more than half of the inventory, or a Namespace or
    definition that stays filled by objects which are not deleted with it.
    """
    deletions = [change for change in plan.prunes if change.action is Action.DELETE]
    reason = _reason(deletions, inventory_size, plan)
    if not plan.policy.brake or not reason:
        return
    approval = approval_of(deletions, revision)
    if plan.policy.approved == approval:
        return
    listed = ", ".join(str(change.ref) for change in deletions[:_LISTED])
    more = f" and {len(deletions) - _LISTED} more" if len(deletions) > _LISTED else ""
    raise PruneFailed(
        f"prune stopped before deleting anything: {reason}: {listed}{more}; "
        f"if this is wanted, annotate the Kustomization with {APPROVAL}={approval}"
    )


def approval_of(deletions: Sequence[Change], revision: str) -> str:
    """What the annotation must hold: bound to the revision and to the list, 16 hex digits."""
    lines = [revision, *sorted(change.ref.id for change in deletions)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _reason(deletions: Sequence[Change], inventory_size: int, plan: Plan) -> str:
    if len(deletions) > _MANY and len(deletions) > inventory_size * _HALF:
        return f"{len(deletions)} of {inventory_size} objects would be deleted"
    namespaces = {change.ref.name for change in deletions if change.ref.kind == "Namespace"}
    kinds = dict(_defined(change.live or {}) for change in deletions)
    for change in plan.applies:
        ref = change.ref
        if ref.namespace in namespaces:
            return f"Namespace '{ref.namespace}' would be deleted, but {ref} is still in Git"
        if (ref.group, ref.kind) in kinds:
            return f"{kinds[ref.group, ref.kind]} would be deleted, but {ref} is still in Git"
    return ""


def _defined(obj: Object) -> tuple[tuple[str, str], str]:
    """((group, kind) that a definition defines, its name); of other objects nothing real."""
    if obj.get("kind") != "CustomResourceDefinition":
        return ("", ""), ""
    spec = obj.get("spec") or {}
    name = f"CustomResourceDefinition '{obj['metadata']['name']}'"
    return (spec.get("group", ""), (spec.get("names") or {}).get("kind", "")), name
