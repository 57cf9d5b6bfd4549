"""Creating and changing objects: decode, default, own, prepare, validate, store.

Source: apiserver registry/generic (Create, Update), endpoints/handlers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.apiserver.decoding.decoding import NotHandled, decoded
from engine.apiserver.decoding.defaulting import defaulted
from engine.apiserver.defaults.kinds import fill_defaults
from engine.apiserver.errors import (
    Cause,
    Refused,
    already_exists,
    bad_request,
    invalid,
    invalid_value,
    not_found,
)
from engine.apiserver.kinds import definitions
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.kinds.versions import kept, shown
from engine.apiserver.operations.namespaces import check_namespace
from engine.apiserver.operations.options import WriteOptions
from engine.apiserver.operations.preconditions import (
    Target,
    check_no_uid,
    check_revision,
    check_uid,
)
from engine.apiserver.operations.preparing import prepare_create, prepare_status, prepare_update
from engine.apiserver.ownership.ownership import Ownership
from engine.apiserver.state import State
from engine.apiserver.storage.store import Key, Record
from engine.apiserver.typed.compare import equal
from engine.apiserver.validation.checking import check_object
from engine.apiserver.validation.definitions import check_definition
from engine.apiserver.validation.immutable import check_change
from engine.apiserver.validation.metadata import (
    check_metadata,
    check_metadata_update,
    kept_metadata,
    new_metadata,
)
from engine.apiserver.validation.rules import check_kind
from engine.objects.ref import Object


@dataclass(frozen=True, slots=True)
class Written:
    """The answer to a write: the object as the store has it (or would), 200 or 201, warnings."""

    obj: Object
    code: int = 200
    warnings: list[str] = field(default_factory=list)


Edit = Callable[[Object | None], tuple[dict[str, Any], list[str]]]
"""From the live object at the request's version to the new one, with managedFields; warnings."""


@dataclass(slots=True)
class Writing:
    """Writes to one server's state."""

    state: State
    ownership: Ownership

    def create(self, target: Target, raw: Any, options: WriteOptions) -> Written:
        """POST.  target.name: "" or the name in the body."""
        resource = target.resource
        obj, warnings = self._decoded(raw, resource, options)
        if obj["metadata"].get("resourceVersion"):
            text = "resourceVersion should not be set on objects to be created"
            raise Refused(500, "", text)
        obj = self.ownership.updated(None, obj, resource, self._writer(target, options))
        return self._create(target, obj, warnings, dry_run=options.dry_run)

    def replace(self, target: Target, raw: Any, options: WriteOptions) -> Written:
        """PUT.  Raises Refused: 404, 409, 422."""
        given, warnings = self._decoded(raw, target.resource, options)
        name = given["metadata"].get("name")
        if name != target.name:
            raise bad_request(
                f"the name of the object ({name or ''}) does not match the name on the URL"
                f" ({target.name})"
            )

        def edit(live: Object | None) -> tuple[dict[str, Any], list[str]]:
            check_uid(target, given, live)
            writer = self._writer(target, options)
            return self.ownership.updated(live, given, target.resource, writer), warnings

        return self.change(target, edit, dry_run=options.dry_run, may_create=self._upserts(target))

    def apply(self, target: Target, patch: dict[str, Any], options: WriteOptions) -> Written:
        """Server-side apply: creates or merges.  Raises Refused: 409 for contested fields."""
        resource = target.resource

        def edit(live: Object | None) -> tuple[dict[str, Any], list[str]]:
            writer = self._writer(target, options)
            force = bool(options.force)
            merged = self.ownership.applied(live, patch, resource, writer, force=force)
            if live is not None and equal(live, self.ownership.settled(live, merged)):
                return dict(live), []
            obj, _ = self._decoded(merged, resource, options)
            return obj, []

        if self.state.store.get(target.key) is None:
            check_no_uid(target, patch)
        return self.change(target, edit, dry_run=options.dry_run, may_create=True)

    def patched(
        self, target: Target, patch: Callable[[Object], Any], options: WriteOptions
    ) -> Written:
        """Another PATCH; patch: from the live object at the request's version to a new one."""

        def edit(live: Object | None) -> tuple[dict[str, Any], list[str]]:
            raw = patch(live or {})
            try:
                obj, warnings = self._decoded(raw, target.resource, options)
            except NotHandled as error:
                raise _bad_patch(raw, error) from error
            writer = self._writer(target, options)
            return self.ownership.updated(live, obj, target.resource, writer), warnings

        return self.change(target, edit, dry_run=options.dry_run)

    def change(
        self, target: Target, edit: Edit, *, dry_run: bool = False, may_create: bool = False
    ) -> Written:
        """Edit the live object, or what is there instead of one, and store the result."""
        record = self.state.store.get(target.key)
        if record is None:
            if not may_create or target.subresource:
                resource = target.resource
                raise not_found(resource.plural, resource.group, target.name)
            obj, warnings = edit(None)
            obj["metadata"].setdefault("name", target.name)
            return self._create(target, obj, warnings, dry_run=dry_run)
        live = shown(record.obj, target.resource)
        obj, warnings = edit(live)
        return self._update(target, record, live, (obj, warnings), dry_run=dry_run)

    def _create(
        self, target: Target, obj: dict[str, Any], warnings: list[str], *, dry_run: bool
    ) -> Written:
        resource, state = target.resource, self.state
        obj["metadata"] = new_metadata(obj, resource, target.namespace, state)
        name = obj["metadata"].get("name") or ""
        check_namespace(state, resource, target.namespace, name)
        key = Key(resource.key, target.namespace, name)
        prepare_create(obj, resource, state)
        obj = self._defaulted(obj, resource)
        self._refuse_invalid(obj, resource, name, self._faults(obj, resource))
        if state.store.get(key) is not None:
            raise already_exists(resource.plural, resource.group, name)
        stored = kept(obj, resource)
        if not dry_run:
            stored = state.store.put(key, stored).obj
        return Written(stored, 201, warnings)

    def _update(
        self,
        target: Target,
        record: Record,
        live: Object,
        edited: tuple[dict[str, Any], list[str]],
        *,
        dry_run: bool,
    ) -> Written:
        (obj, warnings), resource, state = edited, target.resource, self.state
        if equal(obj, live):
            return Written(record.obj, 200, warnings)
        check_revision(target, obj, live)
        obj["metadata"] = kept_metadata(obj, live, resource)
        if target.subresource == "status":
            obj = prepare_status(obj, live, resource)
        else:
            prepare_update(obj, live, resource, state)
        obj = self._defaulted(obj, resource)
        new = self.ownership.settled(live, obj)
        if new == live and equal(new, live):  # to Python alone, true is 1
            return Written(record.obj, 200, warnings)
        causes = [*check_metadata_update(new, live), *self._faults(new, resource, live)]
        self._refuse_invalid(new, resource, target.name, iter(causes))
        if is_finished(new):
            if not dry_run:
                state.store.delete(record.key)
            return Written(kept(new, resource, record.obj), 200, warnings)
        stored = kept(new, resource, record.obj)
        if not dry_run:
            stored = state.store.put(record.key, stored).obj
        return Written(stored, 200, warnings)

    def _faults(
        self, obj: Object, resource: Resource, old: Object | None = None
    ) -> Iterator[Cause]:
        yield from check_metadata(obj, resource)
        if resource.custom:
            if resource.schema is not None:
                yield from check_object(obj, resource.schema)
            return
        yield from check_kind(obj, resource.key)
        if old is not None:
            yield from check_change(obj, old, resource.key)
        if resource.key == definitions.KEY:
            yield from check_definition(obj)

    def _refuse_invalid(
        self, obj: Object, resource: Resource, name: str, causes: Iterator[Cause]
    ) -> None:
        found = list(causes)
        if found:
            raise invalid(
                resource.kind,
                resource.group,
                name or obj["metadata"].get("generateName", ""),
                found,
            )

    def _decoded(
        self, raw: Any, resource: Resource, options: WriteOptions
    ) -> tuple[dict[str, Any], list[str]]:
        obj, warnings = decoded(raw, resource, self.state.schemas, options.validation)
        if not resource.custom:
            fill_defaults(obj, resource.key)
        return obj, warnings

    def _defaulted(self, obj: dict[str, Any], resource: Resource) -> dict[str, Any]:
        """A CRD may have defaults for the status that was just taken away."""
        if resource.schema is None:
            return obj
        out: dict[str, Any] = defaulted(obj, resource.schema, self.state.schemas)
        return out

    def _writer(self, target: Target, options: WriteOptions) -> Any:
        now = self.state.now()
        return self.ownership.writer(options.manager, now, target.resource, target.subresource)

    def _upserts(self, target: Target) -> bool:
        return target.resource.key in _UPSERTED


# Source: AllowCreateOnUpdate of the strategies.
_UPSERTED = frozenset(
    {
        "clusterrolebindings.rbac.authorization.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "endpoints",
        "events",
        "leases.coordination.k8s.io",
        "limitranges",
        "rolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
    }
)


def _bad_patch(raw: Any, error: NotHandled) -> Refused:
    """422: what a patch made of the object is no object of its kind."""
    text = orjson.dumps(raw).decode()
    return invalid("", "", "", [invalid_value("patch", text, error.why)])


def is_finished(obj: Object) -> bool:
    """Whether nothing holds back the deletion of an object any longer."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    spec = obj.get("spec")
    if obj["kind"] == "Namespace" and obj["apiVersion"] == "v1":
        return not (spec or {}).get("finalizers")
    return True
