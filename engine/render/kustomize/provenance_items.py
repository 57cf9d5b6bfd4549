"""Which item of a list is which after a step: no merge key is needed, Kubernetes' own are known."""

import json
from collections.abc import Mapping
from typing import Any, Final

from engine.objects.operations import is_same

_KEYS: Final = (
    *(("mountPath",), ("devicePath",), ("containerPort", "protocol"), ("containerPort",)),
    *(("port", "protocol"), ("port",), ("name",), ("topologyKey", "whenUnsatisfiable")),
    *(("key",), ("ip",), ("type",), ("uid",), ("id",)),
)
"""What tells the items of a list from each other, the strongest first: Kubernetes' own merge keys,
and what custom kinds call theirs."""


def paired(old: list[Any], new: list[Any]) -> list[int | None]:
    """For each new item the old one that it was: the same, of the same key, or in its place."""
    result: list[int | None] = [None] * len(new)
    free = dict.fromkeys(range(len(old)))
    texts: dict[str, list[int]] = {}
    for index in reversed(free):
        texts.setdefault(json.dumps(old[index], sort_keys=True), []).append(index)
    for position, item in enumerate(new):
        if same := texts.get(json.dumps(item, sort_keys=True)):
            del free[result_index := same.pop()]
            result[position] = result_index
    for names in _KEYS:
        _pair_by(names, old, new, result, free)
    for position in range(len(new)):
        if result[position] is None and position in free and len(old) == len(new):
            result[position] = position
            del free[position]
    return result


def _pair_by(
    names: tuple[str, ...],
    old: list[Any],
    new: list[Any],
    result: list[int | None],
    free: dict[int, None],
) -> None:
    by_key: dict[str, list[int]] = {}
    for index in free:
        if (key := _key(old[index], names)) is not None:
            by_key.setdefault(key, []).append(index)
    for position, item in enumerate(new):
        if result[position] is None and (key := _key(item, names)) is not None:
            same = by_key.get(key, [])
            if len(same) == 1:
                del free[index := same.pop()]
                result[position] = index


def is_alike(one: Any, other: Any) -> bool:
    """Whether two items are one and the same thing, as far as their keys say."""
    keys = ((_key(one, names), _key(other, names)) for names in _KEYS)
    known = next((pair for pair in keys if None not in pair), None)
    return known[0] == known[1] if known is not None else is_same(one, other)


def _key(item: Any, names: tuple[str, ...]) -> str | None:
    """The values of an item's keys, None if it has not all of them."""
    if not isinstance(item, Mapping) or not all(name in item for name in names):
        return None
    return json.dumps([item[name] for name in names], sort_keys=True)
