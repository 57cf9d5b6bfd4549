"""Read YAML the way Kubernetes does, with the line of every field.

The C parser's events are folded into plain values here; no YAML library decides a type, and a
document's aliases are expanded under a limit.  Source: sigs.k8s.io/yaml YAMLToJSONStrict.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NoReturn, TypeAlias

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs hide it
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from engine.objects.scalars import Scalar, as_json_number, key_text, resolve, tagged
from engine.objects.yaml_error import ManifestError, mended, translated

MAX_DEPTH: Final = 100
"""Levels of nesting; the API server's own types need fewer than 40, JSON writers stop at 254."""

MAX_ALIASED_NODES: Final = 100_000
"""Nodes that the aliases of one document may add: a few lines of aliases can mean gigabytes."""

Place: TypeAlias = int | tuple[int, Any]
"""The 1-based line of a field; with the Lines inside it when it is a container."""

Lines: TypeAlias = dict[str, Place] | list[Place]
"""The Place of each field of a container, shaped like the container."""

MAX_MENDED: Final = 100
"""How often a text is read again from its start, each time mended in one place."""

_Event: TypeAlias = Any  # PyYAML's stubs call every event and every mark optional

_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(slots=True)
class _Anchored:
    """What an anchor names: a value, its lines, how many nodes it is and how deep."""

    value: Any
    lines: Lines | None = None
    nodes: int = 1
    height: int = 0
    is_open: bool = False


class Reader:
    """The documents of one text, in order.

    merge_overrides: True lets a key override one that `<<` brings, as YAML's merge says and
    kustomize reads; False makes that a duplicate key, as the API server does.
    last_wins: whatever comes later in a mapping, keys and what `<<` brings alike, takes the place
    of what was there, as sigs.k8s.io/yaml reads where it is not asked to be strict.
    """

    __slots__ = (
        "_aliased",
        "_anchors",
        "_deepest",
        "_depth",
        "_file",
        "_last_wins",
        "_merge_overrides",
        "_next",
        "_nodes",
        "_text",
    )
    _next: Callable[[], _Event]

    def __init__(
        self,
        text: bytes | str,
        file: str,
        merge_overrides: bool = False,
        *,
        last_wins: bool = False,
    ) -> None:
        """Keep the text; nothing is read yet."""
        self._text = text
        self._file = file
        self._last_wins = last_wins
        self._merge_overrides = merge_overrides
        self._anchors: dict[str, _Anchored] = {}
        self._depth = self._deepest = self._nodes = self._aliased = 0

    def documents(self) -> Iterator[tuple[Any, int, Lines | None]]:
        """Each document's value, its first line (1-based) and the lines inside it.

        Raises ManifestError, and no other exception, whatever the text holds.
        """
        done = 0
        for _ in range(MAX_MENDED):
            try:
                for document in islice(self._documents(), done, None):
                    done += 1
                    yield document
            except (yaml.YAMLError, UnicodeError) as error:
                text = mended(self._text, error)
                if text is None:
                    raise translated(error, self._file) from error
                self._text = text
            else:
                return
        raise ManifestError(self._file, 1, f"more than {MAX_MENDED} keys without a value")

    def _documents(self) -> Iterator[tuple[Any, int, Lines | None]]:
        self._next = CParser(self._text).get_event
        self._next()  # the start of the stream
        while (event := self._next()).__class__ is DocumentStartEvent:
            if event.version not in (None, (1, 1)):
                self._refuse(event, "found incompatible YAML document: %YAML is not 1.1")
            yield self._document()

    def _document(self) -> tuple[Any, int, Lines | None]:
        self._anchors.clear()
        self._depth = self._deepest = self._nodes = self._aliased = 0
        event = self._next()
        value, lines = self._node(event)
        self._next()  # the end of the document
        return value, event.start_mark.line + 1, lines

    def _node(self, event: _Event) -> tuple[Any, Lines | None]:
        """The value of any node and the lines inside it, None for those of a scalar."""
        if event.__class__ is ScalarEvent:
            return self._value(self._scalar(event), event), None
        if event.__class__ is AliasEvent:
            anchored = self._expand(event)
            return self._value(anchored.value, event), anchored.lines
        if event.__class__ is MappingStartEvent:
            return self._collection(event, {}, {}, self._fill_mapping)
        return self._collection(event, [], [], self._fill_sequence)

    def _collection(
        self, event: _Event, value: Any, lines: Any, fill: Callable[[Any, Any], None]
    ) -> tuple[Any, Lines]:
        """The container, filled; known by its anchor while and after it is."""
        self._depth += 1
        self._reach(self._depth, event)
        outside, before, anchored = self._deepest, self._nodes, None
        if event.anchor is not None:
            self._deepest = self._depth
            anchored = self._anchors[event.anchor] = _Anchored(value, lines, is_open=True)
        fill(value, lines)
        self._nodes += len(value)
        if anchored is not None:
            anchored.is_open = False
            anchored.nodes += self._nodes - before
            anchored.height = self._deepest - self._depth + 1
            self._deepest = max(outside, self._deepest)
        self._depth -= 1
        return value, lines

    def _fill_mapping(self, obj: dict[str, Any], lines: dict[str, Place]) -> None:
        following = self._next
        merged: list[tuple[dict[str, Any], Any]] = []
        while (event := following()).__class__ is not MappingEndEvent:
            if event.__class__ is ScalarEvent and event.value == "<<" and _is_unquoted(event):
                merged += self._merged(following())
                if not self._merge_overrides:
                    self._add_merged(merged, obj, lines, event)
                    merged.clear()
                continue
            key = self._key(event)
            if key in obj and not self._last_wins:
                self._refuse(event, f"key {key!r} already set in map")
            line = event.start_mark.line + 1
            value_event = following()
            if value_event.__class__ is ScalarEvent:
                value = self._scalar(value_event)
                obj[key] = value if value.__class__ is str else self._value(value, value_event)
                lines[key] = line
            else:
                obj[key], inside = self._node(value_event)
                lines[key] = line if inside is None else (line, inside)
        self._add_merged(merged, obj, lines, None)

    def _fill_sequence(self, items: list[Any], lines: list[Place]) -> None:
        following = self._next
        while (event := following()).__class__ is not SequenceEndEvent:
            value, inside = self._node(event)
            line = event.start_mark.line + 1
            items.append(value)
            lines.append(line if inside is None else (line, inside))

    def _merged(self, event: _Event) -> list[tuple[dict[str, Any], Any]]:
        """The mappings that the value of `<<` names, the strongest first, with their lines."""
        value, lines = self._node(event)
        pairs = [(value, lines)]
        if isinstance(value, list) and event.__class__ is not AliasEvent:
            inner = [place[1] if isinstance(place, tuple) else None for place in lines or ()]
            pairs = list(zip(value, inner, strict=True))
        if not all(isinstance(mapping, dict) for mapping, _ in pairs):
            self._refuse(event, "map merge requires map or sequence of maps as the value")
        return pairs

    def _add_merged(
        self,
        merged: list[tuple[dict[str, Any], Any]],
        obj: dict[str, Any],
        lines: dict[str, Place],
        refuse_at: _Event | None,
    ) -> None:
        """Add what `<<` brings; a key that is there already is kept, or refused at the event."""
        if self._last_wins:
            for mapping, places in reversed(merged):
                obj.update(mapping)
                lines.update(places)
            return
        for mapping, places in merged:
            for key, value in mapping.items():
                if key not in obj:
                    obj[key], lines[key] = value, places[key]
                elif refuse_at is not None:
                    self._refuse(refuse_at, f"key {key!r} already set in map")

    def _key(self, event: _Event) -> str:
        if event.__class__ is ScalarEvent:
            value = self._scalar(event)
            if value.__class__ is str:
                return value
        elif event.__class__ is AliasEvent:
            value = self._expand(event).value
        else:
            self._refuse(event, "a map or a list cannot be a key")
        if isinstance(value, dict | list) or (key := key_text(value)) is None:
            self._refuse(event, f"unsupported map key {value!r}")
        return key

    def _scalar(self, event: _Event) -> Scalar:
        """What the scalar means, floats still being floats; known by its anchor."""
        if event.implicit[0]:
            value = resolve(event.value)
        elif event.tag is None:
            value = event.value
        else:
            try:
                value = tagged(event.value, event.tag)
            except ValueError as error:
                self._refuse(event, str(error))
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value)
        return value

    def _value(self, value: Any, event: _Event) -> Any:
        """The value as JSON has it.  Raises ManifestError where JSON has no such number."""
        if value.__class__ is not float:
            return value
        if value != value or value in (float("inf"), float("-inf")):
            self._refuse(event, f"unsupported value: {value}")
        return as_json_number(value)

    def _expand(self, event: _Event) -> _Anchored:
        """What the alias stands for, counted as if it were written out."""
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            self._refuse(event, f"unknown anchor {event.anchor!r} referenced")
        if anchored.is_open:
            self._refuse(event, f"anchor {event.anchor!r} value contains itself")
        self._nodes += anchored.nodes - 1  # the alias itself is counted where it stands
        self._aliased += anchored.nodes
        if self._aliased > MAX_ALIASED_NODES:
            limit = f"{MAX_ALIASED_NODES:,} nodes"
            self._refuse(event, f"document contains excessive aliasing: more than {limit}")
        self._reach(self._depth + anchored.height, event)
        return anchored

    def _reach(self, depth: int, event: _Event) -> None:
        """Note how deep the document goes.  Raises ManifestError if that is too deep."""
        if depth > self._deepest:
            self._deepest = depth
            if depth > MAX_DEPTH:
                self._refuse(event, f"nested more than {MAX_DEPTH} levels deep")

    def _refuse(self, event: _Event, problem: str) -> NoReturn:
        mark = event.start_mark
        raise ManifestError(self._file, mark.line + 1, problem, mark.column + 1)


def _is_unquoted(event: _Event) -> bool:
    """Whether the scalar `<<` means a merge; quoted, it is a key as any other."""
    return bool(event.implicit[0] or event.tag == _MERGE)
