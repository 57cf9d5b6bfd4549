"""Asks the API server: one method a verb, each request limited, fenced, retried and counted.

No method takes a deadline: the caller sets one with anyio's `fail_after`, and a cancelled request
is given up at once.  Views (`at`, `impersonating`, `fenced`) are cheap and share the session.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from importlib.metadata import version
from random import Random
from typing import Any, Unpack
from urllib.parse import quote

import orjson

from engine.cluster.allowance import Room
from engine.cluster.breaker import Breaker
from engine.cluster.decoding import TOO_DEEP, decoded, shallow
from engine.cluster.discovery import Discovery
from engine.cluster.endpoint import MARK, Endpoint
from engine.cluster.errors import ApiError, Excessive, Gone, NotFound
from engine.cluster.limiter import Limiter
from engine.cluster.listing import METADATA, Listing, Query, pages, parameters_of, typed
from engine.cluster.resource import PODS, Resource
from engine.cluster.sender import Line, Report, Sender, Statistics
from engine.cluster.transport import Request, Stream, Transport
from engine.cluster.writing import Write, deletion, writing
from engine.objects.ref import Object
from engine.runtime.clock import Clock
from engine.runtime.priority import Priority

__all__ = ["Client", "Listing", "Query", "Write", "connected"]

_MARKED = f"Impersonate-Extra-{quote(MARK, safe='')}"


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

    def impersonating(self, user: str, more: Mapping[str, str] | None = None) -> "Client":
        """The same, acting as `user` (`system:serviceaccount:<namespace>:<name>`).

        more: other `Impersonate-` headers; of several values of one each stands in its own line.
        """
        headers = {"Impersonate-User": user, **(more or {})}
        if self.endpoint.mark:
            headers[_MARKED] = self.endpoint.mark
        return Client(replace(self._sender, headers=headers), self.discovery)

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

    @property
    def room(self) -> Room:
        """For the objects that all watches of this API server know."""
        return self._sender.line.room

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

    async def text(self, path: str) -> str:
        """The text at any path: metrics of a Pod, by way of the API server."""
        request = Request("get", "GET", path, accept="text/plain, */*", title=path.split("?")[0])
        return (await self._sender.call(request)).body.decode(errors="replace")

    async def _asked(self, request: Request) -> dict[str, Any]:
        """The decoded answer.  Raises ApiError if a proxy or a portal answered instead."""
        decoded, _ = await self._measured(request)
        return decoded

    async def _measured(self, request: Request) -> tuple[dict[str, Any], int]:
        """The same, and how many bytes it had."""
        answer = await self._sender.call(request)
        place = f"{request.method} {self.endpoint.host}{request.path}"
        try:
            found = (decoded if request.verb == "list" else orjson.loads)(answer.body)
        except orjson.JSONDecodeError as error:
            kind = answer.headers.get("Content-Type", "unknown type").partition(";")[0]
            text = f"not JSON but {len(answer.body)} bytes of {kind}"  # which may hold secrets
            if shallow(answer.body) is not None:
                text = f"the object is nested too deep to be read whole: {TOO_DEEP}"
            raise ApiError(answer.status, "", f"{place}: {text}") from error
        if not isinstance(found, dict):
            raise ApiError(answer.status, "", f"{place}: not an object but other JSON")
        return found, len(answer.body)

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
            accept=METADATA.format("") if metadata_only else "application/json",
            title=resource.title,
        )
        try:
            return typed(await self._asked(request), resource, is_partial=metadata_only)
        except NotFound:
            return None

    async def list(
        self, resource: Resource, namespace: str = "", **query: Unpack[Query]
    ) -> Listing:
        """All objects that match, page by page; from the start again if a page came too late.

        namespace: empty: all namespaces.   Raises Excessive if there are more than may be.
        """
        try:
            return await self._whole(resource, namespace, query)
        except Gone:
            query = {**query, "resource_version": "", "limit": 0}
            return await self._whole(resource, namespace, query)

    async def _whole(self, resource: Resource, namespace: str, query: Query) -> Listing:
        items: list[dict[str, Any]] = []
        size, most = 0, self.endpoint.allowance.list_bytes
        async with aclosing(self.pages(resource, namespace, **query)) as read:
            async for page in read:
                items += page.items
                size += page.size
                if size > most:
                    flag = f"{self.endpoint.allowance.flags}-answer-bytes"
                    text = f"list of {resource.title} is longer than {most} bytes: raise {flag}"
                    raise Excessive(0, "", text)
        return Listing(tuple(items), page.resource_version, size)

    def pages(
        self, resource: Resource, namespace: str = "", **query: Unpack[Query]
    ) -> AsyncGenerator[Listing, None]:
        """The same, each page when it has come; raises Gone if one came too late."""
        accept = METADATA.format("List") if query.get("metadata_only") else "application/json"
        path = resource.path(namespace)
        request = Request("list", "GET", path, accept=accept, title=resource.title)
        line = self._sender.line
        allowance = self.endpoint.allowance
        return pages(self._measured, request, resource, query, allowance, line.clock)

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
            accept=METADATA.format("") if metadata_only else "application/json",
            title=resource.title,
        )
        with self._sender.line.limiter.watching():
            stream = await self._sender.stream(request)
            try:
                with nullcontext() if self.breaker is None else self.breaker.cutting(stream.close):
                    yield stream
            finally:
                stream.close()

    @asynccontextmanager
    async def log(
        self, namespace: str, pod: str, parameters: Mapping[str, str]
    ) -> AsyncIterator[Stream]:
        """The bytes of a container's log while inside.

        parameters: `container`, `follow`, `tailLines`, `sinceSeconds`, `sinceTime`.
        """
        path = PODS.path(namespace, pod, "log")
        accept = "application/json, */*"  # the answer is text; as client-go asks
        request = Request("get", "GET", path, parameters, accept=accept, title="pods/log")
        stream = await self._sender.stream(request)
        try:
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
        return await self._asked(writing(resource, "POST", path, obj, write))

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
        return await self._asked(writing(resource, how, path, obj, write, force=force))

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
        return await self._asked(
            writing(resource, "application/merge-patch+json", path, patch, write)
        )

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
        return await self._asked(
            writing(resource, "application/json-patch+json", path, operations, write)
        )

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
        path = resource.path(namespace, name)
        request = deletion(resource, path, uid, resource_version, propagation)
        try:
            return await self._asked(request)
        except NotFound:
            return None

    async def try_delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Asks whether the object might be deleted; it is not: a dry-run.

        Raises what a deletion would; nothing if there is no such object.
        """
        path = resource.path(namespace, name)
        with suppress(NotFound):
            await self._asked(deletion(resource, path, uid, dry_run=True))

    def statistics(self) -> Statistics:
        """Counts since `connected`, of all views together."""
        return self._sender.line.statistics()

    def __repr__(self) -> str:
        """Where to, and as whom."""
        return f"<Client {self.endpoint.host}{' as ' + self.user if self.user else ''}>"
