"""Fields that a schema does not know: found, and taken out.

Source: apiextensions-apiserver schema/pruning; wordings of strict decoding: apimachinery json.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.apiserver.kinds.schemas import OBJECT_META, Node, Schemas, dotted

_TYPE_META = ("apiVersion", "kind")


@dataclass(slots=True)
class _Pruning:
    schemas: Schemas
    nulls: bool  # False: null is the same as absent (built-in kinds)
    custom: bool
    unknown: list[str] = field(default_factory=list)

    def value(self, value: Any, node: Node, path: str) -> Any:
        node = self.schemas.resolve(node)
        if isinstance(value, dict):
            return self._mapping(value, node, path)
        if isinstance(value, list):
            items = node.get("items")
            if not items:
                return value
            return [self.value(each, items, f"{path}[{i}]") for i, each in enumerate(value)]
        return value

    def _mapping(self, value: Mapping[str, Any], node: Node, path: str) -> dict[str, Any]:
        properties: Mapping[str, Node] = node.get("properties") or {}
        rest = node.get("additionalProperties")
        embedded = bool(node.get("x-kubernetes-embedded-resource"))
        kept: dict[str, Any] = {}
        for name, each in value.items():
            below = dotted(path, name)
            if each is None and not self.nulls:
                continue
            if embedded and name == "metadata":
                kept[name] = self._metadata(each, below)
            elif embedded and name in _TYPE_META:
                kept[name] = each
            elif name in properties:
                kept[name] = self.value(each, properties[name], below)
            elif isinstance(rest, dict):
                kept[name] = self.value(each, rest, below)
            elif rest or self._open(node):
                kept[name] = each
            else:
                self.unknown.append(below)
        return kept

    def _metadata(self, value: Any, path: str) -> Any:
        """ObjectMeta has the same, built-in schema in every kind."""
        plain = _Pruning(self.schemas, nulls=False, custom=False, unknown=self.unknown)
        return plain.value(value, self.schemas.named(OBJECT_META), path)

    def _open(self, node: Node) -> bool:
        if node.get("x-kubernetes-preserve-unknown-fields"):
            return True
        if self.custom or "properties" in node:
            return False
        # A built-in definition without properties is free-form: FieldsV1, RawExtension, JSON.
        return node.get("type") in (None, "object") and "additionalProperties" not in node


def pruned(
    obj: Mapping[str, Any], schemas: Schemas, node: Node, *, custom: bool
) -> tuple[dict[str, Any], list[str]]:
    """The object with known fields only, and the paths of the others, in their order.

    custom: the schema is a CRD's, whose root is an embedded resource and where null is a value.
    """
    pruning = _Pruning(schemas, nulls=custom, custom=custom)
    root = {**node, "x-kubernetes-embedded-resource": True} if custom else node
    kept = pruning.value(obj, root, "")
    return kept, pruning.unknown
