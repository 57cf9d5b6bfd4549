"""Look up how the fields of a kind merge, and which kinds a Kubernetes API server is born with.

    kind_schema(group, version, kind) -> Schema | None     None: not a built-in kind
    schema_of(openapi_node) -> Schema                      the same view of a CRD's openAPIV3Schema
    definition(name) -> Schema                             by name, "io.k8s.api.core.v1.PodSpec"
    resource_of(group, kind, version="") -> BuiltIn | None plural, namespaced, verbs, ...
    built_in_groups() -> tuple[GroupVersion, ...]          all of discovery, in the server's order
    kubernetes_version() -> str                            "v1.36.3", whose table it is

    Schema: .name .type .format .default .list_type .list_map_keys .map_type .patch_strategy
    .patch_merge_key .preserve_unknown .embedded_resource .int_or_string .items .values
    .properties .property(name) .at(*path)

Values are as the server publishes them: a list without `list_type` is atomic to server-side apply,
unless its `patch_strategy` says merge (then its key is the `patch_merge_key`, or it is a set).
Source: tables/, which tests/controlplane/derive_schema.py writes from a real API server.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

KUBERNETES = "1.36"
"The minor release whose table is read; derive_schema.py says when it writes another."


class Subresource(msgspec.Struct, frozen=True):
    """A resource below an object: `status`, `scale`, `log`.  Group and version are the kind's."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


class BuiltIn(msgspec.Struct, frozen=True):
    """A resource that every API server has, as discovery describes it."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()


class GroupVersion(msgspec.Struct, frozen=True):
    """One version of a group; of a group's versions the server prefers the first."""

    group: str
    version: str
    resources: tuple[BuiltIn, ...]


class _Table(msgspec.Struct, frozen=True):
    kubernetes: str
    groups: tuple[GroupVersion, ...]
    kinds: dict[str, str]  # {"apps/v1/Deployment": definition name}
    definitions: dict[str, msgspec.Raw]  # {name: OpenAPI node}, decoded when first asked for


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """The structure of a value: of an object, a list, a map or a scalar.

    A property that refers to a definition has the attributes of both; its own win.
    """

    name: str
    "The definition's name; empty for what is written in place."
    _node: Mapping[str, Any] = field(repr=False)
    _children: dict[str, "Schema"] = field(default_factory=dict, repr=False)

    @property
    def type(self) -> str:
        """`object array string integer number boolean`; empty where any of several is allowed."""
        return str(self._node.get("type", ""))

    @property
    def format(self) -> str:
        """`int32 int64 double date-time byte int-or-string`, or empty."""
        return str(self._node.get("format", ""))

    @property
    def default(self) -> Any:
        """What the server takes for an absent value; None if it declares nothing."""
        return self._node.get("default")

    @property
    def list_type(self) -> str:
        """`atomic`, `set`, `map`, or empty where none is declared."""
        return str(self._node.get("x-kubernetes-list-type", ""))

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        """The fields that tell the items of a `map` list apart."""
        return tuple(self._node.get("x-kubernetes-list-map-keys", ()))

    @property
    def map_type(self) -> str:
        """`atomic`, `granular`, or empty, which means granular."""
        return str(self._node.get("x-kubernetes-map-type", ""))

    @property
    def patch_strategy(self) -> str:
        """`merge`, `retainKeys`, `merge,retainKeys`, or empty, which means replace for a list."""
        return str(self._node.get("x-kubernetes-patch-strategy", ""))

    @property
    def patch_merge_key(self) -> str:
        """The field that tells items apart in a strategic merge patch; empty for scalars."""
        return str(self._node.get("x-kubernetes-patch-merge-key", ""))

    @property
    def preserve_unknown(self) -> bool:
        """Whether undeclared fields are kept."""
        return bool(self._node.get("x-kubernetes-preserve-unknown-fields", False))

    @property
    def embedded_resource(self) -> bool:
        """Whether the value is a whole object with apiVersion, kind and metadata."""
        return bool(self._node.get("x-kubernetes-embedded-resource", False))

    @property
    def int_or_string(self) -> bool:
        """Whether an integer and a string are both allowed."""
        flag = self._node.get("x-kubernetes-int-or-string", False)
        return bool(flag) or self.format == "int-or-string"

    @property
    def items(self) -> "Schema | None":
        """What a list holds."""
        return self._child("items", self._node.get("items"))

    @property
    def values(self) -> "Schema | None":
        """What a map holds under any key that is not a declared property."""
        return self._child("additionalProperties", self._node.get("additionalProperties"))

    @property
    def properties(self) -> tuple[str, ...]:
        """The names of the declared properties."""
        return tuple(self._node.get("properties", ()))

    def property(self, name: str) -> "Schema | None":
        """The declared property, else what the map holds under any key, else None."""
        node = self._node.get("properties", {}).get(name)
        return self.values if node is None else self._child(f".{name}", node)

    def at(self, *path: str) -> "Schema | None":
        """The schema at a path of property names, through the items of lists on the way."""
        schema: Schema | None = self
        for name in path:
            while schema is not None and schema.type == "array":
                schema = schema.items
            if schema is None:
                return None
            schema = schema.property(name)
        return schema

    def _child(self, key: str, node: Any) -> "Schema | None":
        if not isinstance(node, Mapping):  # absent, or `additionalProperties: true`
            return None
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = schema_of(node)
        return child


def schema_of(node: Mapping[str, Any]) -> Schema:
    """The Schema of an OpenAPI v3 node; `$ref` names a definition of the table, without a path."""
    name = node.get("$ref")
    if name is None:
        return Schema("", node)
    if len(node) == 1:
        return definition(name)
    return Schema(name, {**_decoded(name), **node})


@cache
def definition(name: str) -> Schema:
    """The Schema of a definition.  Raises KeyError if the table has none of that name."""
    return Schema(name, _decoded(name))


def kind_schema(group: str, version: str, kind: str) -> Schema | None:
    """The Schema of a whole object of a built-in kind, or None."""
    name = _table().kinds.get(f"{group}/{version}/{kind}")
    return None if name is None else definition(name)


def resource_of(group: str, kind: str, version: str = "") -> BuiltIn | None:
    """The built-in resource of a kind, at the server's preferred version unless one is given."""
    return _resources().get((group, version, kind))


def built_in_groups() -> tuple[GroupVersion, ...]:
    """Every group and version that an API server serves from the start, in its order."""
    return _table().groups


def kubernetes_version() -> str:
    """The release of the API server that the table was derived from: `v1.36.3`."""
    return _table().kubernetes


# Made while this module is imported: msgspec 0.22 crashes if two threads first meet a type.
_TABLE = msgspec.json.Decoder(_Table)


@cache
def _table() -> _Table:
    file = files("engine.objects") / "tables" / f"kubernetes-{KUBERNETES}.json"
    return _TABLE.decode(file.read_bytes())


@cache
def _resources() -> Mapping[tuple[str, str, str], BuiltIn]:
    """{(group, version, kind): resource}, where an empty version is the preferred one."""
    found: dict[tuple[str, str, str], BuiltIn] = {}
    for served in _table().groups:
        for resource in served.resources:
            found[served.group, served.version, resource.kind] = resource
            found.setdefault((served.group, "", resource.kind), resource)
    return found


@cache
def _decoded(name: str) -> Mapping[str, Any]:
    node: dict[str, Any] = msgspec.json.decode(_table().definitions[name])
    return node
