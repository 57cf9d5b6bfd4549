"""Whether Kubernetes would call two values the same, and where they differ: to explain drift.

Never the proof of drift: the API server decides that.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from engine.objects.patch import is_same

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the object down to a field."""

Keys: TypeAlias = Callable[[Path], Sequence[str] | None]
"""The fields that name an item of the list at a path; None where items have no names."""

_SUFFIXES: Final[dict[str, Decimal]] = {
    "": Decimal(1),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{suffix: Decimal(1000) ** -power for power, suffix in enumerate("mun", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
_QUANTITY = re.compile(
    r"([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:[eE]([-+]?[0-9]{1,3})|([KMGTPE]i|[numkMGTPE])?)\Z"
)

# The fields of the built-in kinds whose values are quantities, and those that are one.
_QUANTITY_MAPS: Final = frozenset(
    {"limits", "requests", "capacity", "allocatable", "allocatedResources", "hard", "used"}
    | {"overhead", "podFixed", "min", "max", "default", "defaultRequest", "maxLimitRequestRatio"}
)
_QUANTITY_FIELDS: Final = frozenset(("sizeLimit", "divisor", "averageValue", "maximumVolumeSize"))


class Difference(NamedTuple):
    """A field whose live value is not the desired one; live None: the field is absent."""

    path: Path
    desired: Any
    live: Any


def quantity(value: Any) -> Decimal | None:
    """The number that a Kubernetes quantity means (`1Gi`, `100m`, `1e3`, 2); None if it is none.

    Source: apimachinery pkg/api/resource.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _QUANTITY.match(str(value))
    if not found:
        return None
    number, exponent, suffix = found.groups()
    factor = Decimal(10) ** int(exponent) if exponent else _SUFFIXES[suffix or ""]
    return Decimal(number) * factor


def is_empty(value: Any) -> bool:
    """Whether Kubernetes may drop the field that holds the value: null and empty containers."""
    return value is None or (isinstance(value, Mapping | list | tuple) and not value)


def differences(desired: Any, live: Any, keys: Keys | None = None) -> list[Difference]:
    """Where `live` has not what `desired` asks for; what only `live` holds is no difference.

    Paths lead into `desired`.  keys: how to find the item of a list in the other; where it has no
    answer, items that all have a `name` of their own go by that, others by their place.
    A list in which an item has no match, or that goes by place and has another length, is one
    difference as a whole.
    """
    found: list[Difference] = []
    _compare((), desired, live, keys or (lambda _: None), found)
    return found


def _compare(path: Path, desired: Any, live: Any, keys: Keys, found: list[Difference]) -> None:
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        for key, value in desired.items():
            _compare((*path, key), value, live.get(key), keys, found)
    elif isinstance(desired, list | tuple) and isinstance(live, list | tuple):
        pairs = _paired(path, desired, live, keys)
        if pairs is None:
            found.append(Difference(path, desired, live))
        for index, (item, other) in enumerate(pairs or ()):
            _compare((*path, index), item, other, keys, found)
    elif not _is_equal(path, desired, live):
        found.append(Difference(path, desired, live))


def _is_equal(path: Path, desired: Any, live: Any) -> bool:
    if is_same(desired, live) or (is_empty(desired) and is_empty(live)):
        return True
    if not _holds_quantity(path):
        return False
    wanted = quantity(desired)
    return wanted is not None and wanted == quantity(live)


def _holds_quantity(path: Path) -> bool:
    """Whether the field is a quantity by its name; `cpu: "1"` in an annotation is not."""
    if {"annotations", "labels", "data", "stringData"} & set(path):
        return False
    holder, name = ("", "", *path)[-2:]
    is_target = (holder, name) == ("target", "value")  # of a HorizontalPodAutoscaler
    return is_target or name in _QUANTITY_FIELDS or holder in _QUANTITY_MAPS


def _paired(
    path: Path, desired: Sequence[Any], live: Sequence[Any], keys: Keys
) -> list[tuple[Any, Any]] | None:
    """Each desired item with its live one; None if the lists can only differ as a whole."""
    names = keys(path) or ("name",)
    wanted, there = _by_name(desired, names), _by_name(live, names)
    if wanted is not None and there is not None:
        if wanted.keys() <= there.keys():
            return [(item, there[name]) for name, item in wanted.items()]
        return None
    return list(zip(desired, live, strict=True)) if len(desired) == len(live) else None


def _by_name(items: Sequence[Any], names: Sequence[str]) -> dict[tuple[Any, ...], Any] | None:
    """The items by the values of those fields, in order; None if they are not all named apart."""
    if not all(isinstance(item, Mapping) for item in items):
        return None
    by_name = {tuple(str(item.get(name)) for name in names): item for item in items}
    has_names = all(any(name in item for name in names) for item in items)
    return by_name if has_names and len(by_name) == len(items) else None
