"""Objects that carry a Kustomization's labels, and that no Kustomization has in its inventory."""

from collections.abc import Iterable, Mapping
from typing import Any

from engine.objects.ref import Object, Ref
from engine.plan.inventory import parse_inventory
from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import owner_in

_SHOWN = 5  # objects of a finding
_MANAGER = "kustomize-controller"
_MATTERS = "nobody updates or deletes them: they run what Git has long forgotten"


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each owner with orphans, one that is gone included."""
    owners = {Ref.of(obj): obj for obj in await snapshot.kustomizations()}
    owned = {ref for obj in owners.values() for ref in parse_inventory(obj.get("status") or {})}
    orphans: dict[Ref, list[Ref]] = {}
    manager = context.settings.field_manager
    for obj in await snapshot.owned():
        ref, owner = Ref.of(obj), owner_in(obj)
        if owner is None or ref in owned or not _is_applied(obj, {manager, _MANAGER}):
            continue
        if _is_elsewhere(owners.get(owner), snapshot, owner):
            continue
        orphans.setdefault(owner, []).append(ref)
    return [_finding(owner, refs, owner in owners) for owner, refs in sorted(orphans.items())]


def _is_applied(obj: Object, managers: set[str]) -> bool:
    """Whether an engine applied it: controllers copy labels to what they make."""
    metadata: Mapping[str, Any] = obj["metadata"]
    if metadata.get("ownerReferences"):
        return False
    return any(
        entry.get("operation") == "Apply" and entry.get("manager") in managers
        for entry in metadata.get("managedFields") or ()
    )


def _is_elsewhere(owner: Object | None, snapshot: Snapshot, ref: Ref) -> bool:
    """Whether its inventory is not known here: of another namespace, or of another cluster."""
    if owner is None:
        return bool(snapshot.namespace) and ref.namespace != snapshot.namespace
    return not (owner.get("status") or {}).get("observedGeneration")


def _finding(owner: Ref, refs: list[Ref], is_there: bool) -> Finding:
    is_one = len(refs) == 1
    has = "1 object carries" if is_one else f"{len(refs)} objects carry"
    state = f"but {'is' if is_one else 'are'} not in its inventory" if is_there else "which is gone"
    more = f" and {len(refs) - _SHOWN} more" if len(refs) > _SHOWN else ""
    lines = [*map(str, refs[:_SHOWN]), *([more.strip()] if more else [])]
    first = refs[0]
    place = f" -n {first.namespace}" if first.namespace else ""
    fix = f"put it back into Git, or: kubectl delete {first.kind.lower()} {first.name}{place}"
    what = f"{has} the labels of {owner}, {state}"
    return Finding(Severity.WARNING, what, fix, owner, tuple(lines), _MATTERS)
