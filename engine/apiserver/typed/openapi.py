"""The type of a kind, from its OpenAPI schema: a built-in's components or a CRD's own schema.

Source: kube-openapi, pkg/schemaconv.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.apiserver.typed.schema import (
    ASSOCIATIVE,
    ATOMIC,
    BUILTIN,
    UNTYPED_ATOMIC,
    UNTYPED_DEDUCED,
    Atom,
    Field,
    ListType,
    MapType,
    Schema,
    TypeMismatch,
    TypeRef,
)
from engine.apiserver.typed.type import Type

_STRING = TypeRef(inlined=Atom("string"))
_TIME = TypeRef(inlined=Atom("untyped"))
_DEDUCED = TypeRef(UNTYPED_DEDUCED)
_STRINGS = TypeRef(inlined=Atom(map=MapType({}, _STRING)))
_OWNERS = {
    **dict.fromkeys(("apiVersion", "kind", "name", "uid"), Field(_STRING)),
    **dict.fromkeys(("controller", "blockOwnerDeletion"), Field(TypeRef(inlined=Atom("boolean")))),
}
_METADATA = {
    **dict.fromkeys(("name", "generateName", "namespace", "selfLink", "uid"), Field(_STRING)),
    "resourceVersion": Field(_STRING),
    **dict.fromkeys(
        ("generation", "deletionGracePeriodSeconds"), Field(TypeRef(inlined=Atom("numeric")))
    ),
    **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), Field(_TIME)),
    **dict.fromkeys(("labels", "annotations"), Field(_STRINGS)),
    "finalizers": Field(TypeRef(inlined=Atom(list=ListType(_STRING, ASSOCIATIVE)))),
    "managedFields": Field(TypeRef(inlined=Atom(list=ListType(_DEDUCED, ATOMIC)))),
    "ownerReferences": Field(
        TypeRef(
            inlined=Atom(
                list=ListType(
                    TypeRef(inlined=Atom(map=MapType(_OWNERS, None, ATOMIC))), ASSOCIATIVE, ("uid",)
                )
            )
        )
    ),
}
_UNTYPED = BUILTIN[UNTYPED_ATOMIC]
# Their schemas say string or object, their values may be anything of the kind.
_KNOWN: Mapping[str, Atom] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": Atom("untyped"),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _UNTYPED,
}
_SCALARS = {"integer": "numeric", "number": "numeric", "boolean": "boolean"}


def from_openapi(
    schema: Mapping[str, Any], resolve_ref: Callable[[str], Mapping[str, Any]]
) -> Type:
    """The type of the objects that `schema` describes.

    schema: an object's schema of OpenAPI v2 or v3, or a structural schema of a CRD; where
    metadata is no reference it is taken to be ObjectMeta, as the API server does for CRDs.
    resolve_ref: the schema that a `$ref` text stands for, KeyError if unknown; asked once a
    reference and only when a value needs it.
    Raises TypeMismatch for a schema that makes no sense.
    """
    refs: dict[str, str] = {}  # {type's name: $ref}

    def load(name: str) -> Atom:
        return _Reader(refs).atom(resolve_ref(refs[name]))

    # The constant ObjectMeta serves only structural schemas: its name must not hide a component.
    types = {**BUILTIN, **_KNOWN, "ObjectMeta of a CRD": Atom(map=MapType(_METADATA))}
    root = _Reader(refs).object(schema)
    return Type(Schema(types, load), TypeRef(inlined=root))


@dataclass(frozen=True, slots=True)
class _Reader:
    refs: dict[str, str]
    preserve: bool = False  #: unknown fields are kept, and so in all that is written in place below

    def object(self, schema: Mapping[str, Any]) -> Atom:
        """A whole object's type: it has apiVersion, kind and metadata whatever is declared."""
        atom = self.atom({"type": "object", **schema})
        if atom.map is None:
            raise TypeMismatch(f"an object's schema has the type {schema.get('type')!r}")
        metadata = (schema.get("properties") or {}).get("metadata") or {}
        fields = {"apiVersion": Field(_STRING), "kind": Field(_STRING), **atom.map.fields}
        if _ref_text(metadata) is None:
            fields["metadata"] = Field(TypeRef("ObjectMeta of a CRD"))
        return replace(atom, map=replace(atom.map, fields=fields))

    def atom(self, schema: Mapping[str, Any]) -> Atom:
        """The type that a schema describes in place."""
        reader = self
        if schema.get("x-kubernetes-preserve-unknown-fields") is True and not self.preserve:
            reader = replace(self, preserve=True)
        kind = schema.get("type") or ""
        kind = kind if isinstance(kind, str) else kind[0]
        if kind == "object":
            return Atom(map=reader.map_type(schema))
        if kind == "array":
            return Atom(list=reader.list_type(schema))
        if kind == "":
            return Atom("untyped", reader.list_type(schema), reader.map_type(schema))
        if kind == "string" and schema.get("format", "") in {"", "byte"}:
            return Atom("string")
        return Atom(_SCALARS.get(kind, "untyped"))

    def ref(self, schema: Mapping[str, Any]) -> TypeRef:
        """A reference to the schema, by name if it is one itself."""
        text = _ref_text(schema)
        if text is None:
            embedded = schema.get("x-kubernetes-embedded-resource") is True
            return TypeRef(inlined=self.object(schema) if embedded else self.atom(schema))
        name = text.rpartition("/")[2]
        self.refs[name] = text
        return TypeRef(name, relationship=_map_relationship(schema) or None)

    def map_type(self, schema: Mapping[str, Any]) -> MapType:
        """Its declared fields and what else there may be."""
        properties = schema.get("properties") or {}
        fields = {
            name: Field(self.ref(each), each.get("default")) for name, each in properties.items()
        }
        return MapType(fields, self._others(schema), _map_relationship(schema))

    def _others(self, schema: Mapping[str, Any]) -> TypeRef | None:
        """The type of fields that are not declared."""
        others = schema.get("additionalProperties")
        if others is None:
            return _DEDUCED if self.preserve or not schema.get("properties") else None
        if isinstance(others, Mapping):
            return self.ref(others)
        return _DEDUCED if others else None

    def list_type(self, schema: Mapping[str, Any]) -> ListType:
        """Its items and how they are told apart."""
        items = schema.get("items")
        element = TypeRef(UNTYPED_ATOMIC) if items is None else self.ref(items)
        return ListType(element, *_list_relationship(schema))


def _ref_text(schema: Mapping[str, Any]) -> str | None:
    """The `$ref`, also from inside an allOf of one (the way of v3 to add a default to one)."""
    several: Sequence[Mapping[str, Any]] = schema.get("allOf") or ()
    text = schema.get("$ref") or (several[0].get("$ref") if len(several) == 1 else None)
    return None if text is None else str(text)


def _map_relationship(schema: Mapping[str, Any]) -> str:
    given = schema.get("x-kubernetes-map-type")
    known = {None: "", "atomic": ATOMIC, "granular": "separable"}
    if given not in known:
        raise TypeMismatch(f"unknown map type {given!r}")
    return known[given]


def _list_relationship(schema: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Relationship and keys; atomic unless something else is said."""
    given = schema.get("x-kubernetes-list-type")
    if given == "map":
        return ASSOCIATIVE, tuple(schema.get("x-kubernetes-list-map-keys") or ())
    if given is not None:
        if given not in {"set", "atomic"}:
            raise TypeMismatch(f"unknown list type {given!r}")
        return (ASSOCIATIVE if given == "set" else ATOMIC), ()
    # Before list types, patch strategies said the same.
    if str(schema.get("x-kubernetes-patch-strategy") or "").partition(",")[0] == "merge":
        key = schema.get("x-kubernetes-patch-merge-key")
        return ASSOCIATIVE, (key,) if key else ()
    return ATOMIC, ()
