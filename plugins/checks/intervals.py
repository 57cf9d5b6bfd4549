"""Intervals that are too short for the API server, or for the Git server."""

from collections.abc import Iterable

from engine.api.duration import parse_duration
from engine.objects.ref import Object, Ref
from engine.plan.inventory import parse_inventory
from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import is_suspended

_SHORT = 60.0  # seconds; Flux's documentation advises 1m for what is looked at most often
_BUDGET = 600.0
"""Requests a minute, 10 a second: what Flux's controllers may make for such a fleet without others
noticing (client-go's default is 20 a second for one controller)."""
_SHOWN = 5


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each short interval, and one if all of them together ask for too much."""
    found = []
    costs: dict[Ref, float] = {}
    for obj in (*await snapshot.appliers(), *await snapshot.sources()):
        seconds = _interval(obj)
        if is_suspended(obj) or not seconds:
            continue
        ref = Ref.of(obj)
        costs[ref] = _requests(obj) * 60 / seconds
        if seconds < _SHORT:
            written = obj["spec"]["interval"]
            evidence = f"spec.interval is {written}: {costs[ref]:.0f} requests a minute with Flux"
            found.append(
                Finding(
                    Severity.WARNING,
                    f"{ref} is looked at every {written}",
                    "set spec.interval to 10m in Git; changes arrive by webhook (kind Receiver)",
                    ref,
                    (evidence,),
                    "each look asks the API server or the Git server, whether or not anything "
                    "changed",
                )
            )
    total = sum(costs.values())
    if total > _BUDGET:
        worst = sorted(costs.items(), key=lambda item: -item[1])[:_SHOWN]
        lines = tuple(f"{ref}: {cost:.0f} a minute" for ref, cost in worst)
        what = f"all intervals together mean {total:.0f} requests a minute with Flux's controllers"
        fix = "raise spec.interval of the largest in Git, to 1h for what seldom changes"
        matters = f"more than {_BUDGET:.0f} slow down everybody who uses the API server"
        found.append(Finding(Severity.WARNING, what, fix, None, lines, matters))
    return found


def _requests(obj: Object) -> float:
    """What one look costs with Flux: a GET and a dry-run for each object (flux-behaviour 12)."""
    objects = len(parse_inventory(obj.get("status") or {}))
    return 2.0 * objects + 3 if obj["kind"] == "Kustomization" else 3.0


def _interval(obj: Object) -> float:
    """Seconds, 0 if it says none."""
    try:
        return parse_duration(str((obj.get("spec") or {}).get("interval", "")))
    except ValueError:
        return 0.0
