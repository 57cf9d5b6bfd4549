"""Why a health check failed: what Kubernetes itself tells of the objects that are not well."""

from collections.abc import Iterable

from engine.objects.ref import Object, Ref
from engine.plan.inventory import parse_inventory
from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import about, count_of, seen_at, state_of

_RECENT = 3600.0  # seconds
_SHOWN = 5  # events of a finding
_MADE_BY = ("Pod", "ReplicaSet", "Job")
"""Kinds that workloads make, with names that begin with their own."""


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each failed health check, with the events of the objects."""
    found = []
    for obj in await snapshot.kustomizations():
        state = state_of(obj)
        if state.reason != "HealthCheckFailed":
            continue
        evidence = _evidence(obj, await snapshot.events(), snapshot.now)
        if evidence:
            ref = Ref.of(obj)
            what = f"{ref}: objects of it are not well; Kubernetes says why"
            fix = "mend in Git what the events name; kubectl describe shows more"
            matters = "what depends on it waits, and users of it may see errors"
            found.append(Finding(Severity.ERROR, what, fix, ref, tuple(evidence), matters))
    return found


def _evidence(obj: Object, events: Iterable[Object], now: float) -> list[str]:
    """The newest warnings about its objects, or what they made."""
    refs = set(parse_inventory(obj.get("status") or {}))
    names = {(ref.namespace, ref.name) for ref in refs}
    lines: dict[str, None] = {}
    for event in reversed(list(events)):
        if event.get("type") != "Warning" or now - seen_at(event) > _RECENT:
            continue
        ref = about(event)
        if ref in refs or (ref.kind in _MADE_BY and _is_made(ref, names)):
            text = " ".join(str(event.get("message", "")).split())[:200]
            lines[f"{ref}: {event.get('reason')}: {text} ({count_of(event)} times)"] = None
    return list(lines)[:_SHOWN]


def _is_made(ref: Ref, names: set[tuple[str, str]]) -> bool:
    parts = ref.name.split("-")
    stems = ("-".join(parts[:count]) for count in range(1, len(parts)))
    return any((ref.namespace, stem) in names for stem in stems)
