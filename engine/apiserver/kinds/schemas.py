"""The schema of a resource's objects, built in or from a CRD, with references resolved."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from engine.apiserver.kinds.resources import Resource

Node: TypeAlias = Mapping[str, Any]
"""An OpenAPI v3 schema as decoded JSON; `$ref` is the bare name of a definition."""

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class Schemas:
    """Finds and resolves schemas; resolved nodes are kept, for they are asked for all the time."""

    def __init__(self, definitions: Mapping[str, Node]) -> None:
        """definitions: by OpenAPI name, as `$ref` names them."""
        self._definitions = definitions
        self._resolved: dict[int, tuple[Node, Node]] = {}  # by id; the first keeps that id alive

    def of(self, resource: Resource) -> Node | None:
        """The schema of a resource's objects; None where there is none."""
        if resource.custom:
            return resource.schema
        return self._definitions.get(resource.definition)

    def named(self, name: str) -> Node:
        """The definition of an OpenAPI name.  Raises KeyError if there is none."""
        return self._definitions[name]

    def resolve(self, node: Node) -> Node:
        """The node itself, or the definition that its `$ref` names with its own extras."""
        name = node.get("$ref")
        if name is None:
            return node
        if len(node) == 1:
            return self._definitions[name]
        known = self._resolved.get(id(node))
        if known is None:
            known = self._resolved[id(node)] = (node, {**self._definitions[name], **node})
        return known[1]


def dotted(path: str, name: str) -> str:
    """`spec.replicas` of `spec` and `replicas`."""
    return f"{path}.{name}" if path else name
