"""What a Kustomization applied last time and owns, as `status.inventory` records it."""

from collections.abc import Mapping
from typing import Any

from engine.objects.ref import Ref

Inventory = Mapping[Ref, str]
"""The API version (without group) last applied, by Ref, in the order of applying."""


def parse_inventory(status: Mapping[str, Any]) -> dict[Ref, str]:
    """The inventory of a Kustomization's status; entries that are no ids are left out.

    An unreadable entry cannot name an object, so nothing can be deleted through it.
    """
    inventory: dict[Ref, str] = {}
    for entry in (status.get("inventory") or {}).get("entries") or ():
        try:
            inventory[Ref.parse_id(entry["id"])] = str(entry.get("v", ""))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return inventory


def format_inventory(inventory: Inventory) -> dict[str, Any]:
    """The value of `status.inventory`."""
    return {"entries": [{"id": ref.id, "v": version} for ref, version in inventory.items()]}


def union(old: Inventory, new: Inventory) -> dict[Ref, str]:
    """Everything of both; versions of `new` win, its order comes first."""
    return {**new, **{ref: version for ref, version in old.items() if ref not in new}}
