"""Who owns which field: server-side apply and update of whole Kubernetes objects.

    writer = Writer(manager="kubectl", now="2026-01-01T00:00:00Z", subresource="", ignored=EMPTY)
    obj = apply(live, patch, typ, writer, force=False)      # live: the stored object or None
    obj = update(live, new, typ, writer)                    # create (live None), PUT, other PATCHes
    obj = settled(live, obj)                                # after defaulting and admission

In: objects as decoded JSON at one API version (the request's), `typ` from
`typed.openapi.from_openapi(schema, resolve_ref)`, or `typed.type.DEDUCED` for a kind without
schema.
Out: a new object with metadata.managedFields, sharing what is the same with the inputs, which are
never changed.  Defaults, pruning, validation, resourceVersion and uid are the caller's business.
If what `settled` gives equals live, nothing needs to be written.

Raises Conflict (a Refused: code 409, causes in its details), TypeMismatch (the patch does not
conform to its schema; the API server answers 500 `failed to create typed patch object
(NAMESPACE/NAME; GROUP/VERSION, Kind=KIND): TEXT`), BadManagedFields (500 as well).
For update, default `new` first; a dry run is the same call, its result thrown away.
Source: k8s.io/apimachinery pkg/util/managedfields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.apiserver.errors import Refused, bad_request
from engine.apiserver.ownership import last_applied
from engine.apiserver.ownership.entries import (
    APPLY,
    UPDATE,
    Managed,
    Owner,
    is_reset,
    parse,
    parse_or_none,
)
from engine.apiserver.ownership.merge import Contested, Merger, Owned, State
from engine.apiserver.typed.compare import equal
from engine.apiserver.typed.schema import TypeMismatch
from engine.apiserver.typed.type import Type
from engine.objects.field_path import field_element, path_text
from engine.objects.fields import EMPTY, FieldSet
from engine.objects.ref import Object

MOST_UPDATERS = 10  #: upstream's DefaultMaxUpdateManagers

_NEVER_OWNED = FieldSet.of(
    tuple(map(field_element, path.split(".")))
    for path in (
        "apiVersion",
        "kind",
        "metadata",
        "metadata.name",
        "metadata.namespace",
        "metadata.creationTimestamp",
        "metadata.selfLink",
        "metadata.uid",
        "metadata.clusterName",
        "metadata.generation",
        "metadata.managedFields",
        "metadata.resourceVersion",
    )
)
_SELF = Owner("", "", "", "")  # the update under way, until it is known to have changed something


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and when.

    manager: the field manager ("unknown" if empty).   now: RFC 3339, UTC, whole seconds.
    subresource: "" or e.g. "status".   ignored: fields that this request cannot write (spec and
    metadata for status, status for the main resource), so that they are not owned by it.
    """

    manager: str
    now: str
    subresource: str = ""
    ignored: FieldSet = EMPTY

    def owner(self, operation: str, version: str) -> Owner:
        """The entry that this writer writes to; appliers have one for all versions."""
        of = "" if operation == APPLY else version
        return Owner(self.manager or "unknown", operation, of, self.subresource)


class Conflict(Refused):
    """Other managers own what an apply would change."""

    def __init__(self, contested: Contested[Owner]) -> None:
        """contested: who owns which path."""
        causes = [
            {
                "reason": "FieldManagerConflict",
                "message": f"conflict with {owner}",
                "field": path_text(path),
            }
            for owner, path in contested.by
        ]
        super().__init__(409, "Conflict", _conflict_text(contested), {"causes": causes})
        self.by = [(owner.manager, path_text(path)) for owner, path in contested.by]


def _conflict_text(contested: Contested[Owner]) -> str:
    if len(contested.by) == 1:
        owner, path = contested.by[0]
        return f"Apply failed with 1 conflict: conflict with {owner}: {path_text(path)}"
    lines: list[str] = []
    for owner, path in contested.by:
        heading = f"conflicts with {owner}:"
        if heading not in lines:
            lines.append(heading)
        lines.append(f"- {path_text(path)}")
    return f"Apply failed with {len(contested.by)} conflicts: " + "\n".join(lines)


def apply(
    live: Object | None, patch: Object, typ: Type, writer: Writer, *, force: bool = False
) -> dict[str, Any]:
    """`live` with `patch` applied by `writer`.

    An applier's time moves only if a value changed.  An object without managedFields first gets
    an entry `before-first-apply` for all that it has.
    Raises Conflict unless `force`, TypeMismatch, Refused (400), BadManagedFields.
    """
    version = patch["apiVersion"]
    if _entries(patch) is not None:
        raise bad_request("metadata.managedFields must be nil")
    if live is not None and live["apiVersion"] != version:
        raise bad_request(
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {version}, expected: {live['apiVersion']}"
        )
    typ.validate(dict(patch))
    empty = _empty(patch, typ)
    base = _unmanaged(live) if live is not None else empty
    managed = parse(_entries(live))
    if not managed.owned and live is not None:
        first = Writer("before-first-apply", writer.now, writer.subresource, writer.ignored)
        managed = _updated(managed, (empty, base), typ, first)
    owner = writer.owner(APPLY, version)
    merger = _merger(typ, writer, managed, version)
    state = State(base, managed.owned)
    try:
        state = merger.apply(state, patch, version, owner, force=force)
    except Contested as contested:
        contested = _left(contested, base, typ, writer)
        if contested.by:
            raise Conflict(contested) from contested
        state = merger.apply(state, patch, version, owner, force=True)
    times = managed.times if state.value is base else {**managed.times, owner: writer.now}
    obj = _written(state.value, Managed(_stripped(state.owners, owner), times))
    if writer.manager == last_applied.MANAGER:
        obj = last_applied.followed(obj, patch)
    return obj


def _left(contested: Contested[Owner], live: Object, typ: Type, writer: Writer) -> Contested[Owner]:
    """What is contested even if kubectl may take what it once applied on its own side."""
    if writer.manager != last_applied.MANAGER:
        return contested
    mine = last_applied.may_take(live, typ)
    return Contested({owner: of.difference(mine) for owner, of in contested.fields.items()})


def _merger(typ: Type, writer: Writer, managed: Managed, version: str) -> Merger:
    versions = {version, *(owned.version for owned in managed.owned.values())}
    # Kubernetes 1.36 has structured-merge-diff v6.3.3, where what an apply empties becomes null.
    return Merger(typ, dict.fromkeys(versions, writer.ignored), emptied=False)


def update(live: Object | None, new: Object, typ: Type, writer: Writer) -> dict[str, Any]:
    """`new`, its managedFields telling that `writer` wrote what differs from `live`.

    Entries that `new` brings itself replace live's (not on a subresource); an empty list, or one
    empty entry, clears them.  An object that lost its entries is no longer tracked until it is
    applied.  Never fails: if `new` does not conform to its type, live's entries stay.
    """
    base = _unmanaged(new)
    before = _empty(new, typ) if live is None else _unmanaged(live)
    managed = _starting(live, new, writer)
    if not managed.owned and live is not None:
        return _written(base, managed)
    try:
        managed = _updated(managed, (before, base), typ, writer)
    except TypeMismatch:
        managed = parse_or_none(_entries(live)) or Managed({}, {})
    return _written(base, managed.capped(MOST_UPDATERS))


def settled(live: Object | None, new: Object) -> Object:
    """`new`, with live's managedFields if nothing but their times differs from live.

    So a write that changes nothing changes no time either, and can be left out.
    """
    if live is None:
        return new
    old, fresh = _entries(live), _entries(new)
    if old == fresh or not equal(_timeless(old), _timeless(fresh)):
        return new
    if not equal(_unmanaged(live), _unmanaged(new)):
        return new
    return {**new, "metadata": {**new["metadata"], "managedFields": old}}


def _starting(live: Object | None, new: Object, writer: Writer) -> Managed:
    """The entries that an update begins with."""
    nothing = Managed({}, {})
    if not writer.subresource:
        given = _entries(new)
        if is_reset(given):
            return nothing
        managed = parse_or_none(given)
        if managed is not None and managed.owned:
            return managed
    return parse_or_none(_entries(live)) or nothing


def _updated(
    managed: Managed, pair: tuple[dict[str, Any], dict[str, Any]], typ: Type, writer: Writer
) -> Managed:
    """The entries after an update from the first to the second of `pair`."""
    before, after = pair
    version = after["apiVersion"]
    state = _merger(typ, writer, managed, version).update(
        State(before, managed.owned), after, version, _SELF
    )
    owned = _stripped(state.owners, _SELF)
    mine = owned.pop(_SELF, None)
    if mine is None:
        return Managed(owned, managed.times)
    owner = writer.owner(UPDATE, version)
    if owner in owned:
        mine = mine.joined(owned[owner].fields)
    return Managed({**owned, owner: mine}, {**managed.times, owner: writer.now})


def _stripped(owners: Mapping[Owner, Owned], owner: Owner) -> dict[Owner, Owned]:
    """The owners, `owner` without what nobody owns (and gone if nothing is left)."""
    out = dict(owners)
    owned = out.pop(owner, None)
    if owned is not None:
        fields = owned.fields.difference(_NEVER_OWNED)
        if fields:
            out[owner] = replace(owned, fields=fields)
    return out


def _empty(like: Object, typ: Type) -> dict[str, Any]:
    return {**typ.blank, "apiVersion": like["apiVersion"], "kind": like["kind"]}


def _entries(obj: Object | None) -> Any:
    """metadata.managedFields; None if there is none."""
    return None if obj is None else (obj.get("metadata") or {}).get("managedFields")


def _unmanaged(obj: Object) -> dict[str, Any]:
    """The object without managedFields, sharing the rest."""
    if _entries(obj) is None:
        return dict(obj)
    rest = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": rest}


def _written(value: Any, managed: Managed) -> dict[str, Any]:
    """The object with these entries (without the list if there are none)."""
    entries = managed.entries()
    if not entries:
        return dict(value)
    return {**value, "metadata": {**(value.get("metadata") or {}), "managedFields": entries}}


def _timeless(entries: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in entry.items() if k != "time"} for entry in entries or ()]
