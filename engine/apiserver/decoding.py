"""A request's body as an object of the resource: right kind, known fields, defaults.

Source: apiserver endpoints/handlers (create, update), strict decoding errors of apimachinery.
"""

from collections.abc import Mapping
from typing import Any

from engine.apiserver.checking import type_name
from engine.apiserver.defaulting import defaulted
from engine.apiserver.errors import Refused, bad_request
from engine.apiserver.pruning import pruned
from engine.apiserver.resources import Resource
from engine.apiserver.schemas import Node, Schemas, dotted
from engine.apiserver.tidying import tidied


def decoded(
    raw: Any, resource: Resource, schemas: Schemas, validation: str
) -> tuple[dict[str, Any], list[str]]:
    """The object with known fields and a CRD's defaults, and warnings about the rest.

    validation: Ignore, Warn or Strict.  Raises Refused (400) for another kind, for wrong types of
    a built-in kind, and if Strict for unknown fields.
    """
    if not isinstance(raw, Mapping):
        raise bad_request(f"couldn't get version/kind; json parse error: {type_name(raw)} given")
    obj = _of_kind(raw, resource)
    node = schemas.of(resource)
    if node is None:
        return obj, []
    obj, unknown = pruned(obj, schemas, node, custom=resource.custom)
    if unknown and validation == "Strict":
        texts = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise _not_handled(resource, f"strict decoding error: {texts}")
    if not isinstance(obj.get("metadata") or {}, Mapping):
        raise _not_handled(resource, "metadata is not an object")
    obj["metadata"] = dict(obj.get("metadata") or {})
    if resource.custom:
        obj = defaulted(obj, node, schemas)
    else:
        fault = _first_type_fault(obj, node, schemas, "")
        if fault:
            raise _not_handled(resource, fault)
        obj = tidied(obj, node, schemas)
    warnings = [f'unknown field "{path}"' for path in unknown] if validation == "Warn" else []
    return obj, warnings


def _of_kind(raw: Mapping[str, Any], resource: Resource) -> dict[str, Any]:
    kind, api_version = raw.get("kind"), raw.get("apiVersion")
    if resource.custom and not (kind and api_version):
        missing = "apiVersion" if not api_version else "kind"
        raise bad_request(f"Object '{missing.capitalize()}' is missing in the request's body")
    if kind and kind != resource.kind:
        raise bad_request(
            f'{kind} in version "{_version(api_version or resource.api_version)}" cannot be handled'
            f' as a {resource.kind}: no kind "{resource.kind}" matches the given "{kind}"'
        )
    if api_version and api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version"
            f" ({resource.api_version})"
        )
    return {**raw, "kind": resource.kind, "apiVersion": resource.api_version}


def _version(api_version: str) -> str:
    return api_version.rpartition("/")[2]


def _not_handled(resource: Resource, why: str) -> Refused:
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a'
        f" {resource.kind}: {why}"
    )


_GO_TYPES = {"integer": "int32", "boolean": "bool", "string": "string", "number": "float64"}


def _first_type_fault(value: Any, node: Node, schemas: Schemas, path: str) -> str:
    """What Go's JSON decoder would stop at, or ""."""
    node = schemas.resolve(node)
    wanted, given = node.get("type"), type_name(value)
    if value is None or not wanted or node.get("format") == "int-or-string":
        return ""
    if given != wanted and not (wanted == "number" and given == "integer"):
        found = {"boolean": "bool", "integer": "number"}.get(given, given)
        target = node.get("format") if wanted == "integer" else _GO_TYPES.get(wanted, wanted)
        return (
            f"json: cannot unmarshal {found} into Go struct field {path} of type {target or 'int'}"
        )
    if isinstance(value, list) and node.get("items"):
        faults = (_first_type_fault(each, node["items"], schemas, path) for each in value)
        return next(filter(None, faults), "")
    if not isinstance(value, Mapping):
        return ""
    properties, rest = node.get("properties") or {}, node.get("additionalProperties")
    for name, each in value.items():
        child = properties.get(name, rest)
        if isinstance(child, Mapping):
            fault = _first_type_fault(each, child, schemas, dotted(path, name))
            if fault:
                return fault
    return ""
