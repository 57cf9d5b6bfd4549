"""Typed views of decoded YAML, with the latitude that Go's JSON decoder has.

Field names match without regard to case, nulls count as absent.  Source: encoding/json,
sigs.k8s.io/yaml (which also takes numbers and booleans where text is wanted).
"""

from collections.abc import Mapping
from functools import cache
from threading import Lock
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.scalars import text_of


class Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of the kustomization file: unknown fields are errors."""


class Lenient(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a plugin's configuration: unknown fields are ignored, as kustomize does there."""


T = TypeVar("T", bound=msgspec.Struct)

_LEARNING = Lock()


def decode(cls: type[T], obj: Any, where: str, *, any_scalar: bool = False) -> T:
    """A typed view of `obj`.  Raises KustomizeError that starts with `where` and has the path.

    any_scalar: numbers and booleans become text where text is wanted.
    """
    _learn(cls)
    try:
        return msgspec.convert(_fitted(obj or {}, cls, any_scalar=any_scalar), cls)
    except msgspec.ValidationError as error:
        raise KustomizeError(f"{where}: {error}") from error


@cache
def _learn(cls: type[Any]) -> None:
    """Has msgspec look at the type, in one thread at a time.

    Builds run in several threads, and msgspec 0.22 crashes the process if two of them meet a type
    for the first time.
    """
    with _LEARNING:
        msgspec.json.Decoder(cls)


def _fitted(value: Any, form: Any, *, any_scalar: bool) -> Any:
    """The value with the names of `form`'s fields, without nulls."""
    form = _without_none(form)
    if isinstance(value, Mapping):
        return _fitted_map(value, form, any_scalar=any_scalar)
    if isinstance(value, list):
        item = get_args(form)[0] if get_origin(form) is tuple else Any
        return [_fitted(element, item, any_scalar=any_scalar) for element in value]
    if any_scalar and form is str and not isinstance(value, str):
        return text_of(value)
    return value


def _fitted_map(value: Mapping[str, Any], form: Any, *, any_scalar: bool) -> dict[str, Any]:
    entry = get_args(form)[1] if get_origin(form) is Mapping else Any
    fields = _fields(form) if isinstance(form, type) and issubclass(form, msgspec.Struct) else {}
    fitted = {}
    for key, item in value.items():
        name, kind = fields.get(key.lower(), (key, entry))
        if item is not None:
            fitted[name] = _fitted(item, kind, any_scalar=any_scalar)
    return fitted


@cache
def _fields(cls: type[msgspec.Struct]) -> Mapping[str, tuple[str, Any]]:
    """{name in lower case: (name, type)}."""
    hints = get_type_hints(cls)
    return {
        field.encode_name.lower(): (field.encode_name, hints[field.name])
        for field in msgspec.structs.fields(cls)
    }


def _without_none(form: Any) -> Any:
    if not isinstance(form, UnionType):
        return form
    return next(kind for kind in get_args(form) if kind is not NoneType)
