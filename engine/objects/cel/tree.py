"""The syntax tree of an expression.  `at`: offset of the node in the text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the text."""

    value: Any
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or the name of a type."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`; is_optional: `operand.?field`; is_test: `has(operand.field)`."""

    operand: "Node"
    field: str
    at: int
    is_optional: bool = False
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[key]`; is_optional: `operand[?key]`."""

    operand: "Node"
    key: "Node"
    at: int
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator (`_+_`); is_member: `args[0].name(args[1:])`."""

    name: str
    args: "tuple[Node, ...]"
    at: int
    is_member: bool = False


@dataclass(frozen=True, slots=True)
class Logic:
    """Two or more terms with `||` (is_or) or `&&` between them."""

    terms: "tuple[Node, ...]"
    at: int
    is_or: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? yes : no`."""

    condition: "Node"
    yes: "Node"
    no: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, ?b]`: (item, is_optional)."""

    items: "tuple[tuple[Node, bool], ...]"
    at: int


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{a: b, ?c: d}`: (key, value, is_optional)."""

    entries: "tuple[tuple[Node, Node, bool], ...]"
    at: int


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`target.macro(variable, body...)`; condition: of a `map` with three arguments."""

    macro: str
    target: "Node"
    variable: str
    body: "Node"
    at: int
    condition: "Node | None" = None


Node: TypeAlias = (
    Literal | Name | Select | Index | Call | Logic | Choice | ListOf | MapOf | Comprehension
)


def children(node: Node) -> Iterator[Node]:
    """The nodes right below."""
    if isinstance(node, Call):
        yield from node.args
    elif isinstance(node, Logic):
        yield from node.terms
    elif isinstance(node, Select):
        yield node.operand
    elif isinstance(node, Index):
        yield from (node.operand, node.key)
    elif isinstance(node, Choice):
        yield from (node.condition, node.yes, node.no)
    elif isinstance(node, ListOf):
        yield from (item for item, _ in node.items)
    elif isinstance(node, MapOf):
        yield from (each for key, value, _ in node.entries for each in (key, value))
    elif isinstance(node, Comprehension):
        yield from filter(None, (node.target, node.condition, node.body))


def nodes(root: Node) -> Iterator[tuple[int, Node]]:
    """(depth, node) of all nodes; needs no stack, however deep the tree."""
    left = [(1, root)]
    while left:
        depth, node = left.pop()
        yield depth, node
        left.extend((depth + 1, child) for child in children(node))
