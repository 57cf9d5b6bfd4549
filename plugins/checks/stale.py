"""What should have been reconciled by now, and was not: though it may well say that it is ready."""

from collections.abc import Iterable, Iterator, Mapping

from engine.api.duration import format_duration, parse_duration
from engine.api.meta import REQUESTED_AT, SOURCE_GROUP
from engine.objects.ref import Object, Ref
from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import instant, is_suspended, state_of, waits_for

_GRACE = 120.0  # seconds: longer than any build may take, and than clocks differ
_PROGRESS = 3600.0  # seconds in which a reconcile ends, one way or the other
_MATTERS = "the cluster is not what Git says, and nothing tells so"


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each object that lags behind."""
    everything = await snapshot.everything()
    found = []
    for ref, obj in sorted(everything.items()):
        if is_suspended(obj) or _is_static(obj):
            continue
        why = next(_reasons(ref, obj, everything, snapshot.now), "")
        if why:
            fix = "see that the engine runs and what it says: lockstep check; lockstep logs"
            found.append(
                Finding(Severity.WARNING, f"{ref} is stale: {why}", fix, ref, (), _MATTERS)
            )
    return found


def _reasons(ref: Ref, obj: Object, everything: Mapping[Ref, Object], now: float) -> Iterator[str]:
    """Why it lags behind, the plainest first."""
    state, status, metadata = state_of(obj), obj.get("status") or {}, obj["metadata"]
    created = instant(metadata.get("creationTimestamp"))
    if not state.conditions and now - created > _GRACE:
        yield f"created {_ago(now - created)} ago, and nobody has looked at it"
    asked = str((metadata.get("annotations") or {}).get(REQUESTED_AT, ""))
    at = instant(asked)
    if asked and at and status.get("lastHandledReconcileAt") != asked and now - at > _GRACE:
        yield f"a reconcile was asked for {_ago(now - at)} ago, and not done"
    if not state.is_current and state.since and now - state.since > _GRACE:
        yield "its spec was changed, and nobody has looked at that"
    if state.ready == "Unknown" and state.since and now - state.since > _PROGRESS:
        yield f"a reconcile has been under way for {_ago(now - state.since)}"
    if state.ready == "True":
        yield from _behind(ref, obj, everything, now)


def _behind(ref: Ref, obj: Object, everything: Mapping[Ref, Object], now: float) -> Iterator[str]:
    """That its source has long held another revision."""
    applied = (obj.get("status") or {}).get("lastAppliedRevision")
    if ref.kind != "Kustomization" or not applied:
        return
    for source in waits_for(obj):
        if source.group != SOURCE_GROUP or source not in everything:
            continue
        artifact = (everything[source].get("status") or {}).get("artifact") or {}
        revision, since = artifact.get("revision"), instant(artifact.get("lastUpdateTime"))
        late = now - since
        if revision and revision != applied and late > _GRACE + _interval(obj):
            yield f"{source} has held {revision} for {_ago(late)}, and {applied} is applied"


def _interval(obj: Object) -> float:
    """Seconds between two looks, 0 if the spec is odd."""
    try:
        return parse_duration(str((obj.get("spec") or {}).get("interval", "0s")))
    except ValueError:
        return 0.0


def _is_static(obj: Object) -> bool:
    """Whether nobody is to reconcile it."""
    return obj["kind"] == "HelmRepository" and (obj.get("spec") or {}).get("type") == "oci"


def _ago(seconds: float) -> str:
    return format_duration(float(round(seconds / 60) * 60)) if seconds >= 60 else f"{seconds:.0f}s"
