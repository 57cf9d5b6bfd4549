"""What Go's JSON decoder would stop at in an object of a built-in type, in its words.

Source: encoding/json (UnmarshalTypeError), apimachinery api/resource and util/intstr.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.apiserver.decoding.tidying import QUANTITY
from engine.apiserver.kinds.schemas import Node, Schemas
from engine.apiserver.validation.checking import type_name

_QUANTITY_RULE = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_IS_QUANTITY = re.compile(r"[+-]?[0-9.]+[eEinumkKMGTP]*[-+]?[0-9]*\Z")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_RANGES = {"int32": 1 << 31, "int64": 1 << 63}
_GIVEN = {"boolean": "bool", "integer": "number"}
_GO_TYPES = {"boolean": "bool", "integer": "int32", "number": "float64", "array": "[]"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the decoder is: the Go struct, and the path of fields without indexes and keys."""

    struct: str
    path: str = ""

    def field(self, name: str) -> "Place":
        """A field of this struct."""
        return Place(self.struct, f"{self.path}.{name}")


def first_fault(value: Any, node: Node, schemas: Schemas, place: Place) -> str:
    """The decoder's error, or "".  node: of a built-in type; null is anything's zero value."""
    if value is None:
        return ""
    name = node.get("$ref", "")
    if name == QUANTITY:
        return _quantity_fault(value)
    node = schemas.resolve(node)
    fault = _own_fault(value, node, name, place)
    if fault:
        return fault
    if name:
        place = Place(name.rpartition(".")[2], place.path)
    if isinstance(value, list) and node.get("items"):
        faults = (first_fault(each, node["items"], schemas, place) for each in value)
        return next(filter(None, faults), "")
    return _fault_in_mapping(value, node, schemas, place) if isinstance(value, dict) else ""


def _own_fault(value: Any, node: Node, name: str, place: Place) -> str:
    """The error of a value as such, whatever is in it; name: of the node's definition, or ""."""
    wanted, given = node.get("type"), type_name(value)
    if node.get("format") == "int-or-string":
        return "" if given in ("integer", "string") else _mismatch(value, "int32", place)
    if wanted and given != wanted and not (wanted == "number" and given == "integer"):
        return _mismatch(value, _go_type(node, name), place)
    if isinstance(value, str):
        return _bytes_fault(value) if node.get("format") == "byte" else ""
    if wanted == "integer" and not _fits(value, node):
        return _mismatch(value, _go_type(node, name), place, whole=True)
    return ""


def _fault_in_mapping(value: Mapping[str, Any], node: Node, schemas: Schemas, place: Place) -> str:
    properties, rest = node.get("properties") or {}, node.get("additionalProperties")
    for field, each in value.items():
        child = properties.get(field)
        if type(each) is str and child and child.get("type") == "string" and "format" not in child:
            continue  # most of what objects hold
        below = place.field(field) if child else place
        child = child or rest
        fault = first_fault(each, child, schemas, below) if isinstance(child, dict) else ""
        if fault:
            return fault
    return ""


def _mismatch(value: Any, target: str, place: Place, *, whole: bool = False) -> str:
    """whole: the number itself is at fault, not that it is one."""
    given = _GIVEN.get(type_name(value), type_name(value))
    if whole or (given == "number" and isinstance(value, float)):
        given = f"number {value}"
    where = f"struct field {place.struct}{place.path}" if place.path else "value"
    return f"json: cannot unmarshal {given} into Go {where} of type {target}"


def _fits(value: Any, node: Node) -> bool:
    limit = _RANGES.get(node.get("format", ""))
    return limit is None or -limit <= value < limit


def _go_type(node: Node, name: str = "") -> str:
    """The type as Go calls it: `v1.PodSpec`, `[]string`, `map[string]string`, `int32`."""
    name = name or node.get("$ref", "")
    if name:
        return ".".join(name.split(".")[-2:])
    kind, others = node.get("type", ""), node.get("additionalProperties")
    if kind == "array":
        return f"[]{_go_type(node.get('items') or {})}"
    if kind == "object" and isinstance(others, Mapping):
        is_amounts = others.get("$ref") == QUANTITY
        return "v1.ResourceList" if is_amounts else f"map[string]{_go_type(others)}"
    if node.get("format") == "byte":
        return "[]uint8"
    default = str(_GO_TYPES.get(kind, kind))
    return str(node.get("format", default)) if kind in ("integer", "number") else default


def _quantity_fault(value: Any) -> str:
    is_text = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    if is_text and _IS_QUANTITY.match(str(value).strip()):
        return ""
    return f"quantities must match the regular expression '{_QUANTITY_RULE}'"


def _bytes_fault(text: str) -> str:
    text = text.replace("\n", "").replace("\r", "")
    found = _BASE64.match(text)
    end = found.end() if found else 0
    if end == len(text) and len(text) % 4 == 0:
        return ""
    return f"illegal base64 data at input byte {end if end < len(text) else len(text) // 4 * 4}"
