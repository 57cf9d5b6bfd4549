"""A kind's type, and all that structured merge can do with values of it.

    typ = Type(schema, TypeRef("v1"))
    typ.validate(obj); typ.merge(live, config); typ.compare(old, new).added

Values are decoded JSON and are never changed; results share unchanged parts with their inputs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.apiserver.typed import compare, merge, remove, validate
from engine.apiserver.typed.compare import Comparison
from engine.apiserver.typed.schema import (
    ATOMIC,
    BUILTIN,
    UNTYPED_DEDUCED,
    Atom,
    MapType,
    Schema,
    TypeMismatch,
    TypeRef,
)
from engine.objects.field_path import Path
from engine.objects.fields import LEAF, SELF, FieldSet, Node


@dataclass(frozen=True, slots=True)
class Type:
    """One type of a schema.  Every operation may raise TypeMismatch.

    blank: what even an empty object of this type has, without apiVersion and kind.
    """

    schema: Schema
    ref: TypeRef
    blank: Mapping[str, Any] = field(default_factory=dict)

    def validate(self, value: Any, *, allow_duplicates: bool = False) -> None:
        """Return if the value conforms; the error lists every problem with its path."""
        validate.validate(self.schema, self.ref, value, allow_duplicates=allow_duplicates)

    def field_set(self, value: Any) -> FieldSet:
        """What an applier of this value owns."""
        return validate.field_set(self.schema, self.ref, value)

    def merge(self, live: Any, config: Any) -> Any:
        """`live` with everything that `config` says."""
        return merge.merge(self.schema, self.ref, live, config)

    def compare(self, old: Any, new: Any) -> Comparison:
        """What changed from `old` to `new`."""
        return compare.compare(self.schema, self.ref, old, new)

    def remove(self, value: Any, fields: FieldSet, *, emptied: bool = True) -> Any:
        """The value without these fields and items; emptied: what they emptied stays, not null."""
        return remove.remove(self.schema, self.ref, value, fields, emptied=emptied)

    def extract(self, value: Any, fields: FieldSet, *, with_keys: bool = False) -> Any:
        """The value with only these leaves (with_keys: and their items' keys)."""
        return remove.extract(self.schema, self.ref, value, fields, with_keys=with_keys)

    def named_members(self, fields: FieldSet) -> FieldSet:
        """The set and every declared field that leads to a member."""
        return FieldSet(_named(self.schema, self.ref, fields.tree))

    def reconciled(self, fields: FieldSet) -> FieldSet:
        """The set after a change of schema: what became atomic is owned as a whole."""
        atomic = FieldSet.of(_now_atomic(self.schema, (), self.ref, fields.tree))
        return fields.without(atomic).union(atomic)


DEDUCED = Type(Schema(BUILTIN), TypeRef(UNTYPED_DEDUCED))
"""The type of objects without schema: maps granular, lists atomic."""


def _named(schema: Schema, ref: TypeRef | None, node: Node) -> Node:
    try:
        atom = schema.resolve(ref)
    except TypeMismatch:
        atom = Atom()
    out: dict[str, Node] = {}
    for element, child in node.items():
        if not child:
            out[element] = child
            continue
        inner = _named(schema, _type_at(atom, element), child)
        declared = atom.map and element[:2] == "f:" and element[2:] in atom.map.fields
        out[element] = {SELF: LEAF, **inner} if declared else inner
    return out


def _type_at(atom: Atom, element: str) -> TypeRef | None:
    if atom.map and element[:2] == "f:":
        return atom.map.type_of(element[2:])
    return atom.list.element if atom.list and element[:2] == "k:" else None


def _now_atomic(schema: Schema, path: Path, ref: TypeRef, node: Node) -> Iterator[Path]:
    """The paths at and below which the type is atomic but the set is not."""
    atom = schema.resolve(ref)
    whole = bool(path) and not node  # a member with nothing below it
    if atom.map:
        if _is_deduced(atom.map):
            return
        if atom.map.relationship == ATOMIC and not whole:
            yield path
            return
        below = [(element, _type_below(atom.map, element)) for element in node]
    elif atom.scalar:
        return
    elif atom.list:
        if atom.list.relationship == ATOMIC and not whole:
            yield path
            return
        below = [(element, atom.list.element) for element in node]
    else:
        raise validate.no_form(ref)
    for element, child in below:
        if element != SELF and child is not None:
            yield from _now_atomic(schema, (*path, element), child, node[element])


def _type_below(of: MapType, element: str) -> TypeRef | None:
    return of.type_of(element[2:]) if element[:2] == "f:" else of.element


def _is_deduced(of: MapType) -> bool:
    """Whether nothing is declared: such a map says nothing of how it is to be owned."""
    element = of.element
    if of.fields or element is None:
        return False
    inlined = element.inlined
    return element.name == UNTYPED_DEDUCED or (inlined is not None and inlined.scalar == "untyped")
