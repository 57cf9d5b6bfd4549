"""Comments that say how a field merges, `items: # {"x-kubernetes-patch-strategy": "merge"}`.

Kustomize takes any comment that is a JSON object for the OpenAPI of the field that it stands
behind or above, whatever it was meant for, and believes it more than what it knows of the kind.
Source: kyaml fieldmeta/fieldmeta.go, yaml/walk/map.go, go.yaml.in/yaml/v3 scannerc.go.
"""

import re
from collections.abc import Mapping, Sequence
from json import JSONDecoder
from typing import Any

from yaml.events import CollectionStartEvent, Event

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_ANY = re.compile(r"#[ \t#]*(\{)?")  # matches all the same, so that no sign is looked at twice
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
        self._indents = [_indent(line) for line in self._lines]
        self._heads: dict[int, Any] = {}  # what is said above a line: many maps may begin in one

    @classmethod
    def of(cls, text: str) -> "Comments | None":
        """Those of the text, None if none of them could be JSON."""
        return cls(text) if any(each[1] for each in _ANY.finditer(text)) else None

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
        if last is None:
            if until not in self._heads:
                self._heads[until] = self._head(until)
            return self._heads[until]
        if self._indents[until] < column:
            return None
        line, end = _end(last)
        first = self._first_above(until, line + (end > 0))
        indent = self._indents[first - 1] if first else 0
        return _said(_without_foot(self._lines[first:until], indent, column))

    def _head(self, until: int) -> Any:
        """What the comment above a line says, or the one behind the dashes that stand there."""
        first = self._first_above(until, 0)
        lines = self._lines[first:until]
        dash = _BEHIND_DASH.match(self._lines[first - 1]) if first else None
        return _said([f"#{dash[1]}", *lines] if dash else lines)

    def _first_above(self, until: int, most: int) -> int:
        """The first of the lines above one that have no content, `most` at the earliest."""
        first = until
        while first > most and _NO_CONTENT.fullmatch(self._lines[first - 1]):
            first -= 1
        return first


def _said(lines: Sequence[str]) -> Any:
    said = next((line for line in lines if line.strip()), "")
    return _schema(said.lstrip())


def _without_foot(lines: Sequence[str], indent: int, column: int) -> Sequence[str]:
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
    except (ValueError, RecursionError):  # the former of numbers, too
        return None
    if not isinstance(node, dict) or not node:
        return None
    is_sound = all(key not in node or isinstance(node[key], kind) for key, kind in _TYPES.items())
    return node if is_sound else None
