"""Typed views of decoded YAML, with the latitude that Go's JSON decoder has.

Field names match without regard to case, nulls count as absent.  Source: encoding/json,
sigs.k8s.io/yaml (which also takes numbers and booleans where text is wanted).
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from itertools import islice
from threading import Lock
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from engine.render.kustomize.config.mismatch import mismatches
from engine.render.kustomize.errors import MAX_PROBLEMS, EntryError, called
from engine.render.kustomize.model.scalars import text_of


class Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A whole file: unknown fields are errors, also in its parts."""


class Lenient(msgspec.Struct, frozen=True, rename="camel"):
    """A plugin's configuration, where unknown fields are ignored, or a part of any file.

    embedded: the fields that Go embeds from another type: text has to be text there in any file.
    """

    embedded: ClassVar[frozenset[str]] = frozenset()


T = TypeVar("T", bound=msgspec.Struct)

_LEARNING = Lock()


def decode(cls: type[T], obj: Any, where: str, *, any_scalar: bool = False) -> T:
    """A typed view of `obj`.  Raises EntryError with everything that does not fit.

    where: what stands in front of each problem.
    any_scalar: numbers and booleans become text where text is wanted.
    """
    _learn(cls)
    exact = issubclass(cls, Strict)
    fitted = _Fitting(any_scalar)
    value = fitted(obj or {}, cls)
    if exact and fitted.has_unknown:
        raise _misfits(value, cls, where, "unknown field")
    try:
        return msgspec.convert(value, cls)
    except msgspec.ValidationError as error:
        raise _misfits(value, cls, where, str(error)) from error


def _misfits(value: Any, cls: type[msgspec.Struct], where: str, otherwise: str) -> EntryError:
    """All that is wrong with the value; otherwise: what to say if nothing else is found."""
    every = mismatches(value, cls, _fields, exact=issubclass(cls, Strict))
    found = list(islice(every, MAX_PROBLEMS + 1)) or [((), otherwise)]
    if not where:
        return EntryError(found)
    return EntryError([((), f"{where}: {called(path)}: {text}") for path, text in found])


@cache
def _learn(cls: type[Any]) -> None:
    """Has msgspec look at the type, in one thread at a time.

    Builds run in several threads, and msgspec 0.22 crashes the process if two of them meet a type
    for the first time.
    """
    with _LEARNING:
        msgspec.json.Decoder(cls)


class _Fitting:
    """Gives a value the names of a type's fields, and nulls the meaning that they have in Go."""

    def __init__(self, any_scalar: bool) -> None:
        self._any_scalar = any_scalar
        self.has_unknown = False

    def __call__(self, value: Any, form: Any) -> Any:
        """The value, as msgspec can convert it to `form`."""
        if isinstance(value, (dict, Mapping)):
            return self._map(value, form)
        if isinstance(value, list):
            item = _inside(form)
            return [self._item(element, item) for element in value]
        if self._any_scalar and form is str and not isinstance(value, str):
            return text_of(value)
        return value

    def _item(self, value: Any, form: Any) -> Any:
        """An item of a list or map: a null is there, but empty."""
        if value is not None or not isinstance(form, type):
            return self(value, form)
        return form() if form is str else {} if issubclass(form, msgspec.Struct) else None

    def _map(self, value: Mapping[str, Any], form: Any) -> dict[str, Any]:
        if not (isinstance(form, type) and issubclass(form, msgspec.Struct)):
            entry = _inside(form)
            return {key: self._item(item, entry) for key, item in value.items()}
        fields = _fields(form)
        fitted = {}
        for key, item in value.items():
            name, kind = fields.get(key.lower(), ("", Any))
            kind = Any if name in getattr(form, "embedded", ()) else kind
            self.has_unknown |= not name
            if item is not None or not name:
                fitted[name or key] = self(item, kind)
        return fitted


@cache
def _fields(cls: type[msgspec.Struct]) -> Mapping[str, tuple[str, Any]]:
    """{name in lower case: (name, type without None)}."""
    hints = get_type_hints(cls)
    return {
        field.encode_name.lower(): (field.encode_name, _without_none(hints[field.name]))
        for field in msgspec.structs.fields(cls)
    }


@lru_cache(maxsize=1000)
def _inside(form: Any) -> Any:
    """What a tuple or a map of that type holds."""
    if get_origin(form) in (tuple, Mapping):
        return get_args(form)[0 if get_origin(form) is tuple else 1]
    return Any


def _without_none(form: Any) -> Any:
    if not isinstance(form, UnionType):
        return form
    return next(kind for kind in get_args(form) if kind is not NoneType)
