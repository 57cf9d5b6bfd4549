"""A cluster in memory behind the engine's Client: enough of Kubernetes to apply and prune on.

An apply merges and records what its manager sent; it knows no defaults and no admission.  What a
test wants refused is said with `refuse`; `tests/cluster` has the real thing.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from itertools import count
from typing import Any, cast

from engine.cluster import (
    AlreadyExists,
    ApiError,
    Client,
    Conflict,
    Forbidden,
    Invalid,
    Resource,
    UnknownKind,
)
from engine.cluster.allowance import Room
from engine.cluster.client import Listing, Query
from engine.cluster.endpoint import Endpoint
from engine.cluster.errors import Cause, NotFound
from engine.objects.patch import json_patch, merge_patch
from engine.objects.ref import Object, Ref
from engine.runtime import Priority
from tests.support.memory_wire import Line, Place, Wire, selects, twin


class MemoryClient:
    """Objects by Ref; `calls` tells what was asked, such as `apply ConfigMap/ns/a`."""

    def __init__(self, *objects: Object, kinds: Sequence[Resource] = ()) -> None:
        self.kinds = {(kind.group, kind.kind): kind for kind in (*KINDS, *kinds)}
        self.objects: dict[Ref, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.discovery = self
        self.invalidated = 0
        self.user = ""
        self.breaker: Any = None
        self.doubtful_until = float("-inf")
        self.endpoint = Endpoint("memory")
        self.room = Room(self.endpoint.allowance.list_objects)
        self._forbidden: set[tuple[str, str, str]] = set()
        self._numbers = count(1)
        self._refusals: dict[str, list[Exception | None]] = {}
        self._before: dict[str, Callable[[], object]] = {}
        self._after: dict[str, Callable[[], Awaitable[object]]] = {}
        self.wire = Wire()
        for obj in objects:
            self.put(obj)

    def as_client(self) -> Client:
        """The same, as the engine's types want it."""
        return cast("Client", self)

    def put(self, obj: Object) -> dict[str, Any]:
        """Stores an object as somebody else's write."""
        return self._stored(twin(dict(obj)))

    def refuse(self, call: str, *errors: Exception | None) -> None:
        """The next requests like `dry-run ConfigMap/ns/a` fail with these; None: it is allowed."""
        self._refusals.setdefault(call, []).extend(errors)

    def before(self, call: str, work: Callable[[], object]) -> None:
        """Once, right before such a request, this happens."""
        self._before[call] = work

    def after(self, call: str, work: Callable[[], Awaitable[object]]) -> None:
        """Once, between such an apply and its answer, this happens."""
        self._after[call] = work

    def writes(self) -> list[str]:
        """What changed something."""
        return [
            call
            for call in self.calls
            if call.split()[0]
            not in ("get", "dry-run", "try-delete", "list", "probe", "as", "may", "watch")
        ]

    # As Discovery

    async def resource(self, group: str, version: str | None, kind: str) -> Resource:
        found = self.kinds.get((group, kind))
        if found is None:
            raise UnknownKind(f"no kind {kind!r} in {group}/{version}")
        return found

    async def existing(self, group: str, version: str, kind: str) -> Resource:
        return await self.resource(group, version, kind)

    def invalidate(self) -> None:
        self.invalidated += 1

    # As Client

    async def ping(self) -> None:
        self._called("ping")

    def doubt(self, until: float) -> None:
        self.doubtful_until = until

    def at(self, priority: Priority, tenant: str | None = None) -> "MemoryClient":
        return self

    def impersonating(self, user: str) -> "MemoryClient":
        self.calls.append(f"as {user}")
        view = copy(self)
        view.user = user
        return view

    def forbid(self, user: str, kind: str, namespace: str = "") -> None:
        """From now on that identity may do nothing with the kind there."""
        self._forbidden.add((user, kind, namespace))

    async def get(
        self, resource: Resource, namespace: str, name: str, *, metadata_only: bool = False
    ) -> dict[str, Any] | None:
        del metadata_only  # the rest does not mislead who asks for less
        ref = _ref(resource, namespace, name)
        self._call("get", ref)
        return twin(self.objects.get(ref))

    async def list(self, resource: Resource, namespace: str = "", **query: Any) -> Listing:
        self._called(f"list {resource.kind}")
        selector = query.get("label_selector", "")
        items = [
            twin(obj)
            for ref, obj in self.objects.items()
            if (ref.group, ref.kind) == (resource.group, resource.kind) and selects(selector, obj)
        ]
        return Listing(tuple(items), str(self.wire.version))

    async def pages(
        self, resource: Resource, namespace: str = "", **query: Any
    ) -> AsyncGenerator[Listing, None]:
        yield await self.list(resource, namespace, **query)

    @asynccontextmanager
    async def stream(
        self, resource: Resource, namespace: str, query: Query, parameters: Mapping[str, str]
    ) -> AsyncIterator[Line]:
        """A watch, if it streams what exists or goes on from a version."""
        self._called(f"watch {resource.kind}")
        name = query.get("field_selector", "").removeprefix("metadata.name=")
        place = Place(resource, namespace, name, query.get("label_selector", ""))
        yield Line(self.objects, self.wire, place, parameters)

    async def create(self, resource: Resource, obj: Object, **write: Any) -> dict[str, Any]:
        if resource.kind == "SelfSubjectAccessReview":
            return self._reviewed(obj)
        ref = _ref(resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        self._call("probe" if write.get("dry_run") else "create", ref)
        if ref in self.objects:
            raise AlreadyExists(409, "AlreadyExists", f"{ref} already exists")
        body = twin(dict(obj))
        return body if write.get("dry_run") else self._stored(body)

    def _reviewed(self, review: Object) -> dict[str, Any]:
        asked = review["spec"]["resourceAttributes"]
        verb, plural = asked["verb"], asked["resource"]
        namespace, name = asked.get("namespace", ""), asked.get("name", "")
        self._called(f"may {verb} {plural} {namespace}/{name}".rstrip("/"))
        kinds = (each.kind for each in self.kinds.values() if each.plural == plural)
        allowed = (self.user, next(kinds), namespace) not in self._forbidden
        return {**review, "status": {"allowed": allowed}}

    async def apply(
        self, resource: Resource, obj: Object, *, manager: str, dry_run: bool = False, **_: Any
    ) -> dict[str, Any]:
        metadata = dict(obj["metadata"])
        uid = metadata.pop("uid", "")
        ref = _ref(resource, metadata.get("namespace", ""), metadata["name"])
        self._call("dry-run" if dry_run else "apply", ref)
        live = self.objects.get(ref)
        if live is None and uid:
            raise Conflict(409, "Conflict", "uid mismatch: no existing object was found")
        if live is not None and uid and uid != live["metadata"]["uid"]:
            text = "metadata.uid: Invalid value: field is immutable"
            raise Invalid(422, "Invalid", text, (Cause("metadata.uid", "FieldValueInvalid", ""),))
        result = merge_patch(live or {}, {**obj, "metadata": metadata})
        fields = {"manager": manager, "operation": "Apply", "fieldsV1": _fields(obj)}
        others = [
            each
            for each in (live or {}).get("metadata", {}).get("managedFields") or ()
            if (each["manager"], each["operation"]) != (manager, "Apply")
        ]
        result["metadata"]["managedFields"] = [fields, *others]
        if live is not None and result == live:
            return twin(live)
        if dry_run:
            return dict(result)
        answer: dict[str, Any] = self._stored(result)
        if work := self._after.pop(f"apply {ref}", None):
            await work()
        return answer

    async def merge_patch(
        self, resource: Resource, namespace: str, name: str, patch: Object, **write: Any
    ) -> dict[str, Any]:
        ref = _ref(resource, namespace, name)
        self._call("patch", ref)
        live = self.objects.get(ref)
        if live is None:
            raise NotFound(404, "NotFound", f"{ref} not found")
        for key in ("uid", "resourceVersion"):
            if patch["metadata"].get(key, live["metadata"][key]) != live["metadata"][key]:
                raise Conflict(409, "Conflict", f"{key} differs")
        return self._stored(merge_patch(live, patch))

    async def json_patch(
        self, resource: Resource, namespace: str, name: str, operations: Any, **_: Any
    ) -> dict[str, Any]:
        ref = _ref(resource, namespace, name)
        self._call("json-patch", ref)
        return self._stored(json_patch(self.objects[ref], operations))

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
    ) -> None:
        ref = _ref(resource, namespace, name)
        self._call("delete", ref)
        live = self.objects.get(ref)
        if live is None:
            return
        metadata = live["metadata"]
        if uid not in ("", metadata["uid"]) or resource_version not in (
            "",
            metadata["resourceVersion"],
        ):
            raise Conflict(409, "Conflict", "precondition failed")
        if metadata.get("finalizers"):
            self._stored({**live, "metadata": {**metadata, "deletionTimestamp": "now"}})
        else:
            self.remove(ref)

    async def try_delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        ref = _ref(resource, namespace, name)
        self._call("try-delete", ref)
        live = self.objects.get(ref)
        if live is not None and uid not in ("", live["metadata"]["uid"]):
            raise Conflict(409, "Conflict", "precondition failed")

    def remove(self, ref: Ref) -> None:
        """Somebody deletes an object."""
        old = self.objects.pop(ref)
        number = str(next(self._numbers))
        self.wire.note(
            int(number), old, {**old, "metadata": {**old["metadata"], "resourceVersion": number}}
        )

    def _call(self, verb: str, ref: Ref) -> None:
        self._called(f"{verb} {ref}")
        if (self.user, ref.kind, ref.namespace) in self._forbidden:
            text = f"{ref.kind} is forbidden: User {self.user!r} cannot do that"
            raise Forbidden(403, "Forbidden", text)

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if work := self._before.pop(call, None):
            work()
        if errors := self._refusals.get(call):
            error = errors.pop(0)
            if error is not None:
                raise error

    def _stored(self, obj: dict[str, Any]) -> dict[str, Any]:
        number = str(next(self._numbers))
        metadata = obj["metadata"]
        metadata.setdefault("uid", f"uid-{number}")
        metadata["resourceVersion"] = number
        ref = Ref.of(obj)
        self.wire.note(int(number), self.objects.get(ref), obj, is_there=True)
        self.objects[ref] = obj
        return twin(obj)


def kind(api_version: str, name: str, plural: str, *, namespaced: bool = True) -> Resource:
    """A served kind."""
    group, _, version = api_version.rpartition("/")
    return Resource(group, version, name, plural, namespaced)


KINDS = (
    kind("v1", "ConfigMap", "configmaps"),
    kind("v1", "Secret", "secrets"),
    kind("v1", "Pod", "pods"),
    kind("v1", "ServiceAccount", "serviceaccounts"),
    kind("v1", "Namespace", "namespaces", namespaced=False),
    kind("apps/v1", "Deployment", "deployments"),
    kind("apps/v1", "StatefulSet", "statefulsets"),
    kind("batch/v1", "Job", "jobs"),
    kind(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
    ),
    kind("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomizations"),
)


def invalid(text: str = "spec.x: Invalid value: may not change") -> ApiError:
    """The refusal of a field."""
    return Invalid(422, "Invalid", text)


def _ref(resource: Resource, namespace: str, name: str) -> Ref:
    return Ref(resource.group, resource.kind, namespace if resource.namespaced else "", name)


def _fields(obj: Mapping[str, Any]) -> dict[str, Any]:
    """What an apply of the object owns, as fieldsV1 (lists are leaves here)."""
    return {
        f"f:{key}": _fields(value) if isinstance(value, dict) else {}
        for key, value in obj.items()
        if key not in ("apiVersion", "kind", "name", "namespace", "uid")
    }
