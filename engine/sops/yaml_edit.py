"""A YAML text with some of its scalars, comments and `sops` parts replaced; the rest stays."""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.sops.json_text import compact
from engine.sops.metadata import SOPS
from engine.sops.tree import Branch, Comment, Items, Leaf, Node
from engine.sops.yaml_read import Document, Part
from engine.sops.yaml_scalars import double_quoted, written
from engine.sops.yaml_write import indented
from engine.sops.yaml_write import text as block_text

_REST_OF_LINE: Final = re.compile(r"[^\r\n]*\r?\n?")
_BEHIND: Final = re.compile(r"[ \t]+#")
_DASH_BEFORE: Final = re.compile(r"(-)[ \t]+\Z")
_COMMA_BEFORE: Final = re.compile(r",\s*\Z")
_COMMA_AFTER: Final = re.compile(r"\s*,\s*")
_NEARBY: Final = 4096
"""Characters in which the comma before a `sops` part is looked for."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A piece of a text and what takes its place."""

    start: int
    end: int
    text: str


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits made; they do not overlap."""
    out, at = [], 0
    for edit in sorted(edits, key=lambda each: each.start):
        out += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join((*out, text[at:]))


def of_values(text: str, nodes: Iterable[Leaf | Comment], *, is_plain: bool) -> Iterator[Edit]:
    """What writes the values and comments to their places; one from an alias has none.

    is_plain: they are decrypted, and a comment behind a value goes before it, as sops has it then.
    """
    leaves: list[Leaf] = []
    gone: set[int] = set()  # where comments stood that went elsewhere
    for node in nodes:
        if isinstance(node, Leaf):
            leaves.append(node)
            continue
        edits = _of_comment(text, node, is_moved=is_plain)
        if len(edits) > 1 and node.span:
            gone.add(node.span.start)
        yield from edits
    for leaf in leaves:
        yield from _of_leaf(text, leaf, gone)


def of_hollow(node: Node) -> Iterator[Edit]:
    """What keeps a sequence a sequence of which nothing but comments is left."""
    if isinstance(node, Branch):
        for _, inner in node.pairs():
            yield from of_hollow(inner)
    elif isinstance(node, Items):
        last = node.items[-1] if node.items else None
        if isinstance(last, Leaf) and last.span and not any(node.nodes()):
            yield Edit(last.span.end, last.span.end, "\n" + " " * last.span.indent + "[]")
        for inner in node.nodes():
            yield from of_hollow(inner)


def _of_leaf(text: str, leaf: Leaf, gone: Container[int]) -> list[Edit]:
    span = leaf.span
    if span is None:
        return []
    line = text.rfind("\n", 0, span.start) + 1
    if leaf.is_comment and (dash := _DASH_BEFORE.search(text[line : span.start])):
        return [Edit(line + dash.start(1), span.end, _comment(str(leaf.value), dash.start(1)))]
    new = written(leaf.value, span)
    behind = _BEHIND.match(text, span.end)
    if "\n" in new and behind and behind.end() - 1 not in gone:
        new = double_quoted(str(leaf.value))  # the comment behind it would get into a block
    return [Edit(span.start, span.end, new)]


def _of_comment(text: str, comment: Comment, *, is_moved: bool) -> list[Edit]:
    span = comment.span
    if span is None:
        return []
    line = text.rfind("\n", 0, comment.before + 1) + 1
    margin = text[line : comment.before]
    if not is_moved or comment.before < 0 or margin.strip(" "):
        column = span.start - text.rfind("\n", 0, span.start) - 1
        return [Edit(span.start, span.end, _comment(comment.text, column))]
    here = text.rfind("\n", 0, span.start) + 1
    start = here + len(text[here : span.start].rstrip(" \t"))
    above = margin + _comment(comment.text, len(margin)) + "\n"
    return [Edit(line, line, above), Edit(start, span.end, "")]


def _comment(text: str, column: int) -> str:
    """The comment with its mark; one of several lines stays a comment."""
    return "#" + text.replace("\n", "\n" + " " * column + "#")


def without(text: str, document: Document) -> list[Edit]:
    """What takes the `sops` part out of the document."""
    if not document.parts:
        return []
    edits = [_removed(text, part) for part in document.parts]
    if not any(document.branch.pairs()) and not document.parts[0].is_flow:
        edits[0] = Edit(edits[0].start, edits[0].end, "{}\n")
    return edits


def _removed(text: str, part: Part) -> Edit:
    if not part.is_flow:
        start = text.rfind("\n", 0, part.start) + 1
        return Edit(
            start if not text[start : part.start].strip() else part.start, _end(text, part), ""
        )
    if after := _COMMA_AFTER.match(text, part.end):
        return Edit(part.start, after.end(), "")
    nearby = max(0, part.start - _NEARBY)
    before = _COMMA_BEFORE.search(text[nearby : part.start])
    return Edit(nearby + before.start() if before else part.start, part.end, "")


def _end(text: str, part: Part) -> int:
    """Where the line ends on which the part does."""
    if text[part.end - 1] == "\n":  # of a block scalar
        return part.end
    rest = _REST_OF_LINE.match(text, part.end)
    return rest.end() if rest else part.end


def replaced(text: str, documents: Sequence[Document], sops: Branch) -> list[Edit]:
    """What writes another `sops` part to its place in every document that has one."""
    edits = []
    for document in documents:
        for part in document.parts:
            if part.is_flow:
                edits.append(Edit(part.start, part.end, f'"{SOPS}": {compact(sops)}'))
            else:
                body = block_text(sops, indented(part.column))
                edits.append(Edit(part.start, _end(text, part), f"{SOPS}:\n{body}"))
    return edits
