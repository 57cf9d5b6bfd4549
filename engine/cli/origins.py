"""How `trace` shows an object and all that it comes from.

Source: flux2 cmd/flux/trace.go, whose titles and their order these are.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from engine.api.meta import READY
from engine.cli.columns import source_of
from engine.cli.kinds import Kind
from engine.objects.ref import Object
from engine.telemetry.scope import clean

Line: TypeAlias = tuple[str, str]
"""A title and what stands beside it; without a text it is left out."""

_ANNOTATIONS = (
    ("Origin Revision", "org.opencontainers.image.revision"),
    ("Origin Source", "org.opencontainers.image.source"),
)
_APPLIERS = ("Kustomization", "HelmRelease")
_SSH = re.compile(r"ssh://[^:/@]+@[^@]*$")
_WIDTH = 17  # of the titles of Flux's report
_NARROW = 16  # of those about a Helm release


@dataclass(frozen=True, slots=True)
class Origin:
    """Something that an object comes from."""

    kind: Kind
    obj: Object


def report(obj: Object, chain: Sequence[Origin]) -> str:
    """The text, which begins with an empty line.   chain: from the applier to the source."""
    width = _WIDTH if chain[0].kind.name == "Kustomization" else _NARROW
    metadata = obj["metadata"]
    first: list[Line] = [
        ("Object", f"{obj['kind']}/{metadata['name']}"),
        ("Namespace", metadata.get("namespace", "")),
        ("Status", "Managed by Flux"),
    ]
    blocks = [first, *(list(_lines(each)) for each in chain)]
    return "\n" + "\n---\n".join(_block(lines, width) for lines in blocks)


def _block(lines: Sequence[Line], width: int) -> str:
    return "\n".join(f"{title + ':':<{width}}{text}" for title, text in lines if text)


def _lines(origin: Origin) -> Iterator[Line]:
    kind, obj = origin.kind.name, origin.obj
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    yield kind, obj["metadata"]["name"]
    yield "Namespace", obj["metadata"].get("namespace", "")
    yield "Target", spec.get("targetNamespace", "")
    yield "Path", spec.get("path", "")
    yield "Chart", spec.get("chart", "") if kind == "HelmChart" else ""
    yield "Version", spec.get("version", "") if kind == "HelmChart" else ""
    yield "URL", _url(str(spec.get("url", "")))
    if kind == "ExternalArtifact" and (made := source_of(obj)):
        yield "Source", f"{made['kind']}/{made['namespace']}/{made['name']}"
    yield from _reference(spec.get("ref") or {}, kind)
    if kind == "Kustomization":
        yield "Revision", status.get("lastAppliedRevision", "")
    elif kind == "HelmRelease":
        yield "Revision", status.get("lastAttemptedRevision", "")
    artifact = status.get("artifact") or {}
    yield "Revision", artifact.get("revision", "")
    for title, key in _ANNOTATIONS:
        yield title, (artifact.get("metadata") or {}).get(key, "")
    yield from _state(obj)


def _url(url: str) -> str:
    """The URL without a login; the user of ssh, mostly `git`, belongs to the address."""
    return url if _SSH.match(url) else clean(url)


def _reference(ref: Object, kind: str) -> Iterator[Line]:
    """Which commit or image is asked for, in the order in which one wins."""
    tag = ref.get("tag") or ref.get("semver")
    if tag:
        yield "Tag", tag
    elif kind == "GitRepository":
        yield "Branch", ref.get("branch", "")
    else:
        yield "Digest", ref.get("digest", "")


def _state(obj: Object) -> Iterator[Line]:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    ready = next((each for each in conditions if each.get("type") == READY), None)
    if ready is None:
        yield "Status", "Unknown"
        return
    has_failed = ready.get("status") == "False" and obj["kind"] not in _APPLIERS
    verb = "Last reconciliation failed" if has_failed else "Last reconciled"
    yield "Status", f"{verb} at {_instant(ready.get('lastTransitionTime', ''))}"
    yield "Message", ready.get("message", "")


def _instant(text: str) -> str:
    """The instant in local time, as Go prints it: `2026-11-23 09:41:39 +0000 UTC`."""
    if not text:
        return "an unknown time"
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %z %Z")
