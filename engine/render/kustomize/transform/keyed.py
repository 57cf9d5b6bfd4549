"""Lists whose elements are told apart by keys, `ports` by containerPort and protocol.

Elements that lack some of the keys make this intricate; every oddity here is kustomize's.
Source: kyaml yaml/walk/associative_sequence.go, yaml/fns.go (ElementSetter, ElementMatcher).
"""

from collections.abc import Callable, Sequence
from typing import Any

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.scalars import described, text_of

Names = tuple[str, ...]
"""The text of an element's keys, "" for those it lacks; of a scalar, itself."""


class Keyed:
    """The resource's list and the patch's, element by element."""

    def __init__(self, keys: Names, lists: tuple[list[Any], list[Any] | None]) -> None:
        """keys: ("",) for scalars.  lists: the resource's, and the patch's if it has one."""
        self._keys = keys
        self._dest, self._patch = lists

    def merged(self, merge: Callable[[Any, Any], Any]) -> list[Any]:
        """The merged list: what the patch names first, then the rest of the resource's.

        merge: gets the two elements of one name, None for one that is not there; None = remove.
        """
        names = self._all_names()
        if len(self._keys) > 1:
            _unify(names)
        result: list[Any] = []
        rest, keys = self._dest, self._keys
        for name in names:
            keys, values = _used(names, name, self._keys)
            element = merge(*(self._find(items, keys, values) for items in (rest, self._patch)))
            if element is None:
                rest = _with(rest, keys, values, None)
                continue
            if isinstance(element, dict):
                for key, value in zip(keys, values, strict=True):
                    if value:
                        element.setdefault(key, value)
            result = _with(result, keys, values, element)
        return _appended(result, rest, keys) if names else rest

    def _all_names(self) -> list[Names]:
        """The names of all elements, the patch's first, each once."""
        names: dict[Names, None] = {}
        for items in (self._patch or [], self._dest):
            names.update(dict.fromkeys(_name(item, self._keys) for item in items))
        return list(names)

    @staticmethod
    def _find(items: list[Any] | None, keys: Names, values: Names) -> Any:
        """The first element of that name, None if there is none."""
        if items is None:
            return None
        keys, values = _used([values], values, keys)
        if keys[0] == "":
            return next((item for item in items if text_of(item) == values[0]), None)
        for item in items:
            if isinstance(item, dict) and all(
                key in item and text_of(item[key]) == value
                for key, value in zip(keys, values, strict=True)
            ):
                return item
        return None


def _name(item: Any, keys: Names) -> Names:
    if keys == ("",):
        return (text_of(item),)
    fields = item if isinstance(item, dict) else {}
    return tuple("" if fields.get(key) is None else text_of(fields[key]) for key in keys)


def _unify(names: list[Names]) -> None:
    """Give an element without some key the names of one that agrees with it otherwise."""
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            common = _common(first, second)
            if common is not None:
                names[i] = names[j] = common


def _common(first: Names, second: Names) -> Names | None:
    is_alike, parts = False, []
    for one, other in zip(first, second, strict=True):
        if one and other and one != other:
            return None
        is_alike |= one == other
        parts.append(one or other)
    return tuple(parts) if is_alike else None


def _used(names: list[Names], name: Names, keys: Names) -> tuple[Names, Names]:
    """The keys that some of `names` has, and the parts of `name` that belong to them."""
    used = [any(other[i] for other in names) for i in range(len(keys))]
    if not any(used):
        return keys, name
    return (
        tuple(key for key, is_used in zip(keys, used, strict=True) if is_used),
        tuple(part for part, is_used in zip(name, used, strict=True) if is_used or part),
    )


def _with(items: list[Any], keys: Names, values: Sequence[str], element: Any) -> list[Any]:
    """A new list with `element` in the place of what matches, else at the end; None removes."""
    result, is_found = [], False
    for item in items:
        if item is None or item == {}:
            continue
        if not isinstance(item, dict) and keys[0] and values and values[0]:
            result.append(item)
        elif not _matches(item, keys, values):
            if values:
                result.append(item)
        else:
            is_found = True
            if element is not None:
                result.append(element)
    if element is not None and not is_found:
        result.append(element)
    return result


def _matches(item: Any, keys: Names, values: Sequence[str]) -> bool:
    """True if the item has the keys with these values; "" stands for any, missing ones count."""
    if not values:
        return False
    if keys[0] == "":
        if isinstance(item, (dict, list)):
            raise KustomizeError("a list merged by value holds something that is not a scalar")
        return text_of(item) == values[0]
    if not isinstance(item, dict):
        raise KustomizeError(f"a list merged by {', '.join(keys)} holds {described(item)}")
    return all(
        key in item and value in ("", text_of(item[key]))
        for key, value in zip(keys, values, strict=False)
    )


def _appended(items: list[Any], more: Sequence[Any], keys: Names) -> list[Any]:
    """`items` with each of `more` put in the place of its namesake, or at the end."""
    for item in more:
        if keys[0] == "":
            items = _with(items, keys, (text_of(item),), item)
            continue
        fields = item if isinstance(item, dict) else {}
        values = [text_of(fields[key]) for key in keys if key in fields]
        items = items + [item] * (len(keys) - len(values))
        if len(keys) > 1:
            items = _with(items, keys, values, None)
        items = _with(items, keys, values, item)
    return items
