"""Which objects nobody reconciles if only this engine runs."""

from collections.abc import Iterable

from engine.api.meta import KUSTOMIZE_GROUP, NOTIFICATION_GROUP, SOURCE_GROUP
from engine.cluster import Resource
from engine.plugin import Context, Finding, Severity

_SUFFIX = ".fluxcd.io"
_SHOWN = 3  # names in a finding
_HERE = {
    (KUSTOMIZE_GROUP, "Kustomization"),
    (SOURCE_GROUP, "GitRepository"),
    (NOTIFICATION_GROUP, "Receiver"),
    (NOTIFICATION_GROUP, "Alert"),
    (NOTIFICATION_GROUP, "Provider"),
    (SOURCE_GROUP, "ExternalArtifact"),  # made by others, and read
}
_FIX = "leave them to Flux's own controller; this version of Lockstep does not reconcile the kind"


async def check(context: Context) -> Iterable[Finding]:
    """A finding for each kind of Flux's that has objects but no reconciler here."""
    findings = []
    for resource in await _others(context):
        listing = await context.client.list(resource, metadata_only=True)
        names = [
            f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in listing.items
        ]
        if names:
            findings.append(_finding(resource, names))
    if not findings:
        return [Finding(Severity.OK, "there are no objects of kinds that are not reconciled")]
    return findings


async def _others(context: Context) -> list[Resource]:
    """Flux's other kinds, each in the version that the API server prefers."""
    found: dict[tuple[str, str], Resource] = {}
    for resource in await context.client.discovery.all():
        key = resource.group, resource.kind
        if resource.group.endswith(_SUFFIX) and resource.namespaced and key not in _HERE:
            found.setdefault(key, resource)
    return list(found.values())


def _finding(resource: Resource, names: list[str]) -> Finding:
    shown = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    what = f"{len(names)} of {resource.kind} ({resource.group}): {shown}{more}"
    return Finding(Severity.WARNING, what, _FIX)
