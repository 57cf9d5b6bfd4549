"""Asks the API server: one method a verb, each request limited, fenced, retried and counted.

No method takes a deadline: the caller sets one with anyio's `fail_after`, and a cancelled request
is given up at once.  Views (`at`, `impersonating`, `fenced`) are cheap and share the session.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from random import Random
from typing import Any, TypedDict, Unpack

import orjson

from engine.cluster.breaker import Breaker
from engine.cluster.discovery import Discovery
from engine.cluster.endpoint import Endpoint
from engine.cluster.errors import ApiError, Gone, NotFound
from engine.cluster.limiter import Limiter
from engine.cluster.resource import Resource
from engine.cluster.sender import Line, Report, Sender, Statistics
from engine.cluster.transport import Request, Stream, Transport
from engine.objects.ref import Object
from engine.runtime.clock import Clock
from engine.runtime.priority import Priority

PAGE = 500  # client-go's page size
_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"


class Query(TypedDict, total=False):
    """What narrows a list or a watch."""

    label_selector: str
    field_selector: str
    resource_version: str  #: "0": as old as the server's cache may be
    limit: int  #: objects a page, 0 = all in one
    metadata_only: bool  #: leave everything but apiVersion, kind and metadata out


class Write(TypedDict, total=False):
    """How a change is written."""

    field_manager: str
    dry_run: bool  #: say what would come of it, and change nothing
    subresource: str
    field_validation: str  #: Strict, Warn or Ignore


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects of one kind, and the resource version at which they were so."""

    items: tuple[dict[str, Any], ...]
    resource_version: str


@asynccontextmanager
async def connected(
    endpoint: Endpoint,
    clock: Clock,
    random: Random,
    *,
    limiter: Limiter | None = None,
    observer: Callable[[Report], None] | None = None,
    role: str = "",
) -> "AsyncIterator[Client]":
    """A Client whose connections are closed on leaving.

    observer: called after each request.   role: what audit logs are to call us beside the name and
    version, as the controller whose work is done here.
    """
    agent = f"lockstep/{version('lockstep')}" + (f" ({role})" if role else "")
    transport = Transport(endpoint, clock, agent)
    limiter = limiter or Limiter(clock)
    try:
        yield Client(Sender(Line(transport, clock, random, limiter, observer)))
    finally:
        await transport.close()


class Client:
    """One identity at one API server; made by `connected` and by its own views."""

    def __init__(self, sender: Sender, discovery: Discovery | None = None) -> None:
        """Not for callers: see `connected`."""
        self._sender = sender
        self.discovery = discovery or Discovery(self.document, sender.line.clock)

    # Views

    def at(self, priority: Priority, tenant: str | None = None) -> "Client":
        """The same with requests of that priority.

        tenant: the namespace on whose behalf they are, "" for the engine's own; None: as before.
        """
        whose = self._sender.tenant if tenant is None else tenant
        sender = replace(self._sender, priority=priority, tenant=whose)
        return Client(sender, self.discovery)

    def impersonating(self, user: str) -> "Client":
        """The same, acting as `user` (`system:serviceaccount:<namespace>:<name>`)."""
        return Client(replace(self._sender, headers={"Impersonate-User": user}), self.discovery)

    def fenced(self, fence: Callable[[], None] | None) -> "Client":
        """The same, calling `fence` right before each write; it raises LeaseLost to forbid it."""
        return Client(replace(self._sender, fence=fence), self.discovery)

    @property
    def endpoint(self) -> Endpoint:
        """The API server."""
        return self._sender.line.transport.endpoint

    @property
    def user(self) -> str:
        """Whom it impersonates, "" for nobody."""
        return self._sender.headers.get("Impersonate-User", "")

    @property
    def priority(self) -> Priority:
        """Of this view's requests."""
        return self._sender.priority

    @property
    def doubtful_until(self) -> float:
        """Monotonic instant until which a fenced write that was given up may still be acted on."""
        return self._sender.line.doubtful_until

    @property
    def breaker(self) -> Breaker | None:
        """What stops asking while the API server is silent, None if nothing does."""
        return self._sender.line.limiter.breaker

    async def ping(self) -> None:
        """Returns if the API server answers one request, see `Sender.ping`.  Raises ApiError."""
        await self._sender.ping()

    def doubt(self, until: float) -> None:
        """A write of ours to another cluster may be acted on until that monotonic instant, too."""
        self._sender.line.doubtful_until = max(self._sender.line.doubtful_until, until)

    # Reading

    async def resource(self, api_version: str, kind: str) -> Resource:
        """The served kind of an object.  Raises UnknownKind."""
        group, _, version = api_version.rpartition("/")
        return await self.discovery.resource(group, version, kind)

    async def document(self, path: str, accept: str = "application/json") -> Any:
        """The decoded JSON at any path: /version, /openapi/v3, discovery."""
        request = Request("get", "GET", path, accept=accept, title=path.split("?")[0])
        return await self._asked(request)

    async def _asked(self, request: Request) -> Any:
        """The decoded answer.  Raises ApiError if a proxy or a portal answered instead."""
        answer = await self._sender.call(request)
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            kind = answer.headers.get("Content-Type", "unknown type").partition(";")[0]
            text = f"not JSON but {len(answer.body)} bytes of {kind}"  # which may hold secrets
            place = f"{request.method} {self.endpoint.host}{request.path}"
            raise ApiError(answer.status, "", f"{place}: {text}") from error

    async def get(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        subresource: str = "",
        metadata_only: bool = False,
    ) -> dict[str, Any] | None:
        """The object, None if there is none."""
        request = Request(
            "get",
            "GET",
            resource.path(namespace, name, subresource),
            accept=_METADATA.format("") if metadata_only else "application/json",
            title=resource.title,
        )
        try:
            return _typed(await self._asked(request), resource, metadata_only)
        except NotFound:
            return None

    async def list(
        self, resource: Resource, namespace: str = "", **query: Unpack[Query]
    ) -> Listing:
        """All objects that match, page by page; from the start again if a page came too late.

        namespace: empty: all namespaces.
        """
        path = resource.path(namespace)
        try:
            return await self._pages(resource, path, query)
        except Gone:
            query = {**query, "resource_version": "", "limit": 0}
            return await self._pages(resource, path, query)

    async def _pages(self, resource: Resource, path: str, query: Query) -> Listing:
        items: list[dict[str, Any]] = []
        parameters = parameters_of(query)
        if limit := query.get("limit", PAGE):
            parameters["limit"] = str(limit)
        metadata_only = query.get("metadata_only", False)
        accept = _METADATA.format("List") if metadata_only else "application/json"
        while True:
            request = Request("list", "GET", path, parameters, accept=accept, title=resource.title)
            page = await self._asked(request)
            items += [_typed(item, resource, metadata_only) for item in page.get("items") or ()]
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return Listing(tuple(items), metadata.get("resourceVersion", ""))
            parameters["continue"] = metadata["continue"]
            parameters.pop("resourceVersion", None)  # the token holds it

    @asynccontextmanager
    async def stream(
        self, resource: Resource, namespace: str, query: Query, parameters: Mapping[str, str]
    ) -> AsyncIterator[Stream]:
        """The bytes of a watch, a JSON event a line, while inside.

        parameters: the watch's own, beside `query`.   Not retried: `watch.py` knows how to go on.
        Raises TooManyWatches if as many are open as may be; Paused if an outage has cut it.
        """
        metadata_only = query.get("metadata_only", False)
        request = Request(
            "watch",
            "GET",
            resource.path(namespace),
            {**parameters_of(query), **parameters, "watch": "true"},
            accept=_METADATA.format("") if metadata_only else "application/json",
            title=resource.title,
        )
        with self._sender.line.limiter.watching():
            stream = await self._sender.stream(request)
            try:
                with nullcontext() if self.breaker is None else self.breaker.cutting(stream.close):
                    yield stream
            finally:
                stream.close()

    # Writing

    async def create(
        self,
        resource: Resource,
        obj: Object,
        namespace: str = "",
        name: str = "",
        **write: Unpack[Write],
    ) -> dict[str, Any]:
        """The object as it was created.  Raises AlreadyExists.

        namespace: empty: the object's own.   name: only with a subresource (`token`, `eviction`).
        """
        namespace = namespace or obj.get("metadata", {}).get("namespace", "")
        subresource = write.get("subresource", "")
        path = resource.path(namespace, name if subresource else "", subresource)
        return await self._write(resource, "POST", path, obj, write)

    async def apply(
        self,
        resource: Resource,
        obj: Object,
        *,
        manager: str,
        force: bool = False,
        dry_run: bool = False,
        subresource: str = "",
    ) -> dict[str, Any]:
        """The object after a server-side apply.  Raises Conflict if others own its fields.

        obj: all that `manager` wants to own.   force: take fields over from other managers.
        """
        metadata = obj["metadata"]
        path = resource.path(metadata.get("namespace", ""), metadata["name"], subresource)
        write: Write = {"field_manager": manager, "dry_run": dry_run}
        how = "application/apply-patch+yaml"
        return await self._write(resource, how, path, obj, write, force=force)

    async def merge_patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Object,
        **write: Unpack[Write],
    ) -> dict[str, Any]:
        """The object after an RFC 7386 patch; metadata.resourceVersion in it is a precondition."""
        path = resource.path(namespace, name, write.get("subresource", ""))
        return await self._write(resource, "application/merge-patch+json", path, patch, write)

    async def json_patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[Object],
        **write: Unpack[Write],
    ) -> dict[str, Any]:
        """The object after an RFC 6902 patch."""
        path = resource.path(namespace, name, write.get("subresource", ""))
        return await self._write(resource, "application/json-patch+json", path, operations, write)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
    ) -> dict[str, Any] | None:
        """What the server says: the object if finalizers hold it, a Status if it is gone.

        None if there was no such object.   Raises Conflict if uid or resource_version differ.
        """
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {key: value for key, value in preconditions.items() if value},
            "propagationPolicy": propagation,
        }
        request = Request(
            "delete",
            "DELETE",
            resource.path(namespace, name),
            body=orjson.dumps(body),
            mutating=True,
            repeatable=bool(uid),
            title=resource.title,
        )
        try:
            decoded: dict[str, Any] = await self._asked(request)
        except NotFound:
            return None
        return decoded

    async def _write(
        self,
        resource: Resource,
        how: str,
        path: str,
        body: Any,
        write: Write,
        *,
        force: bool = False,
    ) -> dict[str, Any]:
        """how: POST, or the content type of a PATCH."""
        query = {
            "fieldManager": write.get("field_manager", ""),
            "force": "true" if force else "",
            "dryRun": "All" if write.get("dry_run") else "",
            "fieldValidation": write.get("field_validation", ""),
        }
        creating = how == "POST"
        harmless = write.get("dry_run", False)
        request = Request(
            "create" if creating else "patch",
            "POST" if creating else "PATCH",
            path,
            {key: value for key, value in query.items() if value},
            orjson.dumps(body),
            "application/json" if creating else how,
            mutating=not harmless,
            repeatable=harmless or how not in ("POST", "application/json-patch+json"),
            title=resource.title,
        )
        decoded: dict[str, Any] = await self._asked(request)
        return decoded

    def statistics(self) -> Statistics:
        """Counts since `connected`, of all views together."""
        return self._sender.line.statistics()

    def __repr__(self) -> str:
        """Where to, and as whom."""
        return f"<Client {self.endpoint.host}{' as ' + self.user if self.user else ''}>"


def parameters_of(query: Query) -> dict[str, str]:
    """The URL's part of a query that lists and watches share."""
    parameters = {
        "labelSelector": query.get("label_selector", ""),
        "fieldSelector": query.get("field_selector", ""),
        "resourceVersion": query.get("resource_version", ""),
    }
    return {key: value for key, value in parameters.items() if value}


def _typed(obj: dict[str, Any], resource: Resource, is_partial: bool) -> dict[str, Any]:
    """The object with its own apiVersion and kind, which list items and metadata lack."""
    if is_partial or "kind" not in obj:
        return {**obj, "apiVersion": resource.api_version, "kind": resource.kind}
    return obj
