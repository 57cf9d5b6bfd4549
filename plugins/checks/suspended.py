"""What has been suspended for long: most likely somebody forgot it."""

from collections.abc import Iterable
from datetime import UTC, datetime

from engine.objects.ref import Object
from engine.plan.suspension import Suspension
from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import instant, is_suspended

_LONG = 7 * 86400.0  # seconds
_DAY = 86400.0


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each object that was suspended a week ago or earlier."""
    found = []
    for ref, obj in sorted((await snapshot.everything()).items()):
        since = _since(obj)
        if not is_suspended(obj) or not since or snapshot.now - since < _LONG:
            continue
        days = int((snapshot.now - since) // _DAY)
        said = Suspension.of(obj)
        day = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%d")
        evidence = (f"suspended since {day} by {_writer(obj)}", *([str(said)] if said else []))
        word = "kustomization" if ref.kind == "Kustomization" else ref.kind.lower()
        found.append(
            Finding(
                Severity.WARNING,
                f"{ref} has been suspended for {days} days",
                f"lockstep resume {word} {ref.name} -n {ref.namespace}, or remove it from Git",
                ref,
                evidence,
                "no change arrives, fixes of security included, and no drift is corrected",
            )
        )
    return found


def _entry(obj: Object) -> Object:
    """The managedFields entry of who set `spec.suspend`, empty if nobody did."""
    entries = obj["metadata"].get("managedFields") or ()
    owning = [e for e in entries if "f:suspend" in ((e.get("fieldsV1") or {}).get("f:spec") or {})]
    return max(owning, key=lambda entry: str(entry.get("time", "")), default={})


def _since(obj: Object) -> float:
    return instant(_entry(obj).get("time"))


def _writer(obj: Object) -> str:
    return Suspension.of(obj).by or str(_entry(obj).get("manager") or "somebody unknown")
