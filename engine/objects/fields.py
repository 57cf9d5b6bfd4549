"""Which fields of an object: sets of field paths, as managedFields' fieldsV1 writes them.

A path is a tuple of elements (engine.objects.field_path).  Owning a field does not mean owning
what is below it: both are members of their own.
Source: sigs.k8s.io/structured-merge-diff v6, fieldpath.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, TypeAlias

from engine.objects.field_path import Path, canonical, order, path_text

Node: TypeAlias = Mapping[str, "Node"]
"""{element: what is below}.  Nothing below: the element is a member; otherwise it is one only if
"." is among the keys.  Never changed once built, so subtrees are shared."""

LEAF: Node = {}
SELF = "."


class FieldSet:
    """An immutable set of field paths."""

    __slots__ = ("tree",)

    def __init__(self, tree: Node = LEAF) -> None:
        """tree: canonical, as `parse` makes it; the top level has no "."."""
        self.tree = tree

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """The set that a decoded fieldsV1 stands for.  Raises ValueError for what is none."""
        tree = _parse(fields)
        if SELF in tree:
            tree = {element: below for element, below in tree.items() if element != SELF}
        return cls(tree)

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Self:
        """The set of these paths (elements canonical); the empty path is nobody's."""
        tree: dict[str, Any] = {}
        for path in paths:
            node = tree
            for element in path:
                node = node.setdefault(element, {})
            if path:
                node[SELF] = LEAF
        return cls(_sealed(tree))

    def format(self) -> dict[str, Any]:
        """fieldsV1, its keys in the API server's order; `parse(s.format()) == s`."""
        return _format(self.tree)

    def paths(self) -> Iterator[Path]:
        """Every member, those of a level before what is below them, each in order."""
        return _paths((), self.tree)

    def has(self, path: Path) -> bool:
        """Whether the path itself is a member."""
        node = self._at(path)
        return bool(path) and node is not None and (not node or SELF in node)

    def below(self, element: str) -> "FieldSet":
        """The members below an element of the top level, that element cut off."""
        return FieldSet(below(self.tree, element))

    def leaves(self) -> "FieldSet":
        """The members below which there are none."""
        return FieldSet(_leaves(self.tree))

    def union(self, other: "FieldSet") -> "FieldSet":
        """What is in either."""
        if not self.tree or not other.tree:
            return self if self.tree else other
        return FieldSet(_union(self.tree, other.tree))

    def intersection(self, other: "FieldSet") -> "FieldSet":
        """What is in both."""
        if not self.tree or not other.tree:
            return EMPTY
        return FieldSet(_intersection(self.tree, other.tree) or LEAF)

    def difference(self, other: "FieldSet") -> "FieldSet":
        """What is here and not in `other`; `other`'s paths remove only themselves."""
        if not self.tree or not other.tree:
            return self
        return FieldSet(_difference(self.tree, other.tree) or LEAF)

    def without(self, other: "FieldSet") -> "FieldSet":
        """What is here and neither in `other` nor below a member of it."""
        if not self.tree or not other.tree:
            return self
        return FieldSet(_without(self.tree, other.tree) or LEAF)

    def _at(self, path: Path) -> Node | None:
        node: Node | None = self.tree
        for element in path:
            node = None if node is None else node.get(element)
        return node

    def __bool__(self) -> bool:
        return bool(self.tree)

    def __len__(self) -> int:
        return sum(1 for _ in self.paths())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSet) and self.tree == other.tree

    def __hash__(self) -> int:
        return hash(frozenset(self.tree))  # the top level tells sets apart well enough

    def __repr__(self) -> str:
        return f"FieldSet({' '.join(map(path_text, self.paths()))})"


EMPTY = FieldSet()


def below(node: Node, element: str) -> Node:
    """What is strictly below an element: its members without itself."""
    child = node.get(element, LEAF)
    return {e: n for e, n in child.items() if e != SELF} if SELF in child else child


def is_member(node: Node, element: str) -> bool:
    """Whether the element itself is a member."""
    child = node.get(element)
    return child is not None and (not child or SELF in child)


def _parse(fields: Mapping[str, Any]) -> Node:
    out: dict[str, Node] = {}
    for name, content in fields.items():
        element: str | None = name
        if name[:2] != "f:" and name != SELF:
            element = canonical(name)
        if element is None:
            continue
        child = LEAF
        if content:
            if not isinstance(content, dict):
                raise ValueError(f"fieldsV1 holds {content!r} at {name!r}, not an object")
            child = _parse(content)
            if len(child) == 1 and SELF in child:
                child = LEAF
        out[element] = _union(out[element], child) if element in out else child
    return out


def _sealed(node: Mapping[str, Any]) -> Node:
    return {
        element: LEAF if len(child) == 1 and SELF in child else _sealed(child)
        for element, child in node.items()
    }


def _format(node: Node) -> dict[str, Any]:
    out: dict[str, Any] = {SELF: {}} if SELF in node else {}
    for element in sorted((e for e in node if e != SELF), key=order):
        out[element] = _format(node[element])
    return out


def _paths(prefix: Path, node: Node) -> Iterator[Path]:
    elements = sorted((element for element in node if element != SELF), key=order)
    for element in elements:
        if is_member(node, element):
            yield (*prefix, element)
    for element in elements:
        if node[element]:
            yield from _paths((*prefix, element), node[element])


def _leaves(node: Node) -> Node:
    return {element: _leaves(child) for element, child in node.items() if element != SELF}


# In the functions below an empty node of a nested level reads {".": LEAF}: "." is an element like
# any other, and the laws of plain sets follow.  None is what no element is left of.


def _tidy(node: Node) -> Node | None:
    if len(node) == 1 and SELF in node:
        return LEAF
    return node or None


def _union(a: Node, b: Node) -> Node:
    if not a or not b:
        whole = a or b
        return whole if not whole or SELF in whole else {SELF: LEAF, **whole}
    out = dict(a)
    for element, child in b.items():
        mine = out.get(element)
        if mine is not child:
            out[element] = child if mine is None else _union(mine, child)
    return out


def _intersection(a: Node, b: Node) -> Node | None:
    if not a or not b:
        return LEAF if (not a or SELF in a) and (not b or SELF in b) else None
    out: dict[str, Node] = {}
    for element, child in a.items():
        other = b.get(element)
        common = None if other is None else _intersection(child, other)
        if common is not None:
            out[element] = common
    return _tidy(out)


def _difference(a: Node, b: Node) -> Node | None:
    if not a:
        return LEAF if b and SELF not in b else None
    out: dict[str, Node] = {}
    for element, child in a.items():
        if element == SELF:
            rest = LEAF if b and SELF not in b else None
        else:
            other = b.get(element)
            rest = child if other is None else _difference(child, other)
        if rest is not None:
            out[element] = rest
    return _tidy(out)


def _without(a: Node, b: Node) -> Node | None:
    out: dict[str, Node] = {}
    for element, child in a.items():
        other = b.get(element)
        if other is None or (other and SELF not in other and not child):
            out[element] = child
        elif other and SELF not in other:
            rest = _without(child, other)
            if rest is not None:
                out[element] = rest
    return _tidy(out)
