"""The part of a live value that a field set of managedFields stands for.

Source: structured-merge-diff, the v1 format of field sets (`f:`, `k:`, `v:`, `i:`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

_ABSENT: Final = {"\0": "absent"}  # a value that no object can hold


def projected(value: Any, owned: Mapping[str, Any]) -> Any:
    """The part of a live value at the owned paths; items of lists in their live order.

    owned: decoded fieldsV1 below this value; empty: the value itself, whole.
    """
    below = owned if "." not in owned else {key: owned[key] for key in owned if key != "."}
    if not below:
        # Owned as a whole, or (with ".") only that it is there: then others fill it.
        return value if not owned else _emptied(value)
    first = next(iter(below))
    if first.startswith("f:"):
        return _fields(value, below)
    return _items(value, below)


def _fields(value: Any, below: Mapping[str, Any]) -> Any:
    if not isinstance(value, dict | Mapping):  # what is a dict is known at once
        return _ABSENT
    found = {}
    for key, node in below.items():
        name = key[2:]
        if name not in value:
            found[name] = _ABSENT
        else:  # most are leaves: without a call
            found[name] = projected(value[name], node) if node else value[name]
    return found


def _items(value: Any, below: Mapping[str, Any]) -> Any:
    if not isinstance(value, list):
        return _ABSENT
    found = list(_matched(value, below))
    return [item for _, item in found] + [_ABSENT] * (len(below) - len(found))


def _matched(items: Sequence[Any], below: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(element, value) of the owned items of a list, in live order."""
    for item in items:
        key = next((key for key in below if selects(key, item)), None)
        if key is not None:
            yield key, projected(item, below[key])


def selects(element: str, item: Any) -> bool:
    """Whether an element of a field path stands for that item of a list.

    By its place an item is named only in lists that Kubernetes treats as one value.
    """
    kind, selector = _selector(element)
    if kind == "k":
        return isinstance(item, Mapping) and all(
            item.get(name) == value for name, value in selector.items()
        )
    return kind == "v" and bool(item == selector)


@lru_cache(maxsize=16384)
def _selector(element: str) -> tuple[str, Any]:
    """The kind of an element and, of k and v, what it selects."""
    kind = element[:1]
    return kind, json.loads(element[2:]) if kind in "kv" else None


def _emptied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {}
    return [] if isinstance(value, list) else value
