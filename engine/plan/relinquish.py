"""What an apply takes away from an object: fields that its manager no longer says.

The API server does that itself.  Here it is worked out for an apply that is only foretold, where
fields would first be taken over from managers whose entries are still live.
Source: sigs.k8s.io/structured-merge-diff v6, merge/update.go (prune).
"""

from collections.abc import Mapping
from typing import Any

from engine.objects.fields import SELF, FieldSet, Node, below, is_member
from engine.objects.ref import Object
from engine.plan.observation import owned_fields
from engine.plan.projection import selects


def relinquished(predicted: Object, adopted: Object, manager: str) -> Object:
    """`predicted` without what `manager` owns in `adopted` and has not said in `predicted`.

    predicted: the answer to a dry-run apply.  adopted: the live object with the fields of older
    managers in our entry.  What somebody else owns stays.
    """
    had = FieldSet.parse(owned_fields(adopted, manager) or {})
    said = FieldSet.parse(owned_fields(predicted, manager) or {})
    kept = said.union(_of_others(adopted, manager))
    gone = had.difference(kept)
    return _cut(predicted, gone.tree, kept.tree) if gone else predicted


def _of_others(obj: Object, manager: str) -> FieldSet:
    owned = FieldSet()
    for entry in obj["metadata"].get("managedFields") or ():
        is_ours = entry.get("manager") == manager and entry.get("operation") == "Apply"
        if not is_ours or entry.get("subresource"):
            owned = owned.union(FieldSet.parse(entry.get("fieldsV1") or {}))
    return owned


_GONE: Any = object()


def _cut(value: Any, gone: Node, kept: Node) -> Any:
    """The value without these members, as far as nobody keeps what is below them."""
    if isinstance(value, Mapping):
        left = {key: _below(item, gone, kept, f"f:{key}") for key, item in value.items()}
        return {key: item for key, item in left.items() if item is not _GONE}
    if isinstance(value, list):
        items = [_below(item, gone, kept, _element(gone, item)) for item in value]
        return [item for item in items if item is not _GONE]
    return value


def _below(item: Any, gone: Node, kept: Node, element: str) -> Any:
    if element not in gone:
        return item
    if element not in kept and is_member(gone, element):
        return _GONE
    left = _cut(item, below(gone, element), below(kept, element))
    return left if left or element in kept or not item else _GONE


def _element(gone: Node, item: Any) -> str:
    """The element that stands for an item of a list, "" if none does."""
    return next((key for key in gone if key != SELF and selects(key, item)), "")
