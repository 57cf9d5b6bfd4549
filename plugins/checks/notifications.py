"""Providers and Receivers of types that this engine does not know, and Alerts that tell nobody."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from engine.api.meta import NOTIFICATION_GROUP
from engine.cluster import UnknownKind
from engine.objects.ref import Object
from engine.plugin import Context, Finding, Severity, load

_SHOWN = 3  # names in a finding
_FLUX = "--events-addr=http://notification-controller"


async def check(context: Context) -> list[Finding]:
    """A finding for each type that is not supported, and for Alerts without a Provider.

    What is left to Flux's notification-controller is not looked at.
    """
    plugins, settings, count = load(), context.settings, 0
    findings: list[Finding] = []
    if not settings.events_addr:
        providers = await _all("Provider", context)
        alerts = await _all("Alert", context)
        count += len(providers) + len(alerts)
        findings += _unsupported("Provider", providers, plugins.notifiers)
        findings += _mute(alerts, {_name(each) for each in providers})
    if settings.serves_receivers:
        receivers = await _all("Receiver", context)
        count += len(receivers)
        findings += _unsupported("Receiver", receivers, plugins.receivers)
    return findings or [Finding(Severity.OK, f"Providers, Alerts and Receivers: {_well(count)}")]


def _well(count: int) -> str:
    """What is said where nothing is wrong with that many objects."""
    return f"all {count} are of types that are supported" if count else "there are none to serve"


async def _all(kind: str, context: Context) -> Sequence[Object]:
    """Everything of a kind, nothing where it is not served: another check says so."""
    try:
        resource = await context.client.discovery.resource(NOTIFICATION_GROUP, None, kind)
    except UnknownKind:
        return ()
    return (await context.client.list(resource)).items


def _unsupported(kind: str, objects: Sequence[Object], known: Collection[str]) -> Iterator[Finding]:
    types: dict[str, list[str]] = {}
    for each in objects:
        types.setdefault(str(_spec(each).get("type", "")), []).append(_name(each))
    for type_, names in sorted(types.items()):
        if type_ not in known:
            yield Finding(
                Severity.WARNING,
                f"{len(names)} of {kind} of type '{type_}', which is not supported yet: "
                f"{_listed(names)}",
                f"choose another type ({', '.join(sorted(known))}), or leave it to Flux's "
                f"notification-controller: lockstep run {_FLUX}",
            )


def _mute(alerts: Sequence[Object], providers: Collection[str]) -> Iterator[Finding]:
    """Alerts whose Provider is not there."""
    for each in alerts:
        wanted = (_spec(each).get("providerRef") or {}).get("name", "")
        if f"{each['metadata']['namespace']}/{wanted}" not in providers:
            what = f"Alert {_name(each)} tells nobody: there is no Provider '{wanted}' beside it"
            fix = f"lockstep create alert-provider {wanted} -n {each['metadata']['namespace']} ..."
            yield Finding(Severity.WARNING, what, fix)


def _spec(obj: Object) -> dict[str, Any]:
    return obj.get("spec") or {}


def _name(obj: Object) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
