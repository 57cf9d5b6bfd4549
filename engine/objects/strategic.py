"""Strategic merge patch as the API server does it (`application/strategic-merge-patch+json`).

Pure; inputs are never changed.  kustomize's merge of the same name has other rules and lives in
`engine/render/kustomize/transform/merge.py`.  Source: k8s.io/apimachinery/pkg/util/strategicpatch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.objects.schema import Schema

DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


class PatchError(ValueError):
    """A patch that contradicts itself or does not fit the object; the text names the field."""


def strategic_merge(
    target: Mapping[str, Any], patch: Mapping[str, Any], schema: Schema | None
) -> dict[str, Any]:
    """`target` with `patch` merged in.  Raises PatchError.

    schema: of the object; where it is unknown, lists are replaced and maps merged.
    """
    if DIRECTIVE in patch:
        return _directed(patch)
    merged = dict(target)
    _retain_keys(merged, patch)
    orders = {key[len(_ORDER) :]: value for key, value in patch.items() if key.startswith(_ORDER)}
    for key, value in patch.items():
        if key == _RETAIN or key.startswith((_ORDER, _DELETE)):
            continue
        _merge_field(merged, key, value, schema.property(key) if schema else None)
    for key, value in patch.items():
        if key.startswith(_DELETE):
            _delete_primitives(merged, key[len(_DELETE) :], value)
    for key, order in orders.items():
        if isinstance(merged.get(key), list):
            merged[key] = _reordered(
                merged[key], order, target.get(key) or [], schema.property(key) if schema else None
            )
    return merged


def _directed(patch: Mapping[str, Any]) -> dict[str, Any]:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    if directive == "delete":
        return {}
    raise PatchError(f"unknown {DIRECTIVE} {directive!r} in a map: use 'replace' or 'delete'")


def _retain_keys(merged: dict[str, Any], patch: Mapping[str, Any]) -> None:
    if _RETAIN not in patch:
        return
    kept = patch[_RETAIN]
    if not isinstance(kept, list):
        raise PatchError(f"{_RETAIN} must be a list, got {kept!r}")
    for key, value in patch.items():
        if value is not None and not key.startswith("$") and key not in kept:
            raise PatchError(f"{_RETAIN} {kept!r} does not list {key!r}, which the patch sets")
    for key in set(merged) - set(kept):
        del merged[key]


def _merge_field(merged: dict[str, Any], key: str, value: Any, schema: Schema | None) -> None:
    old = merged.get(key)
    strategies = schema.patch_strategy.split(",") if schema else []
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, Mapping) and isinstance(old, Mapping) and "replace" not in strategies:
        merged[key] = strategic_merge(old, value, schema)
    elif isinstance(value, list) and isinstance(old, list) and "merge" in strategies:
        merged[key] = _merge_lists(old, value, key, schema)
    elif key not in merged:
        merged[key] = _without_nulls(value)
    else:
        merged[key] = value


def _without_nulls(value: Any) -> Any:
    """A new map loses its nulls, which only mean deletion; those inside of lists stay."""
    if not isinstance(value, Mapping):
        return value
    return {key: _without_nulls(item) for key, item in value.items() if item is not None}


def _merge_lists(old: list[Any], patch: list[Any], name: str, schema: Schema | None) -> list[Any]:
    if not any(isinstance(item, Mapping) for item in (*old, *patch)):
        merged = [*old, *(item for item in patch if item not in old)]
        return _in_order(list(_unique(merged)), patch, old, lambda item: item)
    key = schema.patch_merge_key if schema else ""
    if not key:
        raise PatchError(f"list {name!r} is merged, but its type has no merge key")
    merged, additions = _without_special(old, patch, key, name)
    for item in additions:
        wanted = _key_of(item, key, name)
        place = next((i for i, other in enumerate(merged) if other.get(key) == wanted), None)
        if place is None:
            merged.append(_without_nulls(item))
        else:
            merged[place] = strategic_merge(merged[place], item, schema.items if schema else None)
    return _in_order(merged, additions, old, lambda item: item.get(key))


def _without_special(
    old: list[Any], patch: list[Any], key: str, name: str
) -> tuple[list[Any], list[Any]]:
    """(`old` after the `$patch` elements, the elements to merge into it)."""
    kept, additions, is_replaced = list(old), [], False
    for item in patch:
        directive = item.get(DIRECTIVE)
        if directive is None:
            additions.append(item)
        elif directive == "replace":
            is_replaced = True
        elif directive == "delete":
            wanted = _key_of(item, key, name)
            kept = [other for other in kept if other.get(key) != wanted]
        elif directive == "merge":
            additions.append({k: v for k, v in item.items() if k != DIRECTIVE})
        else:
            raise PatchError(f"unknown {DIRECTIVE} {directive!r} in list {name!r}")
    return ([] if is_replaced else kept), additions


def _key_of(item: Mapping[str, Any], key: str, name: str) -> Any:
    if key not in item:
        raise PatchError(
            f"an element of list {name!r} lacks its merge key {key!r}; it has {sorted(item)}"
        )
    return item[key]


def _delete_primitives(merged: dict[str, Any], key: str, values: Any) -> None:
    if isinstance(values, list) and isinstance(merged.get(key), list):
        merged[key] = [item for item in merged[key] if item not in values]


def _reordered(
    merged: list[Any], order: list[Any], before: list[Any], schema: Schema | None
) -> list[Any]:
    key = schema.patch_merge_key if schema else ""

    def name(item: Any) -> Any:
        return item.get(key) if isinstance(item, Mapping) else item

    return _in_order(merged, order, before, name)


def _in_order(
    merged: list[Any], order: list[Any], before: list[Any], name: Callable[[Any], Any]
) -> list[Any]:
    """`merged` with what `order` names in that order, the rest where it was `before`.

    Source: strategicpatch normalizeElementOrder, mergeSortedSlice.
    """
    wanted = list(map(name, order))
    server = list(map(name, before))
    ours = sorted((x for x in merged if name(x) in wanted), key=lambda x: wanted.index(name(x)))
    rest = [x for x in merged if name(x) not in wanted]
    rest.sort(key=lambda x: server.index(name(x)) if name(x) in server else len(server))
    result = []
    while ours and rest:
        mine, other = name(ours[0]), name(rest[0])
        is_first = mine in server and other in server and server.index(other) < server.index(mine)
        result.append((rest if is_first else ours).pop(0))
    return result + ours + rest


def _unique(items: Sequence[Any]) -> list[Any]:
    seen: list[Any] = []
    for item in items:
        if item not in seen:
            seen.append(item)
    return seen
