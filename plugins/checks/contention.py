"""Objects that two writers keep changing, and reconciles that never rest."""

from collections import Counter
from collections.abc import Iterable, Mapping

from engine.api.meta import KUSTOMIZE_GROUP
from engine.objects.ref import Object, Ref
from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import about, count_of, seen_at, state_of

_RECENT = 3600.0  # seconds
_LOOP = 12  # times an hour that the same object is applied anew before it counts as a loop
_MARK = "contended: "  # in the Ready message of an owner
_TOLD = "contention: "  # the event when it begins
_MATTERS = "each write undoes the other: load on the API server, and nobody gets what they want"
_FIX = (
    "let one of them write it: leave the field out of Git, or name it in spec.ignore, or stop the "
    "other writer"
)


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each owner with contended objects, and for each loop."""
    events = [e for e in await snapshot.events() if snapshot.now - seen_at(e) <= _RECENT]
    told: dict[Ref, list[str]] = {}
    for event in events:
        message = str(event.get("message", ""))
        if message.startswith(_TOLD):
            told.setdefault(about(event), []).append(message.splitlines()[0])
    found = []
    for obj in await snapshot.kustomizations():
        ref, message = Ref.of(obj), state_of(obj).message
        lines = tuple(told.get(ref, []))
        if _MARK in message:
            lines = (message.partition(_MARK)[2].splitlines()[0], *lines)
        if lines:
            what = f"{ref}: somebody else keeps changing its objects"
            found.append(Finding(Severity.ERROR, what, _FIX, ref, lines[:5], _MATTERS))
    return [*found, *_loops(events, {each.about for each in found})]


def _loops(events: Iterable[Object], known: set[Ref | None]) -> Iterable[Finding]:
    """Objects that are configured again and again, as the events of their owners list them.

    Of one revision: commits may well change the same object often.
    """
    times: dict[tuple[Ref, str], Counter[str]] = {}
    for event in events:
        for line in str(event.get("message", "")).splitlines():
            name, _, rest = line.partition(" ")
            if rest.startswith("configured") and name.count("/") >= 1:
                of_one = times.setdefault((about(event), _revision(event)), Counter())
                of_one[name] += count_of(event)
    for (ref, _), counts in sorted(times.items()):
        often = _often(counts)
        if often and ref not in known:
            lines = tuple(f"{name}: configured {count} times" for name, count in often.items())
            what = f"{ref} applies the same objects again and again"
            yield Finding(Severity.WARNING, what, _FIX, ref, lines[:5], _MATTERS)


def _revision(event: Object) -> str:
    notes = event["metadata"].get("annotations") or {}
    return str(notes.get(f"{KUSTOMIZE_GROUP}/revision", ""))


def _often(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items()) if count >= _LOOP}
