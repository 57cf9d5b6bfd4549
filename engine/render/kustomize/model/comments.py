"""Comments that say how a field merges, `items: # {"x-kubernetes-patch-strategy": "merge"}`.

Kustomize takes any comment that is a JSON object for the OpenAPI of the field that it stands
behind or above, whatever it was meant for, and believes it more than what it knows of the kind.
Source: kyaml fieldmeta/fieldmeta.go, yaml/walk/map.go, go.yaml.in/yaml/v3 scannerc.go.
"""

import re
from collections.abc import Mapping, Sequence
from json import JSONDecodeError, JSONDecoder
from typing import Any

from yaml.events import CollectionStartEvent, Event

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_ANY = re.compile(r"#[ \t#]*\{")
_NO_CONTENT = re.compile(r"\s*(?:#.*)?")
_BEHIND_KEY = re.compile(r"\s*:\s*(?:#(.*))?$")
_BEHIND_FLOW = re.compile(r"\s+#(.*)")
_BEHIND_DASH = re.compile(r"(?:\s*-)+\s+#(.*)")
_DECODER = JSONDecoder()
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "type": (str, list),
    "$ref": str,
    "items": (dict, list),
    "properties": dict,
    "additionalProperties": (dict, bool),
}


class Comments:
    """The comments of one document."""

    def __init__(self, text: str) -> None:
        self._lines: Sequence[str] = _BREAK.split(text)

    @classmethod
    def of(cls, text: str) -> "Comments | None":
        """Those of the text, None if none of them could be JSON."""
        return cls(text) if _ANY.search(text) else None

    def schema(
        self, key: Event, value: CollectionStartEvent, end: Event, last: Event | None
    ) -> Any:
        """What is said of a field that holds a map or a list, None if nothing is.

        key, value: the events that begin both.  end: the last event of the value.  last: the last
        scalar before the key, None if the key is the first of its map.
        """
        if value.flow_style:
            line, column = _end(end)
            behind = _BEHIND_FLOW.match(self._lines[line], column)
            found = None if behind is None else _schema(behind[1])
            return found or self._above(key, last)
        line, column = _end(key)
        behind = _BEHIND_KEY.match(self._lines[line], column)
        if behind is None or behind[1] is None:  # an anchor, which has the comment, or nothing
            return None if behind is None else self._above(key, last)
        return _schema(behind[1])

    def _above(self, key: Event, last: Event | None) -> Any:
        """What the comment above the key says, if the key begins its line or its map."""
        until, column = _begin(key)
        if last is not None and self._lines[until][:column].strip():
            return None
        line, end = _end(last) if last is not None else (0, 0)
        first = until
        while first > line + (end > 0) and _NO_CONTENT.fullmatch(self._lines[first - 1]):
            first -= 1
        lines = list(self._lines[first:until])
        before = self._lines[first - 1] if first else ""
        if last is not None:
            lines = _without_foot(lines, _indent(before), column)
        elif dash := _BEHIND_DASH.match(before):
            lines.insert(0, f"#{dash[1]}")
        said = next((line for line in lines if line.strip()), "")
        return _schema(said.lstrip())


def _without_foot(lines: list[str], indent: int, column: int) -> list[str]:
    """The lines above a key without those that belong to what stands above them.

    indent: of the last line before.  column: of the key.
    """
    foot = 0
    while foot < len(lines) and lines[foot].strip() and column < _indent(lines[foot]) <= indent:
        foot += 1
    lines = lines[foot:]
    blank = next((i for i, line in enumerate(lines) if not line.strip()), 0)
    return lines[blank:]


def _begin(event: Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line, mark.column) if mark else (0, 0)


def _end(event: Event) -> tuple[int, int]:
    mark = event.end_mark
    return (mark.line, mark.column) if mark else (0, 0)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _schema(comment: str) -> Any:
    """The JSON object that the comment begins with, None if that is no OpenAPI."""
    text = comment.lstrip("#").lstrip()
    try:
        node, _ = _DECODER.raw_decode(text)
    except (JSONDecodeError, RecursionError):
        return None
    if not isinstance(node, dict) or not node:
        return None
    is_sound = all(key not in node or isinstance(node[key], kind) for key, kind in _TYPES.items())
    return node if is_sound else None
