"""What `get` shows of an object, a text a column.

Source: flux-behaviour section 11: columns, and what stands in them where nothing is known.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from engine.api.meta import READY
from engine.objects.ref import Object
from engine.plan.suspension import Suspension, is_suspended

NAMES = ("NAME", "REVISION", "SUSPENDED", "READY", "MESSAGE")
_HEX = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{32}(?:[0-9a-f]{24})?\b")
_STEPS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"))


def headers(*, wide: bool, with_namespace: bool) -> list[str]:
    """The names of the columns."""
    names = ["NAMESPACE"] if with_namespace else []
    return [*names, *NAMES[:4], *(["LAST-APPLIED"] if wide else []), NAMES[4]]


def cells(
    obj: Object, now: float, *, wide: bool, with_namespace: bool, kind: str = ""
) -> list[str]:
    """One object, in the order of `headers`.

    now: seconds since 1970, for ages.   kind: put before the name where kinds are mixed.
    """
    metadata = obj["metadata"]
    name = f"{kind.lower()}/{metadata['name']}" if kind else metadata["name"]
    ready = ready_of(obj)
    return [
        *([metadata.get("namespace", "")] if with_namespace else []),
        name,
        shortened(revision_of(obj)),
        str(bool((obj.get("spec") or {}).get("suspend"))),
        ready["status"],
        *([age(last_applied(obj), now)] if wide else []),
        " ".join(f"{_suspension(obj)}{shortened(ready['message'])}".split()),
    ]


def _suspension(obj: Object) -> str:
    """`(suspended by ada until ...: why) ` of an object that says so."""
    said = Suspension.of(obj)
    return f"({said}) " if said and is_suspended(obj) else ""


def shortened(text: str) -> str:
    """The text with the hex digits of each SHA-1 or SHA-256 cut to eight."""
    return _HEX.sub(r"\1", text)


def ready_of(obj: Object) -> Mapping[str, str]:
    """Status and message of Ready; what Flux's CLI says where there is none."""
    if _is_static(obj):
        return {"status": "True", "message": "Helm repository is Ready"}
    for each in (obj.get("status") or {}).get("conditions") or ():
        if each.get("type") == READY:
            return {"status": each.get("status", ""), "message": each.get("message", "")}
    return {"status": "False", "message": "waiting to be reconciled"}


def revision_of(obj: Object) -> str:
    """What the object holds: an artifact, an applied revision or a chart's version."""
    status = obj.get("status") or {}
    match obj.get("kind"):
        case "Kustomization":
            return str(status.get("lastAppliedRevision") or "")
        case "HelmRelease":
            newest = _first(status.get("history"))
            return str(newest.get("chartVersion") or status.get("lastAttemptedRevision") or "")
    return str((status.get("artifact") or {}).get("revision") or "")


def last_applied(obj: Object) -> str:
    """When that came to be, RFC 3339; "" if it never did."""
    status = obj.get("status") or {}
    newest = _first(status.get("history"))
    instant = newest.get("lastReconciled") or newest.get("lastDeployed")
    return str(instant or (status.get("artifact") or {}).get("lastUpdateTime") or "")


def age(instant: str, now: float) -> str:
    """How long ago, in one unit as kubectl writes it: `45s`, `5m`, `3h`, `2d`; "" for ""."""
    if not instant:
        return ""
    then = datetime.fromisoformat(instant)
    seconds = max(0.0, now - then.replace(tzinfo=then.tzinfo or UTC).timestamp())
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def _first(items: Sequence[Mapping[str, Any]] | None) -> Mapping[str, Any]:
    return items[0] if items else {}


def _is_static(obj: Object) -> bool:
    return obj.get("kind") == "HelmRepository" and (obj.get("spec") or {}).get("type") == "oci"
