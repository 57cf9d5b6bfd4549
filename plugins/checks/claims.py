"""Objects that two Kustomizations have in their inventories."""

from collections.abc import Iterable

from engine.objects.ref import Ref
from engine.plan.inventory import parse_inventory
from engine.plugin import Context, Finding, Severity, Snapshot

_SHOWN = 5  # objects of a finding


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each set of Kustomizations that share objects."""
    holders: dict[tuple[str, Ref], list[Ref]] = {}
    for obj in await snapshot.kustomizations():
        config = str((obj.get("spec") or {}).get("kubeConfig") or "")  # another cluster
        for ref in parse_inventory(obj.get("status") or {}):
            holders.setdefault((config, ref), []).append(Ref.of(obj))
    shared: dict[tuple[Ref, ...], list[Ref]] = {}
    for (_, ref), owners in holders.items():
        if len(owners) > 1:
            shared.setdefault(tuple(sorted(owners)), []).append(ref)
    return [
        Finding(
            Severity.ERROR,
            f"{', '.join(map(str, owners))} all apply {refs[0]}"
            + (f" and {len(refs) - 1} more" if len(refs) > 1 else ""),
            "leave each object to one of them in Git: lockstep build --all . shows where it is",
            owners[0],
            tuple(map(str, sorted(refs)[:_SHOWN])),
            "each apply takes the object from the other; when one of them goes, so may the object",
        )
        for owners, refs in sorted(shared.items())
    ]
