"""Who holds Flux's Leases now: the engine that writes."""

from collections.abc import Iterable
from datetime import datetime

from engine.cluster.lease import LEASES, lease_name
from engine.objects.ref import Object
from engine.plugin import Context, Finding, Severity
from engine.runtime import SystemClock

_CONTROLLERS = ("kustomize-controller", "source-controller")
_START = "start one with `lockstep run`"


async def check(context: Context) -> Iterable[Finding]:
    """A finding for each Lease."""
    namespace = context.settings.runtime_namespace
    findings = []
    receiving = ("notification-controller",) if context.settings.serves_receivers else ()
    for controller in (*_CONTROLLERS, *receiving):
        name = lease_name(controller, context.settings.watch_label_selector)
        lease = await context.client.get(LEASES, namespace, name)
        findings.append(judged(f"{namespace}/{name}", lease, SystemClock().wall()))
    return findings


def judged(title: str, lease: Object | None, now: float) -> Finding:
    """What a Lease says.  now: seconds since 1970; clocks of two machines may differ a little."""
    spec = (lease or {}).get("spec") or {}
    holder = spec.get("holderIdentity")
    if not holder:
        return Finding(Severity.WARNING, f"nobody holds Lease {title}: no engine runs", _START)
    renewed = spec.get("renewTime")
    silence = now - datetime.fromisoformat(renewed).timestamp() if renewed else 0.0
    if silence > float(spec.get("leaseDurationSeconds") or 0):
        what = f"Lease {title} is held by '{holder}', which has not renewed it for {silence:.0f}s"
        return Finding(Severity.WARNING, what, f"that engine is gone: {_START}")
    return Finding(Severity.OK, f"Lease {title} is held by '{holder}'")
