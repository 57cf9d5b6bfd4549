"""Whether a value conforms to its type, and what it owns: its field set.

Source: sigs.k8s.io/structured-merge-diff v6, typed/{validate,tofieldset,helpers}.go.
"""

from collections.abc import Iterator
from typing import Any

from engine.apiserver.typed.schema import (
    ASSOCIATIVE,
    ATOMIC,
    ListType,
    MapType,
    Schema,
    TypeMismatch,
    TypeRef,
    narrowed,
)
from engine.objects.field_path import field_element, key_element, path_text, value_element
from engine.objects.fields import LEAF, SELF, FieldSet, Node

_SCALARS: dict[str, tuple[type, ...]] = {
    "numeric": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "untyped": (int, float, str, bool),
}


def item_element(schema: Schema, of: ListType, item: Any) -> str:
    """The path element of a list's item.  Raises TypeMismatch where it can have none."""
    if of.relationship != ASSOCIATIVE:
        raise TypeMismatch("invalid indexing of non-associative list")
    if not of.keys:
        if isinstance(item, str | int | float):
            return value_element(item)
        shape = "an explicit null" if item is None else f"a {type(item).__name__}"
        raise TypeMismatch(f"associative list without keys has an element that's {shape}")
    if not isinstance(item, dict):
        shape = "a null element" if item is None else "non-map elements"
        raise TypeMismatch(f"associative list with keys may not have {shape}")
    pairs = []
    for name in of.keys:
        if name in item:
            pairs.append((name, item[name]))
        elif (default := _key_default(schema, of, name)) is not None:
            pairs.append((name, default))
    if not pairs:
        keys = " ".join(f'"{name}"' for name in of.keys)
        raise TypeMismatch(
            f"associative list with keys has an element that omits all key fields [{keys}] "
            "(and doesn't have default values for any key fields)"
        )
    return key_element(pairs)


def _key_default(schema: Schema, of: ListType, name: str) -> Any:
    element = schema.resolve(of.element)
    if element.map is None:
        raise TypeMismatch("associative list may not have non-map types")
    declared = element.map.fields.get(name)
    return None if declared is None else declared.default


def scalar_problem(scalar: str, value: Any) -> str | None:
    """Why a value is not of this scalar type; null always is."""
    allowed = _SCALARS.get(scalar)
    if value is None:
        return None
    if allowed is None:
        return f"unexpected scalar type in schema: {scalar}"
    if isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool)):
        return None
    wanted = {"numeric": "numeric (int or float)", "untyped": "any scalar"}.get(scalar, scalar)
    return f"expected {wanted}, got {value!r}"


def no_form(ref: TypeRef | None) -> TypeMismatch:
    """The error of a type that allows nothing."""
    name = f"named type: {ref.name}" if ref and ref.name else "inlined"
    return TypeMismatch(f"schema error: invalid atom: {name}")


def validate(schema: Schema, ref: TypeRef, value: Any, *, allow_duplicates: bool = False) -> None:
    """Return if the value conforms.

    allow_duplicates: sets and keyed lists may hold an item twice.
    Raises TypeMismatch with every problem and its path.
    """
    problems = list(_Validation(schema, allow_duplicates).problems((), ref, value))
    if problems:
        raise TypeMismatch(*problems)


class _Validation:
    def __init__(self, schema: Schema, allow_duplicates: bool) -> None:
        self._schema = schema
        self._allow_duplicates = allow_duplicates

    def problems(self, path: tuple[str, ...], ref: TypeRef | None, value: Any) -> Iterator[str]:
        try:
            atom = narrowed(self._schema.resolve(ref), value)
        except TypeMismatch as error:
            yield _at(path, str(error))
            return
        if atom.map:
            yield from self._in_map(path, atom.map, value)
        elif atom.scalar:
            if problem := scalar_problem(atom.scalar, value):
                yield _at(path, problem)
        elif atom.list:
            yield from self._in_list(path, atom.list, value)
        else:
            yield _at(path, str(no_form(ref)))

    def _in_map(self, path: tuple[str, ...], of: MapType, value: Any) -> Iterator[str]:
        if value is None:
            return
        if not isinstance(value, dict):
            yield _at(path, f"expected map, got {value!r}")
            return
        for name, child in value.items():
            ref = of.type_of(name)
            below = (*path, field_element(name))
            if ref is None:
                yield _at(below, "field not declared in schema")
                return
            yield from self.problems(below, ref, child)

    def _in_list(self, path: tuple[str, ...], of: ListType, value: Any) -> Iterator[str]:
        if value is None:
            return
        if not isinstance(value, list):
            yield _at(path, f"expected list, got {value!r}")
            return
        seen: set[str] = set()
        for i, child in enumerate(value):
            element = f"i:{i}"
            if of.relationship == ASSOCIATIVE:
                try:
                    element = item_element(self._schema, of, child)
                except TypeMismatch as error:
                    yield _at(path, f"element {i}: {error}")
                    return
                if element in seen and not self._allow_duplicates:
                    yield _at(path, f"duplicate entries for key {path_text((element,))}")
                seen.add(element)
            yield from self.problems((*path, element), of.element, child)


def _at(path: tuple[str, ...], problem: str) -> str:
    return f"{path_text(path)}: {problem}" if path else problem


def field_set(schema: Schema, ref: TypeRef, value: Any) -> FieldSet:
    """Everything that the value mentions: leaves, and the items and keys that hold them."""
    children, _ = _owned(schema, ref, value)
    return FieldSet(children)


def _owned(schema: Schema, ref: TypeRef | None, value: Any) -> tuple[Node, bool]:
    """What is owned below the value, and whether the value's own path is."""
    atom = narrowed(schema.resolve(ref), value)
    if atom.map:
        if atom.map.relationship == ATOMIC:
            return LEAF, True
        return (_owned_fields(schema, atom.map, value) if isinstance(value, dict) else LEAF), False
    if atom.scalar:
        return LEAF, True
    if atom.list:
        if atom.list.relationship == ATOMIC:
            return LEAF, True
        return (_owned_items(schema, atom.list, value) if isinstance(value, list) else LEAF), False
    raise no_form(ref)


def _owned_fields(schema: Schema, of: MapType, value: dict[str, Any]) -> Node:
    out: dict[str, Node] = {}
    for name, child in value.items():
        below, member = _owned(schema, of.type_of(name), child)
        if member or child is None or child == {} or name not in of.fields:
            out[field_element(name)] = {SELF: LEAF, **below} if below else LEAF
        elif below:
            out[field_element(name)] = below
    return out


def _owned_items(schema: Schema, of: ListType, value: list[Any]) -> Node:
    items: dict[str, list[Any]] = {}
    for child in value:
        items.setdefault(item_element(schema, of, child), []).append(child)
    out: dict[str, Node] = {}
    for element, children in items.items():
        # Of items that are there twice only the place is owned, not what is in them.
        below = _owned(schema, of.element, children[0])[0] if len(children) == 1 else LEAF
        out[element] = {SELF: LEAF, **below} if below else LEAF
    return out
