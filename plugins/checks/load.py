"""Sources and Kustomizations that are so large that every change takes long."""

from collections import Counter
from collections.abc import Iterable

from engine.objects.ref import Ref
from engine.plan.inventory import parse_inventory
from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import waits_for

_OBJECTS = 500  # of one Kustomization
_BYTES = 50 * 1024 * 1024  # of one artifact
_USERS = 100  # Kustomizations of one source
_MATTERS = "every commit is fetched, unpacked and built by all of them: changes arrive late"


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each."""
    found = []
    users: Counter[Ref] = Counter()
    for obj in await snapshot.kustomizations():
        ref, count = Ref.of(obj), len(parse_inventory(obj.get("status") or {}))
        users.update(set(list(waits_for(obj))[:1]))
        if count > _OBJECTS:
            fix = "split it in Git: infrastructure, then one Kustomization for each app"
            what = f"{ref} applies {count} objects"
            matters = "one mistake holds back all of them, and each look compares all of them"
            found.append(Finding(Severity.WARNING, what, fix, ref, (), matters))
    for obj in await snapshot.sources():
        ref = Ref.of(obj)
        size = int(((obj.get("status") or {}).get("artifact") or {}).get("size") or 0)
        if size > _BYTES:
            fix = "leave out with spec.ignore or spec.sparseCheckout what is not deployed"
            what = f"{ref} holds {size // (1024 * 1024)} MiB"
            found.append(Finding(Severity.WARNING, what, fix, ref, (), _MATTERS))
        if users[ref] > _USERS:
            fix = "split the repository by environment or team, or give each spec.sparseCheckout"
            what = f"{users[ref]} Kustomizations build {ref}"
            found.append(Finding(Severity.WARNING, what, fix, ref, (), _MATTERS))
    return found
