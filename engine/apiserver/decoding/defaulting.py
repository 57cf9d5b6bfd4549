"""Values that a schema gives to absent fields.

Source: apiextensions-apiserver schema/defaulting.
"""

from collections.abc import Mapping
from typing import Any

from engine.apiserver.kinds.schemas import Node, Schemas


def defaulted(value: Any, node: Node, schemas: Schemas) -> Any:
    """`value` with the defaults of a CRD's schema; null where null is not allowed counts as absent.

    The input is not changed.
    """
    node = schemas.resolve(node)
    if isinstance(value, dict):
        return _mapping(value, node, schemas)
    if isinstance(value, list) and node.get("items"):
        return [defaulted(each, node["items"], schemas) for each in value]
    return value


def _mapping(value: Mapping[str, Any], node: Node, schemas: Schemas) -> dict[str, Any]:
    out = dict(value)
    properties: Mapping[str, Node] = node.get("properties") or {}
    for name, each in properties.items():
        given = out.get(name)
        if given is None and name in out and not each.get("nullable"):
            del out[name]
        if given is None and name not in out and "default" in each:
            given = out[name] = each["default"]
        if isinstance(given, (dict, list)):
            out[name] = defaulted(given, each, schemas)
    rest = node.get("additionalProperties")
    if isinstance(rest, dict):
        for name, given in value.items():
            if name in properties:
                continue
            if given is None and not rest.get("nullable"):
                del out[name]
            else:
                out[name] = defaulted(given, rest, schemas)
    return out
