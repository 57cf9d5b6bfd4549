"""CDEvents: only the path is secret, and the body must be an event of the specification.

Source: cdevents/spec v0.4.1, spec.md (context, subject); cdevents/sdk-go NewFromJsonBytes (an
event of another minor version counts).
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from engine.hooks import Genuine, Hit, Refused
from engine.hooks.payload import object_of

_PREDICATES: Final[Mapping[str, str]] = {
    "artifact": "packaged signed published downloaded deleted",
    "branch": "created deleted",
    "build": "queued started finished",
    "change": "created reviewed merged abandoned updated",
    "environment": "created modified deleted",
    "incident": "detected reported resolved",
    "pipelinerun": "queued started finished",
    "repository": "created modified deleted",
    "service": "deployed upgraded rolledback removed published",
    "taskrun": "started finished",
    "testcaserun": "queued started finished skipped",
    "testoutput": "published",
    "testsuiterun": "queued started finished",
    "ticket": "created updated closed",
}
_KNOWN: Final = frozenset(
    f"{subject}.{predicate}"
    for subject, predicates in _PREDICATES.items()
    for predicate in predicates.split()
)
_TYPE: Final = re.compile(r"dev\.cdevents\.([a-z]+\.[a-z]+)\.0\.[0-9]+\.[0-9]+(-draft)?", re.ASCII)
_CUSTOM: Final = re.compile(
    r"dev\.cdeventsx\.[a-z0-9]+-[a-z]+\.[a-z]+\.[0-9]+\.[0-9]+\.[0-9]+(-draft)?", re.ASCII
)
_LONGEST: Final = 256  # characters of a type
_TEXTS: Final = ("version", "id", "source", "type", "timestamp")


def verify(hit: Hit) -> Genuine:
    """Raises Refused unless it is such an event."""
    event = object_of(hit.body)
    _check_context(_part(event, "context"))
    subject = _part(event, "subject")
    _text(subject, "subject", "id")
    _part(subject, "content")
    return Genuine(hit.header("Ce-Type"), hit.body, is_by_path=True)


def _check_context(context: Mapping[str, Any]) -> None:
    # Since v0.5 the version's field has another name.
    renamed = {"version": context.get("specversion"), **context}
    texts = {name: _text(renamed, "context", name) for name in _TEXTS}
    kind = texts["type"][:_LONGEST]
    known = _TYPE.fullmatch(kind)
    if not (known and known[1] in _KNOWN) and not _CUSTOM.fullmatch(kind):
        raise Refused("the body's context.type is no type of CDEvents")
    try:
        datetime.fromisoformat(texts["timestamp"])
    except ValueError:
        raise Refused("the body's context.timestamp is no instant") from None


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = found.get(name)
    if not isinstance(part, dict):
        raise Refused(f"the body has no {name} of a CDEvent")
    return part


def _text(found: Mapping[str, Any], where: str, name: str) -> str:
    text = found.get(name)
    if not isinstance(text, str) or not text:
        raise Refused(f"the body has no {where}.{name} of a CDEvent")
    return text
