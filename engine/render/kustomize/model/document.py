"""Make one YAML document of a parser's events, with the types and rules of kustomize.

Source: kyaml yaml/rnode.go (DeAnchor).
"""

import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, NamedTuple, cast

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs forget it
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from engine.objects.patch import size_of
from engine.objects.yaml_error import explained
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.comments import Comments
from engine.render.kustomize.model.keys import NULL, NULLS, Key, is_bare
from engine.render.kustomize.model.scalars import (
    Quoted,
    SpelledText,
    copied,
    is_text,
    resolve,
    texts_of,
)

_TAG = "tag:yaml.org,2002:"
DEPTH = 100
NODES = 100_000


class MalformedYaml(KustomizeError):  # noqa: N818 (says what the text is)
    """A text that is not YAML, or not YAML that kustomize takes."""


class _Repeat(NamedTuple):
    """A key that was there already."""

    fields: dict[str, Any]
    key: str
    value: Any
    problem: str


def _annotations(obj: Any) -> Any:
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    return metadata.get("annotations") if isinstance(metadata, dict) else None


def _items(obj: Any) -> Sequence[Any]:
    """What a List holds."""
    items = obj.get("items") if isinstance(obj, dict) and obj.get("kind") == "List" else None
    return items if isinstance(items, list) else ()


class DocumentReader:
    """One document: events in, maps, lists and scalars out."""

    def __init__(self, text: str, file: str, first_line: int, *, strict: bool = True) -> None:
        self._text = text
        # Never None: nobody reads on after the end.
        self._next = cast("Callable[[], Event]", CParser(text).get_event)
        self._file = file
        self._offset = first_line
        self._strict = strict
        self._anchors: dict[str, Any] = {}
        self._nulls: dict[str, str] = {}  # how those are written that have an anchor
        self._repeats: list[_Repeat] = []
        self._comments = Comments.of(text)
        self._end: Event | None = None  # the last event of the last map or list
        self._last: Event | None = None  # the last scalar that is no key, at first the document
        self._nodes = 0
        self.first_content = first_line

    def document(self) -> Any:
        """The document's value, None if there is none.  Raises MalformedYaml."""
        try:
            return self._document()
        except yaml.YAMLError as error:
            line, problem = explained(error, self._text)
            where = f"{self._file}:{self._offset + line - 1}"
            raise MalformedYaml(f"{where}: malformed YAML: {problem}") from error

    def _document(self) -> Any:
        self._next()  # the start of the stream
        if isinstance(self._next(), yaml.events.StreamEndEvent):
            return None
        event = self._next()
        self.first_content = self._line(event)
        self._last = event  # a comment above it is not that of each field
        return self._node(event, 0)

    def settled(self, document: Any) -> str:
        """The first problem with a repeated key that kustomize bears: it writes annotations anew.

        Raises MalformedYaml for any other one.
        """
        annotations = [_annotations(each) for each in (document, *_items(document))]
        for repeat in self._repeats:
            if not any(repeat.fields is each for each in annotations):
                raise MalformedYaml(repeat.problem)
            del repeat.fields[repeat.key]  # with what the key remembers
            repeat.fields.update(texts_of({repeat.key: repeat.value}))
        return self._repeats[0].problem if self._repeats else ""

    def _line(self, event: Event) -> int:
        return (event.start_mark.line if event.start_mark else 0) + self._offset

    def _failed(self, event: Event, problem: str) -> MalformedYaml:
        return MalformedYaml(f"{self._file}:{self._line(event)}: {problem}")

    def _count(self, event: Event, value: Any) -> None:
        self._nodes += size_of(value)
        if self._nodes > NODES:
            raise self._failed(event, f"more than {NODES} nodes after aliases are expanded")

    def _reach(self, event: Event, depth: int) -> None:
        if depth > DEPTH:
            raise self._failed(event, f"nested deeper than {DEPTH}")

    def _node(self, event: Event, depth: int) -> Any:
        self._reach(event, depth)
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        self._count(event, None)
        if isinstance(event, ScalarEvent):
            value = self._scalar(event)
            self._last = event
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(depth)
        elif isinstance(event, MappingStartEvent):
            value = self._mapping(depth, is_flowing=bool(event.flow_style))
        else:
            raise self._failed(event, "a value was expected")
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = value
        return value

    def _alias(self, event: AliasEvent, depth: int) -> Any:
        if event.anchor not in self._anchors:
            raise self._failed(event, f"unknown anchor {event.anchor!r}")
        value = self._anchors[event.anchor]
        self._count(event, value)
        self._reach(event, depth + _height(value))
        return copied(value)

    def _scalar(self, event: ScalarEvent) -> Any:
        try:
            if event.implicit[0]:
                return resolve(event.value)
            if event.tag is None or event.implicit[1]:
                return Quoted(event.value)
            return _tagged(event.tag, event.value)
        except (ValueError, binascii.Error) as error:
            raise self._failed(event, str(error)) from error

    def _sequence(self, depth: int) -> list[Any]:
        items = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        self._end = event
        return items

    def _mapping(self, depth: int, *, is_flowing: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        merges: list[Any] = []
        while not isinstance(event := self._next(), MappingEndEvent):
            following = self._next()
            key = self._key(event, following, depth, is_flowing=is_flowing)
            last = self._last if fields else None
            value = self._node(following, depth + 1)
            if self._comments is not None:
                key = self._commented(key, event, following, last)
            if key == "<<" and isinstance(event, ScalarEvent) and event.implicit[0]:
                merges += self._merged(event, value)
            elif key not in fields:
                fields[key] = value
            elif self._strict:
                failure = self._failed(event, f"mapping key {key!r} is already defined")
                self._repeats.append(_Repeat(fields, key, value, str(failure)))
        self._end = event
        for merge in merges:
            for key, value in merge.items():
                fields.setdefault(key, value)
        return fields

    def _commented(self, key: str, event: Event, following: Event, last: Event | None) -> str:
        """The key with what a comment says of its value, which was just read."""
        comments, end = self._comments, self._end
        if comments is None or end is None or not isinstance(following, CollectionStartEvent):
            return key
        schema = comments.schema(event, following, end, last)
        return key if schema is None else Key.of(key, is_bare=is_bare(key), schema=schema)

    def _key(self, event: Event, following: Event, depth: int, *, is_flowing: bool) -> str:
        """The key; following: the first event of its value."""
        if isinstance(event, AliasEvent):
            key = self._anchors.get(event.anchor or "")
            if isinstance(key, str):
                return key
        if not isinstance(event, ScalarEvent):
            problem = "a mapping key must be a scalar; the '{{' of a template needs quotes"
            raise self._failed(event, problem)
        if event.anchor is not None:
            self._anchors[event.anchor] = event.value
        is_bare = depth > 0 and event.implicit[0] and not is_text(event.value)
        null = self._null(following)
        return Key.of(event.value, is_bare=is_bare, null=null, is_flowing=is_flowing)

    def _null(self, event: Event) -> str:
        """How null is written in the value that begins so, or in what it stands for."""
        if isinstance(event, AliasEvent):
            return self._nulls.get(event.anchor or "", NULL)
        if not isinstance(event, ScalarEvent) or not event.implicit[0] or event.value not in NULLS:
            return NULL
        if event.anchor is not None:
            self._nulls[event.anchor] = event.value
        return event.value

    def _merged(self, event: Event, value: Any) -> list[dict[str, Any]]:
        values = value if isinstance(value, list) else [value]
        if all(isinstance(item, dict) for item in values):
            return values
        raise self._failed(event, "a map merge needs a map or a list of maps")


def _tagged(tag: str, text: str) -> Any:
    kind = tag.removeprefix(_TAG)
    if kind == "binary":
        return b64decode(text, validate=False).decode("utf-8", "replace")
    wanted = _TAGGED.get(kind)
    if wanted is None:
        return text
    value = resolve(text)
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind != "bool"):
        raise ValueError(f"cannot decode the text as a !!{kind}")
    return value


_TAGGED: Mapping[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "null": NoneType,
    "timestamp": SpelledText,
}


def _height(value: Any) -> int:
    """Levels of nesting inside of a value."""
    if isinstance(value, dict):
        return 1 + max(map(_height, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_height, value), default=0)
    return 0
