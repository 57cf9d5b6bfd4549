"""The entries of metadata.managedFields: read, written, sorted, and few enough.

Source: k8s.io/apimachinery pkg/util/managedfields/internal/{managedfields,capmanagers,conflict}.go.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from engine.apiserver.ownership.merge import Owned
from engine.objects.fields import FieldSet

APPLY = "Apply"
UPDATE = "Update"
OLD_UPDATES = "ancient-changes"


class BadManagedFields(ValueError):  # noqa: N818 - as Undecodable: what was found
    """metadata.managedFields is not as it must be."""


class Owner(NamedTuple):
    """What makes an entry one of its own; appliers keep theirs across versions ("" here)."""

    manager: str
    operation: str
    version: str
    subresource: str

    def __str__(self) -> str:
        """`"kubectl" with subresource "status" using v1`, as conflicts call it."""
        text = json.dumps(self.manager, ensure_ascii=False)
        if self.subresource:
            text += f" with subresource {json.dumps(self.subresource)}"
        return f"{text} using {self.version}" if self.operation == UPDATE else text


@dataclass(frozen=True, slots=True)
class Managed:
    """All entries of an object; times: RFC 3339, absent where an entry has none."""

    owned: Mapping[Owner, Owned]
    times: Mapping[Owner, str]

    def entries(self) -> list[dict[str, Any]]:
        """The list in the API server's order: by operation, time, manager, version."""
        return [self._entry(owner) for owner in sorted(self.owned, key=self._order)]

    def _order(self, owner: Owner) -> tuple[str, ...]:
        time = self.times.get(owner, "")
        version = self.owned[owner].version
        return (owner.operation, time, owner.manager, version, owner.subresource)

    def _entry(self, owner: Owner) -> dict[str, Any]:
        owned = self.owned[owner]
        entry = {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": owned.version,
            "time": self.times.get(owner, ""),
            "fieldsType": "FieldsV1",
            "fieldsV1": owned.fields.format(),
            "subresource": owner.subresource,
        }
        return {key: value for key, value in entry.items() if value != ""}

    def capped(self, most: int) -> "Managed":
        """At most this many entries of updates, where that can be.

        The oldest of each version are joined into one entry `ancient-changes`.
        """
        updaters = [owner for owner in self.owned if owner.operation == UPDATE]
        updaters.sort(key=lambda owner: (self.times.get(owner, ""), owner))
        owned, times = dict(self.owned), dict(self.times)
        oldest: dict[str, Owner] = {}  # {version: its oldest entry}
        excess = len(updaters) - most
        for owner in updaters:
            if excess <= 0:
                break
            version = owner.version
            if version not in oldest:
                oldest[version] = owner
                continue
            bucket = Owner(OLD_UPDATES, UPDATE, version, "")
            if owner == bucket:
                continue
            if bucket not in owned:
                owned[bucket] = owned.pop(oldest[version])
            owned[bucket] = owned[bucket].joined(owned.pop(owner).fields)
            times[bucket] = self.times.get(owner, "")
            excess -= 1
        return replace(self, owned=owned, times=times)


def is_reset(entries: Sequence[Mapping[str, Any]] | None) -> bool:
    """Whether the entries ask to be cleared: none at all, or one that is empty."""
    return entries is not None and (not entries or (len(entries) == 1 and not entries[0]))


def parse(entries: Sequence[Mapping[str, Any]] | None) -> Managed:
    """The entries of an object.  Raises BadManagedFields."""
    owned: dict[Owner, Owned] = {}
    times: dict[Owner, str] = {}
    for i, entry in enumerate(entries or ()):
        owner, version = _owner(i, entry)
        try:
            fields = FieldSet.parse(entry.get("fieldsV1") or {})
        except ValueError as error:
            raise BadManagedFields(f"managedFields entry {i}: {error}") from error
        owned[owner] = Owned(fields, version, applied=owner.operation == APPLY)
        if entry.get("time"):
            times[owner] = str(entry["time"])
    return Managed(owned, times)


def parse_or_none(entries: Sequence[Mapping[str, Any]] | None) -> Managed | None:
    """The entries of an object, None where they are bad."""
    try:
        return parse(entries)
    except BadManagedFields:
        return None


def _owner(i: int, entry: Mapping[str, Any]) -> tuple[Owner, str]:
    """Owner and version of the i-th entry."""
    operation = entry.get("operation")
    if operation not in {APPLY, UPDATE}:
        raise BadManagedFields("operation must be `Apply` or `Update`")
    version = entry.get("apiVersion") or ""
    if not version:
        raise BadManagedFields("apiVersion must not be empty")
    kind = entry.get("fieldsType") or ""
    if kind != "FieldsV1":
        what = f'invalid fieldsType "{kind}"' if kind else "missing fieldsType"
        raise BadManagedFields(f"{what} in managed fields entry {i}")
    of = "" if operation == APPLY else version
    manager, subresource = entry.get("manager") or "", entry.get("subresource") or ""
    return Owner(manager, operation, of, subresource), version
