"""All that is wrong with the types and names of the fields of a configuration."""

from collections.abc import Callable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import msgspec

from engine.render.kustomize.errors import Entry, nearest

Fields = Callable[[type[msgspec.Struct]], Mapping[str, tuple[str, Any]]]
"""{name in lower case: (name, type)} of a part of the configuration."""

_NAMES: Mapping[Any, str] = {str: "text", int: "a whole number", bool: "true or false"}


def mismatches(
    value: Any, form: Any, fields: Fields, entry: Entry = (), *, exact: bool = False
) -> Iterator[tuple[Entry, str]]:
    """(where, what) of each value that is not of the wanted form.

    exact: each unknown field is one too.
    """
    if isinstance(form, UnionType):
        form = next(kind for kind in get_args(form) if kind is not NoneType)
    origin = get_origin(form) or form
    if origin is Any:
        return
    if origin in (tuple, dict, Mapping):
        yield from _of_container(value, form, fields, entry, exact=exact)
    elif issubclass(origin, msgspec.Struct):
        yield from _of_struct(value, origin, fields, entry, exact=exact)
    elif not _is_a(value, origin):
        wanted = _NAMES.get(origin, origin)
        yield entry, f"expected {wanted}, got {shown(value)}{_advice(value, origin)}"


def _of_container(
    value: Any, form: Any, fields: Fields, entry: Entry, *, exact: bool
) -> Iterator[tuple[Entry, str]]:
    """form: of a list or a map, the form of the items its last argument but `...`."""
    is_list = get_origin(form) is tuple
    if not isinstance(value, list if is_list else dict):
        yield entry, f"expected {'a list' if is_list else 'a map'}, got {shown(value)}"
        return
    item_form = get_args(form)[0 if is_list else 1]
    for step, item in enumerate(value) if isinstance(value, list) else value.items():
        yield from mismatches(item, item_form, fields, (*entry, step), exact=exact)


def _of_struct(
    value: Any, form: type[msgspec.Struct], fields: Fields, entry: Entry, *, exact: bool
) -> Iterator[tuple[Entry, str]]:
    if not isinstance(value, dict):
        first = ", ".join(f"`{name}`" for name, _ in list(fields(form).values())[:3])
        yield entry, f"expected a map with fields such as {first}, got {shown(value)}"
        return
    known = fields(form)
    for key, item in value.items():
        if key.lower() in known:
            form_of_item = known[key.lower()][1]
            yield from mismatches(item, form_of_item, fields, (*entry, key), exact=exact)
        elif exact:
            names = [name for name, _ in known.values()]
            yield (*entry, key), f"unknown field{nearest(key, names, '; did you mean `{}`?')}"


def _is_a(value: Any, form: type) -> bool:
    if form is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, form)


def _advice(value: Any, form: type) -> str:
    if form is str and isinstance(value, bool | int | float):
        return ": put it in quotes"
    if form is str and isinstance(value, dict):
        return ": text with `: ` in it needs quotes"
    if form in (int, bool) and isinstance(value, str):
        return ": without quotes"
    return ""


def shown(value: Any) -> str:
    """What kind of value it is; never the value, which may be secret."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "text" if isinstance(value, str) else "a number"
