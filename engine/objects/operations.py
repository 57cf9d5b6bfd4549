"""The operations of a JSON patch (RFC 6902), with the latitude of Kubernetes' own library.

Beyond the RFC: `replace` and `copy` take a key that a map does not have, an absent `value` is null,
and negative indices count from a list's end.  Source: gopkg.in/evanphx/json-patch.v4 (4.13), which
kustomize and the API server use.
"""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final, TypeAlias

Change: TypeAlias = Callable[[Any, Mapping[str, Any]], Any]
"""From a document, which may be changed, and an operation to the document after it."""

_INDEX: Final = re.compile(r"[-+]?[0-9]{1,18}")
_ESCAPE: Final = re.compile("~[01]")


class Inapplicable(ValueError):  # noqa: N818 (says what the operation is)
    """An operation that cannot be done on the document; the text holds no value of either."""


def operate(document: Any, operation: Mapping[str, Any]) -> Any:
    """The document, changed in place where it can be.  Raises Inapplicable."""
    if not isinstance(operation, Mapping):
        raise Inapplicable("not an object")
    change = _CHANGES.get(operation["op"]) if isinstance(operation.get("op"), str) else None
    if change is None:
        wanted = ", ".join(_CHANGES)
        raise Inapplicable(f"unknown operation {operation.get('op')!r}: use one of {wanted}")
    return change(document, operation)


def pointer_parts(path: str) -> list[str]:
    """The steps of a JSON pointer; what stands before its first slash does not count."""
    return [
        _ESCAPE.sub(lambda found: "/" if found.group() == "~1" else "~", part)
        for part in path.split("/")[1:]
    ]


def is_same(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same; unlike Python's `==`, True is not 1."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(is_same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(is_same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _add(document: Any, operation: Mapping[str, Any]) -> Any:
    _insert(document, _pointer(operation, "path"), deepcopy(operation.get("value")))
    return document


def _remove(document: Any, operation: Mapping[str, Any]) -> Any:
    _take(document, _pointer(operation, "path"))
    return document


def _replace(document: Any, operation: Mapping[str, Any]) -> Any:
    value = deepcopy(operation.get("value"))
    path = _pointer(operation, "path")
    if path == "":
        if not isinstance(value, dict | list):
            raise Inapplicable("the whole document can only be replaced by a map or a list")
        return value
    holder, key = _holder(document, path)
    holder[key if isinstance(holder, dict) else _place(holder, key)] = value
    return document


def _move(document: Any, operation: Mapping[str, Any]) -> Any:
    value = _take(document, _pointer(operation, "from"))
    _insert(document, _pointer(operation, "path"), value)
    return document


def _copy(document: Any, operation: Mapping[str, Any]) -> Any:
    value = deepcopy(_found(document, _pointer(operation, "from")))
    _insert(document, _pointer(operation, "path"), value)
    return document


def _test(document: Any, operation: Mapping[str, Any]) -> Any:
    path = _pointer(operation, "path")
    there = document if path == "" else _found(document, path)
    if not is_same(there, operation.get("value")):
        raise Inapplicable("what stands there is not what the test asks for")
    return document


_CHANGES: Final[Mapping[str, Change]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _pointer(operation: Mapping[str, Any], name: str) -> str:
    pointer = operation.get(name)
    if not isinstance(pointer, str):
        problem = "is missing" if pointer is None else "must be text"
        raise Inapplicable(f"{name!r} {problem}")
    return pointer


def _found(document: Any, path: str) -> Any:
    """What stands there; None for a key that a map does not have."""
    holder, key = _holder(document, path)
    return holder.get(key) if isinstance(holder, dict) else holder[_place(holder, key)]


def _insert(document: Any, path: str, value: Any) -> None:
    holder, key = _holder(document, path)
    if isinstance(holder, dict):
        holder[key] = value
    else:
        index = len(holder) if key == "-" else _place(holder, key, room=1)
        holder.insert(index, value)


def _take(document: Any, path: str) -> Any:
    """What stands there, which is taken out."""
    holder, key = _holder(document, path)
    if isinstance(holder, list):
        return holder.pop(_place(holder, key))
    if key not in holder:
        raise Inapplicable(f"there is no {key!r} to take away")
    return holder.pop(key)


def _holder(document: Any, path: str) -> tuple[Any, str]:
    """(the map or list that the path's last step is in, that step)."""
    parts = pointer_parts(path)
    if not parts:
        raise Inapplicable("the path must begin with a slash and name a field")
    holder = document
    for part in parts[:-1]:
        holder = holder.get(part) if isinstance(holder, dict) else holder[_place(holder, part)]
        if not isinstance(holder, dict | list):
            what = "nothing" if holder is None else "a scalar"
            raise Inapplicable(f"the path leads through {part!r}, which is {what}")
    return holder, parts[-1]


def _place(items: list[Any], part: str, room: int = 0) -> int:
    """The index that a step means.  room: 1 where the place behind the last item will do."""
    if _INDEX.fullmatch(part) is None:
        raise Inapplicable(f"{part!r} is not an index of a list")
    count, index = len(items) + room, int(part)
    if not -count <= index < count:
        raise Inapplicable(f"there is no item {part} in a list of {len(items)}")
    return index % count
