"""YAML files: the values of the events, each with its place in the text, and the comments between.

A file is decrypted and sealed by replacing those places, so everything else stays as it is.
Comments that libyaml drops stand in the gaps between its events.  Which container a comment
belongs to matters twice: it is encrypted for the path of the container, and some rules ask which
comments stand before a value.  Source: getsops/sops `stores/yaml/store.go`; go-yaml's placing of
comments is approached by indentation, and `Comment.outer` holds what an encrypted one may be
bound to beside that.
"""

import re
from dataclasses import dataclass, field
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

from engine.objects.yaml_error import explained
from engine.sops.error import SopsError
from engine.sops.metadata import SOPS
from engine.sops.tree import (
    MAX_DEPTH,
    MAX_NODES,
    Branch,
    Comment,
    Items,
    Leaf,
    Node,
    Span,
)
from engine.sops.yaml_scalars import typed
from engine.sops.yaml_write import indented

_Event: TypeAlias = Any  # PyYAML's stubs call every event and every mark optional

_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#([^\r\n]*)", re.MULTILINE)
_BLOCK_COMMENT: Final = re.compile(r"(?:[&!]\S*\s+)*[|>][-+0-9]*[ \t]+#([^\r\n]*)")
_ANCHOR: Final = re.compile(r"&\S+\s+")
_MARK: Final = "ENC["


@dataclass(frozen=True, slots=True)
class Part:
    """Where the `sops` key of a document and its value stand."""

    start: int
    """Of the key."""
    end: int
    """Of the value."""
    column: int
    is_flow: bool


@dataclass(slots=True)
class Document:
    """One document of a text."""

    branch: Branch = field(default_factory=Branch)
    parts: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class _Container:
    """A mapping or a sequence while it is read."""

    items: Any
    path: tuple[str, ...]
    column: int
    is_flow: bool
    is_sequence: bool = False
    key: int = -1
    """Where the last key stands."""

    def span(self, start: int, end: int) -> Span:
        """The place of a scalar in it."""
        indent = indented(self.column, in_sequence=self.is_sequence)
        return Span(start, end, indent, self.column, self.is_flow)


class Reading:
    """Folds the events of one text into documents."""

    def __init__(self, text: str) -> None:
        """Keep the text; nothing is read yet."""
        self._text = text
        self._end = 0  # where the last event ended
        self._content_end = 0  # where the last event that is any text ended
        self._loose: list[tuple[Comment, int]] = []  # comments that nothing has taken, columns
        self._anchors: dict[str, Node] = {}
        self._open: list[tuple[str, ...]] = []  # paths of the containers that are open
        self._count = 0
        self._parts: list[Part] = []

    def documents(self) -> list[Document]:
        """All of them.  Raises SopsError."""
        documents = []
        try:
            self._parser = CParser(self._text)
            self._next()
            while self._next().__class__ is DocumentStartEvent:
                documents.append(self._document())
        except yaml.YAMLError as error:
            line, problem = explained(error, self._text)
            raise SopsError(f"not YAML: {problem}", line=line) from error
        except UnicodeError as error:
            raise SopsError("not YAML: it has characters that no text has") from error
        return documents

    def _document(self) -> Document:
        self._anchors.clear()
        self._parts = []
        event = self._next()
        root = _Container([], (), 0, is_flow=False)
        if event.__class__ is MappingStartEvent:
            root = self._mapping(event, ())
        elif event.__class__ is not ScalarEvent or self._leaf(event, root).value is not None:
            self._refuse(event, "the document is no mapping, and sops encrypts nothing else")
        self._next()
        self._take(root)
        return Document(Branch(root.items), self._parts)

    def _next(self) -> _Event:
        """The next event; comments before it become loose."""
        event: _Event = self._parser.get_event()
        start, end = event.start_mark.index, event.end_mark.index
        if start > self._end and "#" in self._text[self._end : start]:
            for found in _COMMENT.finditer(self._text, self._end, start):
                self._note(found)
        is_block = event.__class__ is ScalarEvent and event.style in ("|", ">")
        if is_block and (behind := _BLOCK_COMMENT.match(self._text, start, end)):
            self._note(behind)
        self._end = max(self._end, end)
        if end > start:
            self._content_end = end
        return event

    def _note(self, found: "re.Match[str]") -> None:
        start, end = found.start(1) - 1, found.end()
        line = self._text.rfind("\n", 0, start) + 1
        before = self._text[line:start]
        outer = tuple(":".join(path) + ":" for path in reversed(self._open))
        comment = Comment(
            found[1],
            Span(start, end),
            is_inline=bool(before.strip()),
            outer=outer if found[1].startswith(_MARK) else (),
        )
        self._reckon()
        self._loose.append((comment, len(before)))

    def _take(self, container: _Container) -> None:
        """Give the container the loose comments; one behind a value goes before its item."""
        items = container.items
        for comment, _ in self._loose:
            if comment.is_inline and items:
                comment.before = -1 if container.is_flow else container.key
                items.insert(len(items) - (not isinstance(items[-1], Comment)), comment)
            else:
                items.append(comment)
        self._loose = []

    def _take_behind_key(self, container: _Container, *, is_simple: bool) -> None:
        """Give the container what stands between a key and its value, which comes then.

        is_simple: the value is no container, which would take what does not stand behind the key.
        """
        kept = []
        for comment, column in self._loose:
            if is_simple or comment.is_inline:
                container.items.append(comment)
            else:
                kept.append((comment, column))
        self._loose = kept

    def _close(self, container: _Container) -> None:
        """Give the container what stands at its end: loose comments indented as its items are."""
        taken = 0
        for comment, column in self._loose:
            if not (comment.is_inline or container.is_flow or column >= container.column):
                break
            taken += 1
        rest, self._loose = self._loose[taken:], self._loose[:taken]
        self._take(container)
        self._loose = rest
        self._open.pop()

    def _node(self, event: _Event, path: tuple[str, ...], container: _Container) -> Node:
        if event.__class__ is ScalarEvent:
            return self._leaf(event, container)
        if event.__class__ is AliasEvent:
            return self._copy(event)
        self._anchors.pop(event.anchor, None)  # not known within itself
        if event.__class__ is MappingStartEvent:
            node: Node = Branch(self._mapping(event, path).items)
        else:
            node = Items(self._sequence(event, path).items)
        self._remember(event, node)
        return node

    def _mapping(self, event: _Event, path: tuple[str, ...]) -> _Container:
        self._enter(event, path)
        container = _Container([], path, event.start_mark.column, bool(event.flow_style))
        following = self._next()
        if event.anchor or event.tag:  # it starts with these, anywhere before its first key
            column = following.start_mark.column
            container = _Container(container.items, path, column, container.is_flow)
        while following.__class__ is not MappingEndEvent:
            self._take(container)
            key, start = self._key(following), following.start_mark
            value = self._next()
            is_simple = value.__class__ in (ScalarEvent, AliasEvent)
            self._take_behind_key(container, is_simple=is_simple)
            container.key = start.index
            container.items.append((key, self._node(value, (*path, key), container)))
            if not path and key == SOPS:
                end = self._content_end
                self._parts.append(Part(start.index, end, start.column, container.is_flow))
            following = self._next()
        self._close(container)
        return container

    def _sequence(self, event: _Event, path: tuple[str, ...]) -> _Container:
        self._enter(event, path)
        is_flow = bool(event.flow_style)
        container = _Container([], path, event.start_mark.column, is_flow, is_sequence=True)
        while (following := self._next()).__class__ is not SequenceEndEvent:
            self._take(container)
            container.items.append(self._node(following, path, container))
        self._close(container)
        return container

    def _enter(self, event: _Event, path: tuple[str, ...]) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._refuse(event, f"nested more than {MAX_DEPTH} levels deep")
        self._reckon()
        self._open.append(path)

    def _key(self, event: _Event) -> str:
        if event.__class__ is ScalarEvent:
            value = self._leaf(event, None).value
        elif event.__class__ is AliasEvent:
            node = self._copy(event)
            value = node.value if isinstance(node, Leaf) else None
        else:
            value = None
        if not isinstance(value, str):
            self._refuse(event, "a key is no text, and sops knows no other keys: put it in quotes")
        return value

    def _leaf(self, event: _Event, container: _Container | None) -> Leaf:
        self._reckon()
        start, end = event.start_mark.index, event.end_mark.index
        try:
            value = typed(event.value, event.tag, event.implicit[0])
        except SopsError as error:
            self._refuse(event, error.problem)
        if event.anchor and (found := _ANCHOR.match(self._text, start, end)):
            start = found.end()
        end = start + len(self._text[start:end].rstrip())  # a block's includes the lines after it
        span = container.span(start, end) if container else None
        leaf = Leaf(value, event.start_mark.line + 1, span)
        self._remember(event, leaf)
        return leaf

    def _remember(self, event: _Event, node: Node) -> None:
        if event.anchor:
            self._anchors[event.anchor] = node

    def _copy(self, event: _Event) -> Node:
        """What an alias stands for, written out: it has no place in the text."""
        node = self._anchors.get(event.anchor)
        if node is None:
            self._refuse(event, "an alias names no anchor that is complete before it")
        return self._copied(node, event, len(self._open))

    def _copied(self, node: Node, event: _Event, depth: int) -> Node:
        self._reckon()
        if depth > MAX_DEPTH:
            self._refuse(event, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(node, Leaf):
            return Leaf(node.value, node.line)
        if isinstance(node, Branch):
            return Branch([(k, self._copied(v, event, depth + 1)) for k, v in node.pairs()])
        return Items([self._copied(inner, event, depth + 1) for inner in node.nodes()])

    def _reckon(self) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            raise SopsError(f"more than {MAX_NODES:,} values, aliases written out")

    def _refuse(self, event: _Event, problem: str) -> NoReturn:
        raise SopsError(problem, line=event.start_mark.line + 1)
