"""OpenAPI schemas of models, derived from their types.

Out: plain JSON, structural in the sense of apiextensions.k8s.io: no `$ref`, no `anyOf`.
"""

import ast
import inspect
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from textwrap import dedent
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from engine.api.duration import Duration
from engine.api.meta import Model

Schema: TypeAlias = dict[str, Any]

_SCALARS: Mapping[object, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    datetime: {"type": "string", "format": "date-time"},
    Any: {"x-kubernetes-preserve-unknown-fields": True},
}

# {msgspec's constraint: (keyword for text and numbers, keyword for lists)}
_CONSTRAINTS = {
    "ge": ("minimum", "minimum"),
    "le": ("maximum", "maximum"),
    "pattern": ("pattern", "pattern"),
    "min_length": ("minLength", "minItems"),
    "max_length": ("maxLength", "maxItems"),
}


def schema_of(kind: Any) -> Schema:
    """The schema of a type that a model's field may have.

    Text, numbers, instants, durations, choices (Literal), lists (tuple[X, ...]), maps of text to
    anything, models, each with constraints (Annotated) or optional (| None).
    Raises TypeError for any other type.
    """
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    if isinstance(kind, type) and issubclass(kind, Duration):
        return {"type": "string"} | ({"pattern": kind.pattern} if kind.pattern else {})
    if isinstance(kind, type) and issubclass(kind, Model):
        return schema_of_model(kind)
    return _schema_of_form(kind)


def _schema_of_form(kind: Any) -> Schema:
    """The schema of a type that is made of others."""
    parts = get_args(kind)
    match get_origin(kind):
        case origin if origin is Annotated:
            return _constrained(schema_of(parts[0]), parts[1:])
        case origin if origin in (Union, UnionType):
            (only,) = (part for part in parts if part is not NoneType)
            return schema_of(only)
        case origin if origin is Literal and all(isinstance(part, str) for part in parts):
            return {"type": "string", "enum": list(parts)}
        case origin if origin is tuple and parts[1:] == (...,):
            return {"type": "array", "items": schema_of(parts[0])}
        case origin if origin is Mapping and parts[0] is str:
            return {"type": "object", "additionalProperties": schema_of(parts[1])}
    raise TypeError(f"no schema for {kind!r}")


def schema_of_model(model: type[Model]) -> Schema:
    """The schema of an object with the fields of `model`, described by its docstrings."""
    described = descriptions(model)
    schema: Schema = {"type": "object", "description": described[""], "properties": {}}
    required = []
    for info in msgspec.structs.fields(model):
        of_field = schema_of(info.type)
        if info.name in described:
            of_field["description"] = described[info.name]
        schema["properties"][info.encode_name] = of_field
        if info.required or _is_marked_required(info.type):
            required.append(info.encode_name)
    if required:
        schema["required"] = sorted(required)
    if model.rules:
        schema["x-kubernetes-validations"] = [msgspec.to_builtins(rule) for rule in model.rules]
    return schema


@cache
def descriptions(model: type[Model]) -> Mapping[str, str]:
    """What the source says about a model (key "") and, by name, about each of its fields."""
    found = {}
    for cls in reversed(model.__mro__):
        if cls is not Model and issubclass(cls, Model):
            found.update(_written_in(cls))
    return found


def _written_in(cls: type) -> dict[str, str]:
    """Docstring of a class under "", and the string under each field: Python itself drops these."""
    (tree,) = ast.parse(dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - the source of a class
    found = {"": _one_line(ast.get_docstring(tree) or "")}
    for above, below in zip(tree.body, tree.body[1:], strict=False):
        match above, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = _one_line(text)
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _constrained(schema: Schema, markers: tuple[Any, ...]) -> Schema:
    for_list = schema.get("type") == "array"
    for marker in markers:
        if isinstance(marker, Meta):
            for name, keywords in _CONSTRAINTS.items():
                if (limit := getattr(marker, name)) is not None:
                    schema[keywords[for_list]] = limit
            schema.update(marker.extra_json_schema or {})
    return schema


def _is_marked_required(kind: Any) -> bool:
    """Whether `REQUIRED` is on a type: the CRD demands a field that it also gives a default."""
    return any(
        isinstance(marker, Meta) and (marker.extra or {}).get("required")
        for marker in getattr(kind, "__metadata__", ())
    )
