"""Types as merging sees them: built-in ones, and those of OpenAPI documents, which refer to both.

Source: kyaml openapi/openapi.go (ResourceSchema, AddDefinitions).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.objects.schema import Schema, definition, kind_schema

_YOUNGER = {"schedulingGates", "resourceClaims"}
"""Fields with merge keys that Kubernetes 1.21 did not have."""


class Shape(Protocol):
    """As much of a type as merging needs; `engine.objects.schema.Schema` is one."""

    @property
    def patch_strategy(self) -> str:
        """`merge`, `retainKeys`, `merge,retainKeys` or empty."""
        ...

    @property
    def patch_merge_key(self) -> str:
        """The field that tells a list's elements apart, empty for scalars."""
        ...

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        """The fields that tell them apart where it takes several."""
        ...

    @property
    def items(self) -> "Shape | None":
        """What a list holds."""
        ...

    def property(self, name: str) -> "Shape | None":
        """What a map holds there."""
        ...


@dataclass(frozen=True, slots=True)
class Types:
    """Definitions by name; of one name, the document's counts and not the built-in one."""

    definitions: Mapping[str, Any]
    keeps_built_in: bool

    def of_kind(self, group: str, version: str, kind: str) -> "_Narrowed | None":
        """A built-in kind."""
        schema = kind_schema(group, version, kind) if self.keeps_built_in else None
        return _Narrowed.of(schema, self)

    def described(self, node: Mapping[str, Any]) -> "Shape | None":
        """The type of a node, which stands for itself if what it refers to is not known."""
        return self.resolved(node) or _Node(node, self)

    def resolved(self, node: Any) -> "Shape | None":
        """The type of a node, or of what it refers to in the end; None if that is not known."""
        for _ in range(len(self.definitions) + 1):
            if not isinstance(node, dict) or "$ref" not in node:
                return _Node(node, self) if isinstance(node, dict) else None
            name = str(node["$ref"]).removeprefix("#/definitions/")
            if name not in self.definitions:
                return self._built_in(name)
            node = self.definitions[name]
        return None  # it refers to itself

    def _built_in(self, name: str) -> "_Narrowed | None":
        return _Narrowed.of(_definition(name), self) if self.keeps_built_in else None


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """A built-in schema without the fields that are too young; types: what it refers to."""

    schema: Schema
    types: Types

    @classmethod
    def of(cls, schema: Schema | None, types: Types) -> "_Narrowed | None":
        return None if schema is None else cls(schema, types)

    @property
    def patch_strategy(self) -> str:
        return self.schema.patch_strategy

    @property
    def patch_merge_key(self) -> str:
        return self.schema.patch_merge_key

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        return self.schema.list_map_keys

    @property
    def items(self) -> "Shape | None":
        return self._inside(self.schema.items)

    def property(self, name: str) -> "Shape | None":
        return None if name in _YOUNGER else self._inside(self.schema.property(name))

    def _inside(self, schema: Schema | None) -> "Shape | None":
        if schema is not None and schema.name in self.types.definitions:
            return self.types.resolved(self.types.definitions[schema.name])
        return self.of(schema, self.types)


@dataclass(frozen=True, slots=True)
class _Node:
    """A node of an OpenAPI v2 document."""

    node: Mapping[str, Any]
    types: Types = field(repr=False)

    @property
    def patch_strategy(self) -> str:
        return str(self.node.get("x-kubernetes-patch-strategy", ""))

    @property
    def patch_merge_key(self) -> str:
        return str(self.node.get("x-kubernetes-patch-merge-key", ""))

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        keys: Any = self.node.get("x-kubernetes-list-map-keys")
        is_sound = isinstance(keys, list) and all(isinstance(each, str) for each in keys)
        return tuple(keys) if is_sound else ()

    @property
    def items(self) -> "Shape | None":
        is_list = self.node.get("type") == "array"
        return self.types.resolved(self.node.get("items")) if is_list else None

    def property(self, name: str) -> "Shape | None":
        known = fields_of(self.node.get("properties"))
        return self.types.resolved(known.get(name, self.node.get("additionalProperties")))


def _definition(name: str) -> Schema | None:
    try:
        return definition(name)
    except KeyError:
        return None


def fields_of(value: Any) -> Mapping[str, Any]:
    """The value if it is a map, else an empty one."""
    return value if isinstance(value, dict) else {}
