"""A request's body as an object of the resource: right kind, known fields, defaults.

Source: apiserver endpoints/handlers (create, update), strict decoding errors of apimachinery.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from engine.apiserver.checking import type_name
from engine.apiserver.defaulting import defaulted
from engine.apiserver.errors import Refused, bad_request
from engine.apiserver.pruning import pruned
from engine.apiserver.resources import Resource
from engine.apiserver.schemas import Node, Schemas
from engine.apiserver.tidying import tidied


class NotHandled(Refused):
    """400: the body is no object of its kind.  why: the part after the kind."""

    def __init__(self, resource: Resource, why: str) -> None:
        """why: what the decoder stopped at."""
        super().__init__(
            400,
            "BadRequest",
            f'{resource.kind} in version "{resource.version}" cannot be handled as a'
            f" {resource.kind}: {why}",
        )
        self.why = why


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
    obj, entries = _without_entries(obj)
    obj, unknown = pruned(obj, schemas, node, custom=resource.custom)
    if unknown and validation == "Strict":
        texts = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise NotHandled(resource, f"strict decoding error: {texts}")
    if not isinstance(obj.get("metadata") or {}, Mapping):
        raise NotHandled(resource, "metadata is not an object")
    obj["metadata"] = dict(obj.get("metadata") or {})
    if resource.custom:
        obj = defaulted(obj, node, schemas)
    else:
        fault = _first_fault(obj, node, schemas, _Place(resource.kind))
        if fault:
            raise NotHandled(resource, fault)
        obj = tidied(obj, node, schemas)
    if entries is not None:
        obj["metadata"]["managedFields"] = entries
    warnings = [f'unknown field "{path}"' for path in unknown] if validation == "Warn" else []
    return obj, warnings


def _without_entries(obj: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The object without managedFields, and those: they are large and checked elsewhere."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj, None
    rest = dict(metadata)
    entries = rest.pop("managedFields")
    return {**obj, "metadata": rest}, entries


def _of_kind(raw: Mapping[str, Any], resource: Resource) -> dict[str, Any]:
    kind, api_version = raw.get("kind"), raw.get("apiVersion")
    if resource.custom and not kind:
        text = orjson.dumps(raw).decode()
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): Object 'Kind'"
            f" is missing in '{text}' ({text[:27]} ...)"
        )
    if resource.custom and not api_version:
        raise bad_request(
            "the API version in the data () does not match the expected API version"
            f" ({resource.api_version})"
        )
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


_GO_TYPES = {"integer": "int32", "boolean": "bool", "string": "string", "number": "float64"}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the decoder is: the Go struct, and the path of fields without indexes and keys."""

    struct: str
    path: str = ""

    def field(self, name: str) -> "_Place":
        return _Place(self.struct, f"{self.path}.{name}" if self.path else f".{name}")


def _first_fault(value: Any, node: Node, schemas: Schemas, place: _Place) -> str:
    """What Go's JSON decoder would stop at, or ""."""
    name = node.get("$ref")
    if name is not None:
        place = _Place(name.rpartition(".")[2], place.path)
    node = schemas.resolve(node)
    wanted, given = node.get("type"), type_name(value)
    if value is None or not wanted or node.get("format") == "int-or-string":
        return ""
    if given != wanted and not (wanted == "number" and given == "integer"):
        return _wrong_type(wanted, given, node, place)
    if isinstance(value, str):
        return _bad_bytes(value) if node.get("format") == "byte" else ""
    if isinstance(value, list) and node.get("items"):
        faults = (_first_fault(each, node["items"], schemas, place) for each in value)
        return next(filter(None, faults), "")
    return _fault_in_mapping(value, node, schemas, place) if isinstance(value, dict) else ""


def _fault_in_mapping(value: Mapping[str, Any], node: Node, schemas: Schemas, place: _Place) -> str:
    properties, rest = node.get("properties") or {}, node.get("additionalProperties")
    for field, each in value.items():
        child = properties.get(field)
        below = place.field(field) if child else place
        child = child or rest
        fault = _first_fault(each, child, schemas, below) if isinstance(child, dict) else ""
        if fault:
            return fault
    return ""


_FOUND = {"boolean": "bool", "integer": "number"}


def _wrong_type(wanted: str, given: str, node: Node, place: _Place) -> str:
    default = _GO_TYPES.get(wanted, wanted)
    target = node.get("format", default) if wanted in ("integer", "number") else default
    return (
        f"json: cannot unmarshal {_FOUND.get(given, given)} into Go struct field"
        f" {place.struct}{place.path} of type {target}"
    )


_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def _bad_bytes(text: str) -> str:
    text = text.replace("\n", "").replace("\r", "")
    found = _BASE64.match(text)
    end = found.end() if found else 0
    if end == len(text) and len(text) % 4 == 0:
        return ""
    return f"illegal base64 data at input byte {end if end < len(text) else len(text) // 4 * 4}"
