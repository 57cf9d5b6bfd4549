"""What must leave a live object before ours is applied over it.

Marks of older tools, and the fields that kubectl and others wrote: folded into our own apply entry,
so that a field which Git does not hold is removed by the next apply.  And API versions in which
somebody once wrote, where the API server cannot read them any more.
Source: fluxcd/pkg ssa (cleanup, field manager and API version migration), flux-behaviour 4.8.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from engine.api.meta import LEGACY_ANNOTATIONS, LEGACY_LABELS
from engine.objects.fields import FieldSet
from engine.objects.ref import Object

_FORGOTTEN = "before-first-apply"  # the manager of fields of which nobody knows who wrote them


def adoption(live: Object, manager: str, overridden: Sequence[str]) -> list[dict[str, Any]]:
    """The JSON patch that cleans the live object; empty if there is nothing to clean.

    overridden: beginnings of further field managers' names, whose entries are taken over.
    """
    metadata = live["metadata"]
    operations: list[dict[str, Any]] = [
        {"op": "remove", "path": f"/metadata/{where}/{key.replace('/', '~1')}"}
        for where, key in _legacy_marks(metadata)
    ]
    entries = metadata.get("managedFields") or []
    folded = _folded(entries, manager, overridden)
    if folded is not None:
        operations.append({"op": "replace", "path": "/metadata/managedFields", "value": folded})
    if operations:
        version = metadata["resourceVersion"]
        operations.append({"op": "replace", "path": "/metadata/resourceVersion", "value": version})
    return operations


def is_adoptable(live: Object, manager: str, overridden: Sequence[str]) -> bool:
    """Whether `adoption` would clean anything."""
    metadata = live["metadata"]
    entries = metadata.get("managedFields") or ()
    has_foreign = any(_is_foldable(entry, manager, overridden) for entry in entries)
    return has_foreign or any(_legacy_marks(metadata))


def migration(live: Object, api_version: str) -> list[dict[str, Any]]:
    """The JSON patch after which all who wrote the object did so in `api_version`; empty: they did.

    Entries that only their version told apart become one, as the API server would keep only the
    last of them, and with it forget who owns the fields of the others.
    """
    metadata = live["metadata"]
    entries: Sequence[Object] = metadata.get("managedFields") or ()
    if all(entry.get("apiVersion") == api_version for entry in entries):
        return []
    merged: dict[tuple[Any, ...], Object] = {}
    for entry in entries:
        key = tuple(entry.get(part) for part in ("manager", "operation", "subresource"))
        same = merged.get(key)
        fields = entry.get("fieldsV1") or {}
        if same is not None:
            fields = FieldSet.parse(fields).union(FieldSet.parse(same["fieldsV1"])).format()
        merged[key] = {**entry, "apiVersion": api_version, "fieldsV1": fields}
    version = metadata["resourceVersion"]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": list(merged.values())},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]


def has_lost_owners(live: Object) -> bool:
    """Whether the API server no longer knew who had written the object.

    It forgets that of versions that are not served any more, as after an upgrade of a definition.
    """
    return any(
        str(entry.get("manager", "")).startswith(_FORGOTTEN) and not entry.get("subresource")
        for entry in live["metadata"].get("managedFields") or ()
    )


def _legacy_marks(metadata: Object) -> Iterator[tuple[str, str]]:
    for where, keys in (("annotations", LEGACY_ANNOTATIONS), ("labels", LEGACY_LABELS)):
        present = metadata.get(where) or ()
        yield from ((where, key) for key in keys if key in present)


def _folded(
    entries: Sequence[Object], manager: str, overridden: Sequence[str]
) -> list[Object] | None:
    """The entries with foreign ones merged into our Apply entry, None if there are none."""
    foreign = [entry for entry in entries if _is_foldable(entry, manager, overridden)]
    if not foreign:
        return None
    own = next((entry for entry in entries if _is_own(entry, manager)), None)
    fields = FieldSet.parse(own["fieldsV1"]) if own else FieldSet.parse({})
    for entry in foreign:
        fields = fields.union(FieldSet.parse(entry.get("fieldsV1") or {}))
    template = own or foreign[0]
    merged = {
        **template,
        "manager": manager,
        "operation": "Apply",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields.format(),
    }
    rest = [entry for entry in entries if entry not in foreign and entry is not own]
    return [merged, *rest]


def _is_own(entry: Object, manager: str) -> bool:
    return bool(
        entry.get("manager") == manager
        and entry.get("operation") == "Apply"
        and not entry.get("subresource")
    )


def _is_foldable(entry: Object, manager: str, overridden: Sequence[str]) -> bool:
    if entry.get("subresource"):
        return False
    name, operation = str(entry.get("manager", "")), entry.get("operation")
    if name.startswith(("kubectl", *filter(None, overridden))) and not _is_own(entry, manager):
        return True
    return operation == "Update" and name.startswith((_FORGOTTEN, manager))
