"""What `get` shows of an object, a text a column.

Source: flux-behaviour section 11: columns, and what stands in them where nothing is known; flux2
cmd/flux/get_*.go.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engine.api.meta import READY
from engine.cli.ages import age
from engine.cli.kinds import Kind
from engine.objects.ref import Object
from engine.plan.suspension import Suspension, is_suspended

_HEX = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{32,120}\b")
"""What is written short: SHA-1 up to SHA-512."""
_USUAL = ("REVISION", "SUSPENDED", "READY", "MESSAGE")
_COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ExternalArtifact": ("REVISION", "SOURCE", "READY", "MESSAGE"),
        "ArtifactGenerator": ("SUSPENDED", "READY", "MESSAGE"),
        "Receiver": ("SUSPENDED", "READY", "MESSAGE"),
        "Alert": ("SUSPENDED", "READY", "MESSAGE"),
        "Provider": ("READY", "MESSAGE"),
        "ImageRepository": ("LAST SCAN", "SUSPENDED", "READY", "MESSAGE"),
        "ImagePolicy": ("IMAGE", "TAG", "READY", "MESSAGE"),
        "ImageUpdateAutomation": ("LAST RUN", "SUSPENDED", "READY", "MESSAGE"),
    }
)
"""After the name, of kinds that show something else than most."""
_WHOLE_MESSAGES = ("Receiver", "HelmRelease")
"""Kinds whose messages hold paths and names to be copied."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are shown.

    now: seconds since 1970, for ages.   with_kind: put before the name, where kinds are mixed.
    """

    now: float
    is_wide: bool = False
    with_namespace: bool = False
    with_source: bool = False
    with_kind: bool = False

    def headers(self, kind: Kind) -> list[str]:
        """The names of the columns."""
        names = ["NAMESPACE", "NAME"] if self.with_namespace else ["NAME"]
        shown = list(_COLUMNS.get(kind.name, _USUAL))
        if self.with_source and kind.name in ("Kustomization", "HelmRelease"):
            shown.insert(0, "SOURCE")
        if self.is_wide and "REVISION" in shown:
            shown.insert(-1, "LAST-APPLIED")
        return names + shown

    def cells(self, kind: Kind, obj: Object) -> list[str]:
        """One object, in the order of `headers`."""
        return [self._cell(name, kind, obj) for name in self.headers(kind)]

    def _cell(self, name: str, kind: Kind, obj: Object) -> str:
        if name == "NAME":
            prefix = f"{kind.name.lower()}/" if self.with_kind else ""
            return f"{prefix}{obj['metadata']['name']}"
        if name == "LAST-APPLIED":
            return age(last_applied(obj), self.now)
        return _CELLS[name](obj)


def message_of(obj: Object) -> str:
    """Why it is suspended, if it says so, and what Ready says, in one line."""
    text = ready_of(obj)["message"]
    if obj.get("kind") not in _WHOLE_MESSAGES:
        text = shortened(text)
    return " ".join(f"{_suspension(obj)}{text}".split())


def _suspension(obj: Object) -> str:
    """`(suspended by ada until ...: why) ` of an object that says so."""
    said = Suspension.of(obj)
    return f"({said}) " if said and is_suspended(obj) else ""


def shortened(text: str) -> str:
    """The text with the hex digits of each digest cut to eight."""
    return _HEX.sub(r"\1", text)


def ready_of(obj: Object) -> Mapping[str, str]:
    """Status and message of Ready; what Flux's CLI says where there is none."""
    if said := static_message(obj):
        return {"status": "True", "message": said}
    for each in (obj.get("status") or {}).get("conditions") or ():
        if each.get("type") == READY:
            return {"status": each.get("status", ""), "message": each.get("message", "")}
    return {"status": "False", "message": "waiting to be reconciled"}


def static_message(obj: Object) -> str:
    """What is said of an object that nothing reconciles, "" of all others."""
    match obj.get("kind"):
        case "Alert" | "Provider" as kind:
            return f"{kind} is Ready"
        case "HelmRepository" if (obj.get("spec") or {}).get("type") == "oci":
            return "Helm repository is Ready"
    return ""


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


def source_of(obj: Object) -> Mapping[str, str]:
    """The reference to what it is made of, with a namespace; empty if it names nothing."""
    spec = obj.get("spec") or {}
    chart = (spec.get("chart") or {}).get("spec") or {}
    reference = spec.get("sourceRef") or spec.get("chartRef") or chart.get("sourceRef")
    return {"namespace": obj["metadata"].get("namespace", ""), **reference} if reference else {}


def _named_source(obj: Object) -> str:
    found = source_of(obj)
    return "/".join((found["kind"], found["namespace"], found["name"])) if found else ""


def _said(obj: Object, *path: str) -> str:
    """The text at a path of the status, "" if there is none."""
    value: Any = obj.get("status")
    for key in path:
        value = (value or {}).get(key)
    return str(value or "")


def _first(items: Sequence[Mapping[str, Any]] | None) -> Mapping[str, Any]:
    return items[0] if items else {}


_CELLS: Mapping[str, Callable[[Object], str]] = MappingProxyType(
    {
        "NAMESPACE": lambda obj: str(obj["metadata"].get("namespace", "")),
        "REVISION": lambda obj: shortened(revision_of(obj)),
        "SOURCE": _named_source,
        "SUSPENDED": lambda obj: str(is_suspended(obj)),
        "READY": lambda obj: ready_of(obj)["status"],
        "MESSAGE": message_of,
        "IMAGE": lambda obj: _said(obj, "latestRef", "name"),
        "TAG": lambda obj: _said(obj, "latestRef", "tag"),
        "LAST SCAN": lambda obj: _said(obj, "lastScanResult", "scanTime"),
        "LAST RUN": lambda obj: _said(obj, "lastAutomationRunTime"),
    }
)
"""By column: what stands in it."""
