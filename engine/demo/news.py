"""What there is to tell of an object that is new or changed: lines for people, or nothing."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from engine.api.meta import PROGRESSING
from engine.demo.world import ready_of
from engine.objects.ref import Object

_HEX = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{32}\b")
_DEPENDENCY = re.compile(r"dependency '(?:[^/']*/)?([^']*)' ")
_UNFETCHED = "Source artifact not found"
_LISTED = 4  # objects that are named one by one; more are counted


class Tone(StrEnum):
    """How a line is meant."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened; about: who or what it happened to."""

    about: str
    text: str
    tone: Tone = Tone.PLAIN


def lines_of(obj: Object | None, before: Object | None) -> Iterator[Line]:
    """What changed between two states of an object; None: it did not exist, or no longer does."""
    if obj is None:
        return
    if obj["kind"] == "Event":
        yield from _of_event(obj)
    elif obj["kind"] in ("Kustomization", "GitRepository"):
        yield from _of_condition(obj, before or {})


def shortened(text: str) -> str:
    """The text in one line, with each SHA-1 cut to eight digits."""
    return _HEX.sub(r"\1", " ".join(text.split()))


def awaited(ready: Mapping[str, Any]) -> str:
    """What a Kustomization waits for, as some do at each new commit; "" if it waits for nothing."""
    message = str(ready.get("message", ""))
    if ready.get("status") != "False":
        return ""
    if dependency := _DEPENDENCY.match(message):
        return f"{dependency[1]} (dependsOn)"
    return "its source to be fetched" if message.startswith(_UNFETCHED) else ""


def _of_condition(obj: Object, before: Object) -> Iterator[Line]:
    ready, old = ready_of(obj), ready_of(before)
    if ready.get("status") not in ("True", "False"):
        return  # under way
    if (ready["status"], ready["message"]) == (old.get("status"), old.get("message")):
        return
    name = obj["metadata"]["name"]
    about = f"source {name}" if obj["kind"] == "GitRepository" else name
    if thing := awaited(ready):
        yield Line(about, f"waits for {thing}")
        return
    tone = Tone.GOOD if ready["status"] == "True" else Tone.BAD
    yield Line(about, shortened(ready["message"]), tone)


def _of_event(event: Object) -> Iterator[Line]:
    """The objects that a Kustomization wrote."""
    if event["reason"] != PROGRESSING or event["involvedObject"]["kind"] != "Kustomization":
        return
    about, told = event["involvedObject"]["name"], event["message"].splitlines()
    if len(told) <= _LISTED:
        for each in told:
            yield Line(about, each)
        return
    counts = Counter(each.rpartition(" ")[2] for each in told)
    yield Line(about, ", ".join(_counted(count, what) for what, count in counts.items()))


def _counted(count: int, what: str) -> str:
    return f"{count} object{'s' if count != 1 else ''} {what}"
