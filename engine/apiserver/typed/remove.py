"""Cut a value down by a field set: remove its members, or keep nothing else.

Source: sigs.k8s.io/structured-merge-diff v6, typed/remove.go.
"""

from typing import Any

from engine.apiserver.typed.schema import (
    ATOMIC,
    ListType,
    MapType,
    Schema,
    TypeMismatch,
    TypeRef,
    narrowed,
)
from engine.apiserver.typed.validate import field_set, item_element
from engine.objects.field_path import field_element, key_names
from engine.objects.fields import FieldSet, Node, below, is_member


def remove(
    schema: Schema, ref: TypeRef, value: Any, fields: FieldSet, *, emptied: bool = True
) -> Any:
    """The value without these fields and items.

    emptied: a container that loses all its content to a removal below it stays, empty (v6.4.0);
    otherwise it becomes null (v6.3.3, which Kubernetes 1.36 has).
    """
    return _Cut(schema, keep=False, emptied=emptied).visit(ref, value, fields.tree)


def extract(
    schema: Schema, ref: TypeRef, value: Any, fields: FieldSet, *, with_keys: bool = False
) -> Any:
    """The value with only these fields and items; with_keys: and the keys of items passed through.

    Give leaves: a member that is a container brings its siblings' namesakes, as upstream.
    """
    if with_keys:
        fields = fields.union(_key_fields(field_set(schema, ref, value), fields))
    return _Cut(schema, keep=True, emptied=False).visit(ref, value, fields.tree)


def _key_fields(present: FieldSet, fields: FieldSet) -> FieldSet:
    return FieldSet.of(
        (*path[: i + 1], field_element(name))
        for path in fields.paths()
        if present.has(path)
        for i, element in enumerate(path)
        for name in key_names(element)
    )


class _Cut:
    def __init__(self, schema: Schema, *, keep: bool, emptied: bool) -> None:
        self._schema = schema
        self._keep = keep
        self._emptied = emptied

    def visit(self, ref: TypeRef | None, value: Any, fields: Node) -> Any:
        try:
            atom = narrowed(self._schema.resolve(ref), value)
        except TypeMismatch:
            return None
        of = atom.map or (None if atom.scalar else atom.list)
        if of is None:
            return value if atom.scalar else None
        if not isinstance(value, dict if atom.map else list):
            return None
        if not value or of.relationship == ATOMIC:
            return value if self._keep else None
        if isinstance(of, MapType):
            return self._in_map(of, value, fields) or None
        return self._in_list(of, value, fields) or None

    def _in_map(self, of: MapType, value: Any, fields: Node) -> dict[str, Any]:
        out = {}
        for name, child in value.items():
            element = field_element(name)
            if is_member(fields, element):
                if self._keep:
                    out[name] = self.visit(of.type_of(name), child, fields)
            elif element in fields:
                out[name] = self._inside(of.type_of(name), child, below(fields, element))
            elif not self._keep:
                out[name] = child
        return out

    def _in_list(self, of: ListType, value: Any, fields: Node) -> list[Any]:
        out = []
        for item in value:
            element = item_element(self._schema, of, item)
            rest = below(fields, element)
            if element not in fields:
                if not self._keep:
                    out.append(item)
            elif self._keep or not is_member(fields, element):
                out.append(self._inside(of.element, item, rest) if rest else item)
        return out

    def _inside(self, ref: TypeRef | None, value: Any, fields: Node) -> Any:
        left = self.visit(ref, value, fields)
        if left is None and self._emptied and isinstance(value, dict | list):
            return type(value)()
        return left
