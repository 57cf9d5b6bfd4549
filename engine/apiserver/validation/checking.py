"""Whether a value conforms to a CRD's schema, and if not, in the words of kube-apiserver.

Never: rules in CEL (`x-kubernetes-validations`).  They are not evaluated, so an object that only
such a rule would refuse is accepted here.
Source: apiextensions-apiserver validation.ValidateCustomResource, kube-openapi validate.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.apiserver.errors import (
    Cause,
    invalid_value,
    quoted,
    required,
    unsupported_value,
    wrong_type,
)
from engine.apiserver.kinds.schemas import Node, dotted
from engine.apiserver.validation.formats import is_format, is_match
from engine.objects.ref import Object


def check(value: Any, node: Node, path: str = "") -> Iterator[Cause]:
    """What is wrong with `value`, in the order of its fields."""
    if value is None and node.get("nullable"):
        return
    wrong = list(_check_type(value, node, path))
    if wrong:
        yield from wrong
        return
    if isinstance(value, str):
        yield from _check_string(value, node, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _check_number(value, node, path)
    elif isinstance(value, list):
        yield from _check_list(value, node, path)
    elif isinstance(value, dict):
        yield from _check_mapping(value, node, path)
    allowed = node.get("enum")
    if allowed is not None and value not in allowed:
        yield unsupported_value(path, value, [_text(each) for each in allowed])
    yield from _check_alternatives(value, node, path)


# Source: hasBlockingErr of apiextensions-apiserver.
_BLOCKING = frozenset(
    f"FieldValue{kind}"
    for kind in ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid")
)


def check_object(obj: Object, schema: Node) -> Iterator[Cause]:
    """What is wrong with a whole object; says what the real server says of rules in CEL then."""
    causes = list(check(obj, schema))
    yield from causes
    if any(cause.reason in _BLOCKING for cause in causes) and _has_rules(schema):
        text = (
            "some validation rules were not checked because the object was invalid; correct the"
            " existing errors to complete validation"
        )
        yield invalid_value("<nil>", None, text)


def _has_rules(node: Any) -> bool:
    if isinstance(node, list):
        return any(map(_has_rules, node))
    if not isinstance(node, dict):
        return False
    return "x-kubernetes-validations" in node or any(map(_has_rules, node.values()))


def type_name(value: Any) -> str:
    """The JSON type of a value, as messages name it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else quoted(value)


def _check_type(value: Any, node: Node, path: str) -> Iterator[Cause]:
    given = type_name(value)
    wanted = node.get("type")
    if node.get("x-kubernetes-int-or-string"):
        if given not in ("integer", "string"):
            text = f'{path} in body must be of type integer,string: "{given}"'
            yield wrong_type(path, given, text)
        return
    if not wanted or given == wanted or (wanted == "number" and given == "integer"):
        return
    yield wrong_type(path, given, f'{path} in body must be of type {wanted}: "{given}"')


def _check_string(value: str, node: Node, path: str) -> Iterator[Cause]:
    longest, shortest = node.get("maxLength"), node.get("minLength")
    if longest is not None and len(value) > longest:
        unit = "byte" if longest == 1 else "bytes"
        yield Cause(path, "FieldValueTooLong", f"Too long: may not be more than {longest} {unit}")
    if shortest is not None and len(value) < shortest:
        yield invalid_value(path, value, f"{path} in body should be at least {shortest} chars long")
    pattern = node.get("pattern")
    if pattern is not None and not is_match(pattern, value):
        yield invalid_value(path, value, f"{path} in body should match '{pattern}'")
    kind = node.get("format")
    if kind and not is_format(value, kind):
        yield wrong_type(path, value, f"{path} in body must be of type {kind}: {quoted(value)}")


def _check_number(value: float, node: Node, path: str) -> Iterator[Cause]:
    least, most = node.get("minimum"), node.get("maximum")
    if most is not None and (value > most or (node.get("exclusiveMaximum") and value == most)):
        bound = "less than" if node.get("exclusiveMaximum") else "less than or equal to"
        yield invalid_value(path, value, f"{path} in body should be {bound} {most}")
    if least is not None and (value < least or (node.get("exclusiveMinimum") and value == least)):
        bound = "greater than" if node.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid_value(path, value, f"{path} in body should be {bound} {least}")
    step = node.get("multipleOf")
    if step and value % step:
        yield invalid_value(path, value, f"{path} in body should be a multiple of {step}")


def _check_list(value: list[Any], node: Node, path: str) -> Iterator[Cause]:
    most, least = node.get("maxItems"), node.get("minItems")
    if most is not None and len(value) > most:
        unit = "item" if most == 1 else "items"
        yield Cause(
            path,
            "FieldValueTooMany",
            f"Too many: {len(value)}: must have at most {most} {unit}",
        )
    if least is not None and len(value) < least:
        yield invalid_value(path, len(value), f"{path} in body should have at least {least} items")
    items = node.get("items")
    if items:
        for i, each in enumerate(value):
            yield from check(each, items, f"{path}[{i}]")
    yield from _check_keys(value, node, path)


def _check_keys(value: list[Any], node: Node, path: str) -> Iterator[Cause]:
    kind = node.get("x-kubernetes-list-type")
    if kind not in ("set", "map"):
        return
    keys = node.get("x-kubernetes-list-map-keys", ())
    seen: list[Any] = []
    for i, each in enumerate(value):
        if kind == "map" and not isinstance(each, dict):
            text = "must be an object for an array of list-type map"
            yield invalid_value(f"{path}[{i}]", each, text)
            continue
        identity = each if kind == "set" else {k: each[k] for k in keys if k in each}
        if identity in seen:
            text = f"Duplicate value: {quoted(identity)}"
            yield Cause(f"{path}[{i}]", "FieldValueDuplicate", text)
        seen.append(identity)


def _check_mapping(value: Mapping[str, Any], node: Node, path: str) -> Iterator[Cause]:
    for name in node.get("required", ()):
        if name not in value:
            yield required(dotted(path, name))
    properties: Mapping[str, Node] = node.get("properties") or {}
    rest = node.get("additionalProperties")
    for name, each in value.items():
        if name in properties:
            yield from check(each, properties[name], dotted(path, name))
        elif isinstance(rest, dict):
            yield from check(each, rest, dotted(path, name))
    most, least = node.get("maxProperties"), node.get("minProperties")
    if most is not None and len(value) > most:
        unit = "item" if most == 1 else "items"
        yield Cause(
            path, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} {unit}"
        )
    if least is not None and len(value) < least:
        yield invalid_value(path, value, f"{path} in body should have at least {least} properties")


def _check_alternatives(value: Any, node: Node, path: str) -> Iterator[Cause]:
    for each in node.get("allOf", ()):
        yield from check(value, each, path)
    shown = path or "<nil>"
    any_of, one_of = node.get("anyOf", ()), node.get("oneOf", ())
    if any_of and all(list(check(value, each, path)) for each in any_of):
        yield invalid_value(path, value, f'"{shown}" must validate at least one schema (anyOf)')
    if one_of:
        passed = sum(not list(check(value, each, path)) for each in one_of)
        found = "Found none valid" if not passed else f"Found {passed} valid alternatives"
        if passed != 1:
            yield invalid_value(
                path, value, f'"{shown}" must validate one and only one schema (oneOf). {found}'
            )
    if "not" in node and not list(check(value, node["not"], path)):
        yield invalid_value(path, value, f'"{shown}" must not validate the schema (not)')
