"""The seam to structured merge: the type and the fields of each resource, and who writes.

In: live and new objects at the request's version.  Out: an object with managedFields that is the
caller's own to change.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from engine.apiserver.errors import Refused
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.kinds.schemas import Schemas
from engine.apiserver.ownership import managers
from engine.apiserver.ownership.blank import blank
from engine.apiserver.ownership.managers import Writer
from engine.apiserver.typed.openapi import from_openapi
from engine.apiserver.typed.schema import TypeMismatch
from engine.apiserver.typed.type import DEDUCED, Type
from engine.objects.fields import EMPTY, FieldSet
from engine.objects.ref import Object

_STATUS = FieldSet.of([("f:status",)])
_ALL_BUT_STATUS = FieldSet.of([("f:metadata",), ("f:spec",)])
# Source: GetResetFields of the built-in status strategies, which let annotations through.
_SPEC_AND_LABELS = FieldSet.of([("f:spec",), ("f:metadata", "f:labels")])


@dataclass(slots=True)
class Ownership:
    """Server-side apply and update for all resources; types are made once."""

    schemas: Schemas
    _types: dict[tuple[str, str], tuple[Resource, Type]] = field(default_factory=dict)

    def applied(
        self, live: Object | None, patch: Object, resource: Resource, writer: Writer, *, force: bool
    ) -> dict[str, Any]:
        """`live` with `patch` applied.

        Raises Refused: 409 with the owners of contested fields, 500 for what has no such type.
        """
        try:
            return managers.apply(live, patch, self._type(resource), writer, force=force)
        except TypeMismatch as error:
            metadata = patch.get("metadata") or {}
            where = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
            # The real server has no reason and no better code for this.
            raise Refused(
                500,
                "",
                f"failed to create typed patch object ({where}; {resource.group_version},"
                f" Kind={resource.kind}): {error}",
            ) from error

    def updated(
        self, live: Object | None, new: Object, resource: Resource, writer: Writer
    ) -> dict[str, Any]:
        """`new`, its managedFields telling what `writer` changed."""
        return managers.update(live, new, self._type(resource), writer)

    def settled(self, live: Object | None, new: Object) -> Object:
        """`new`, with live's managedFields if nothing but their times differs."""
        return managers.settled(live, new)

    def writer(self, manager: str, now: str, resource: Resource, subresource: str) -> Writer:
        """Who writes, and which fields the request cannot write."""
        return Writer(manager, now, subresource, _ignored(resource, subresource))

    def _type(self, resource: Resource) -> Type:
        name = (resource.key, resource.version)
        known = self._types.get(name)
        if known is None or known[0] is not resource:
            known = self._types[name] = (resource, self._made(resource))
        return known[1]

    def _made(self, resource: Resource) -> Type:
        node = self.schemas.of(resource)
        if node is None:
            return DEDUCED
        found = from_openapi(node, self.schemas.named)
        return found if resource.custom else replace(found, blank=blank(resource.definition))


def _ignored(resource: Resource, subresource: str) -> FieldSet:
    if subresource == "status":
        return _ALL_BUT_STATUS if resource.custom else _SPEC_AND_LABELS
    return _STATUS if resource.has_status else EMPTY
