"""A value that knows, of each of its fields, where a manifest has it and who set it since.

The tree has the shape of the value and follows it through the steps of a build: a field keeps its
place and its edits when a list is put in another order or its object is renamed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from engine.objects.operations import is_same
from engine.render.kustomize.model.scalars import unspelled
from engine.render.kustomize.provenance_items import paired


class _Absent:
    """What stands for the value of a field that is not there."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Setter:
    """A step of a build.

    kind: kustomize's name of the transformer or generator, or our word for what it has no name for.
    entry: what asks for it, `patches[0]`.  place: `file:line` of that, "" if it is in no file.
    variables: names of those whose values are in what it sets.
    """

    kind: str
    entry: str
    place: str = ""
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """One step set one field.  old, new: ABSENT where it was not there, or is no more.

    place: `file:line` where the new value stands, as far as that is known, else the setter's.
    """

    by: Setter
    place: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Item:
    """The step of a path into a list: where the item is, and what it is."""

    index: int
    value: Any


Path: TypeAlias = tuple[str | Item, ...]
Author: TypeAlias = Callable[[Path, Any, Any], tuple[Setter, str]]
"""(who set the field at the path from the one value to the other, `file:line` of the value)."""


@dataclass(slots=True)
class Node:
    """A field.  value: of a scalar; below: of a map or a list; gone: what was there, by step.

    place: `file:line` of the manifest, "" if no manifest has it.  edits: the oldest first.
    """

    value: Any = None
    place: str = ""
    edits: list[Edit] = field(default_factory=list)
    below: "dict[str, Node] | list[Node] | None" = None
    gone: "dict[str, Node]" = field(default_factory=dict)

    @property
    def is_leaf(self) -> bool:
        """Whether it is a scalar, or an empty map or list."""
        return not self.below

    @property
    def set_at(self) -> str:
        """`file:line` that decides what the field is; of a container, what brought it."""
        if self.edits and (self.is_leaf or not self.place):
            return self.edits[-1].place
        if self.place or self.below is None:
            return self.place
        inner = self.below.values() if isinstance(self.below, dict) else self.below
        return next((place for node in inner if (place := node.set_at)), "")

    def plain(self) -> Any:
        """The value, built anew."""
        if isinstance(self.below, dict):
            return {key: node.plain() for key, node in self.below.items()}
        if isinstance(self.below, list):
            return [node.plain() for node in self.below]
        return self.value

    def steps(self) -> "Iterator[tuple[str, Node]]":
        """What is right below, keys sorted, with its step: the key, `[web]` or `[0]` of an item."""
        if isinstance(self.below, dict):
            yield from sorted(self.below.items())
        elif self.below:
            names = [_name_of(node) for node in self.below]
            is_named = None not in names and len(set(names)) == len(names)
            for index, node in enumerate(self.below):
                yield f"[{names[index] if is_named else index}]", node


def _name_of(node: Node) -> Any:
    name = node.below.get("name") if isinstance(node.below, dict) else None
    return name.value if name is not None and name.below is None else None


def fields_of(node: Node, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Every field that has none below it, with the steps that lead there."""
    if node.is_leaf:
        yield above, node
        return
    for step, inner in node.steps():
        yield from fields_of(inner, (*above, step))


def gone_of(node: Node, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Every field that was removed, with the steps that led there."""
    yield from (((*above, step), inner) for step, inner in node.gone.items())
    for step, inner in node.steps():
        yield from gone_of(inner, (*above, step))


def path_text(steps: tuple[str, ...]) -> str:
    """`.spec.containers[web].args[0]`."""
    return "".join(step if step.startswith("[") else f".{step}" for step in steps) or "."


def planted(value: Any, place_of: Callable[[tuple[str | int, ...]], str]) -> Node:
    """The tree of what a manifest says.  place_of: `file:line` of a path."""
    return _planted(value, place_of, ())


def _planted(value: Any, place_of: Callable[[Any], str], path: tuple[str | int, ...]) -> Node:
    node = Node(place=place_of(path))
    if isinstance(value, Mapping):
        node.below = {
            str(key): _planted(item, place_of, (*path, str(key))) for key, item in value.items()
        }
    elif isinstance(value, list):
        node.below = [_planted(item, place_of, (*path, i)) for i, item in enumerate(value)]
    else:
        node.value = unspelled(value)
    return node


def followed(node: Node | None, value: Any, author: Author, path: Path = ()) -> Node:
    """The tree of the value that a step has made of the node's, which is used up.

    node: None if there was none.
    """
    if node is None or _form(node) is not _form_of(value):
        return _replaced(node, value, author, path)
    if isinstance(node.below, dict):
        _follow_map(node, value, author, path)
    elif isinstance(node.below, list):
        _follow_list(node, value, author, path)
    elif not is_same(node.value, value):
        _edit(node, unspelled(value), author, path)
    return node


def _form(node: Node) -> type:
    return object if node.below is None else type(node.below)


def _form_of(value: Any) -> type:
    if isinstance(value, Mapping):
        return dict
    return list if isinstance(value, list) else object


def _edit(node: Node, value: Any, author: Author, path: Path, *, was_there: bool = True) -> None:
    """Note that the field holds something else, and let it."""
    old = node.plain() if was_there else ABSENT
    node.edits += _brought(node, old)
    by, place = author(path, old, value)
    node.edits.append(Edit(by, place or by.place, old, value))
    if not isinstance(value, dict | list):
        node.value = value


def _brought(node: Node, old: Any) -> list[Edit]:
    """Who brought a map or list of which only what is in it is known; nothing if that is told."""
    if node.is_leaf or node.place or node.edits:
        return []
    inner = next(iter(fields_of(node)))[1].edits[:1]
    return [Edit(each.by, each.place, ABSENT, old) for each in inner]


def _replaced(node: Node | None, value: Any, author: Author, path: Path) -> Node:
    """A field that is new, or new of its kind: all in it is set by the author."""
    made = Node() if node is None else Node(place=node.place, edits=list(node.edits))
    if isinstance(value, Mapping):
        made.below = {
            str(key): followed(None, item, author, (*path, str(key))) for key, item in value.items()
        }
    elif isinstance(value, list):
        made.below = [
            followed(None, item, author, (*path, Item(index, item)))
            for index, item in enumerate(value)
        ]
    if node is not None:
        old, plain = node.plain(), unspelled(value)
        by, place = author(path, old, plain)
        made.edits += [*_brought(node, old), Edit(by, place or by.place, old, plain)]
        made.value = None if made.below is not None else plain
    elif made.is_leaf:
        _edit(made, unspelled(value), author, path, was_there=False)
    return made


def _follow_map(node: Node, value: Mapping[str, Any], author: Author, path: Path) -> None:
    old: dict[str, Node] = node.below if isinstance(node.below, dict) else {}
    left = {key: inner for key, inner in old.items() if key not in value}
    if left and not value:
        _edit(node, {}, author, path)
    node.below = {
        str(key): _found(node, old.get(key), item, author, (*path, str(key)))
        for key, item in value.items()
    }
    for key, inner in left.items():
        node.gone[key] = _removed(inner, author, (*path, key))


def _found(above: Node, old: Node | None, value: Any, author: Author, path: Path) -> Node:
    """The field of a map; one that was gone has its story again."""
    made = followed(old, value, author, path)
    before = above.gone.pop(str(path[-1]), None) if old is None else None
    if before is not None:
        made.place, made.edits = before.place, [*before.edits, *made.edits]
    return made


def _removed(node: Node, author: Author, path: Path) -> Node:
    _edit(node, ABSENT, author, path)
    return node


def _follow_list(node: Node, value: list[Any], author: Author, path: Path) -> None:
    old: list[Node] = node.below if isinstance(node.below, list) else []
    if old and not value:
        _edit(node, [], author, path)
    plain = [inner.plain() for inner in old]
    pairs = paired(plain, value)
    left = set(range(len(old))) - {index for index in pairs if index is not None}
    labels = [step for step, _ in node.steps()]
    node.below = [
        followed(None if index is None else old[index], item, author, (*path, Item(position, item)))
        for position, (index, item) in enumerate(zip(pairs, value, strict=True))
    ]
    for index in sorted(left):
        item = Item(index, plain[index])
        node.gone[labels[index]] = _removed(old[index], author, (*path, item))
