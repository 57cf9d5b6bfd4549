"""An encrypted file in memory: values in the order of the file, with its comments.

The MAC and the comment rules follow that order, so neither dicts nor sorted keys would do.
Source: getsops/sops `sops.go` (TreeBranch, ToBytes).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeAlias

MAX_DEPTH: Final = 100
"""Levels of nesting, as in manifests."""

MAX_NODES: Final = 200_000
"""Values, keys and comments of one file, its aliases written out."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A timestamp, in the RFC 3339 text that Go writes."""

    text: str


Value: TypeAlias = str | int | float | bool | bytes | Moment | None
"""What a leaf holds.  Bytes that are no UTF-8 stand in a str as lone surrogates (surrogateescape)
where SOPS calls them a string."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a scalar or a comment stands in a YAML text, and how one is written there."""

    start: int
    end: int
    indent: int = 0
    """Of the further lines of a block, in spaces."""
    parent: int = 0
    """Column of the container, 0 for the root: what an indentation hint counts from."""
    is_flow: bool = False


@dataclass(slots=True)
class Leaf:
    """A scalar."""

    value: Value
    line: int = 0
    """From 1; 0 = not known."""
    span: Span | None = None
    is_comment: bool = False
    """Whether it turned out to be a comment: sops encrypts those in a list as items of it."""


@dataclass(slots=True)
class Comment:
    """A comment, without its `#` and of one line."""

    text: str
    span: Span | None = None
    is_inline: bool = False
    """Whether it stands behind a value, on its line."""
    outer: tuple[str, ...] = ()
    """What it may have been bound to beside the place where it was found (`walk`'s `bound`)."""
    before: int = -1
    """Where in the text the key stands that it goes before, if it is inline; -1: nowhere."""


@dataclass(slots=True)
class Branch:
    """A mapping: pairs and the comments between them; a key may come twice."""

    items: "list[tuple[str, Node] | Comment]" = field(default_factory=list)

    def pairs(self) -> Iterator["tuple[str, Node]"]:
        """The items that are no comments."""
        return (item for item in self.items if not isinstance(item, Comment))


@dataclass(slots=True)
class Items:
    """A sequence: nodes and the comments between them."""

    items: "list[Node | Comment]" = field(default_factory=list)

    def nodes(self) -> Iterator["Node"]:
        """The items that are no comments."""
        for item in self.items:
            if not isinstance(item, Comment) and not (isinstance(item, Leaf) and item.is_comment):
                yield item


def is_comment(item: object) -> bool:
    """Whether the item of a mapping or a sequence is a comment, by now."""
    return isinstance(item, Comment) or (isinstance(item, Leaf) and item.is_comment)


Node: TypeAlias = Leaf | Branch | Items


def to_bytes(value: str | int | float | bool | bytes | Moment) -> bytes:
    """What the MAC is made of and what is encrypted.  Python's SOPS wrote the words True, False."""
    if isinstance(value, str):
        return value.encode(errors="surrogateescape")
    if isinstance(value, bytes):
        return value
    if isinstance(value, Moment):
        return value.text.encode()
    if isinstance(value, float):
        return plain_float(value).encode()
    return str(value).encode()


def plain_float(value: float) -> str:
    """The shortest digits without an exponent: Go's FormatFloat(value, 'f', -1, 64)."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def literal(value: int | bool | None) -> str:
    """Null, a bool or an integer as JSON and YAML write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
