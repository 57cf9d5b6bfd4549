"""The HTTP side: bodies in, answers and watch streams out."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from engine.apiserver.errors import Refused, too_large
from engine.apiserver.http import discovery
from engine.apiserver.http.api import Answer, Api, Observe, Request
from engine.apiserver.http.media import Form, form_of
from engine.apiserver.http.openapi import OpenAPI, version_2
from engine.apiserver.http.requests import parse_path
from engine.apiserver.operations.watching import BOOKMARK_SECONDS, Watch, error_frame, is_gone

_log = logging.getLogger(__name__)

_JSON = "application/json"
_NO_PAGE = "404 page not found\n"
_HEALTH = frozenset({"/livez", "/readyz", "/healthz"})
MOST_BYTES = 3 * 1024 * 1024  # Source: apiserver's MaxRequestBodyBytes


@dataclass(slots=True)
class Http:
    """Answers HTTP requests.  requests: how many, by method."""

    api: Api
    openapi: OpenAPI
    requests: dict[str, int] = field(default_factory=dict)
    watches: dict[int, Watch] = field(default_factory=dict)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, whatever it is."""
        counts = self.requests
        counts[request.method] = counts.get(request.method, 0) + 1
        try:
            return await self._handle(request)
        except Refused as error:
            return _refusal(error)
        except Exception as error:  # a bug: told to the client, and logged with its place
            _log.exception("%s %s", request.method, request.path)
            return _refusal(Refused(500, "InternalError", f"Internal error occurred: {error!r}"))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.api.tokens.user_of(request.headers.get("Authorization", ""))
        path = parse_path(request.path)
        if path is None:
            return self._document(request)
        body = await _body(request)
        headers: Any = request.headers
        asked = Request(request.method, path, request.query, headers, body)
        if not self.api.state.resources.has_version(path.group, path.version):
            return web.Response(status=404, text=_NO_PAGE)
        answer = self.api.respond(asked)
        if isinstance(answer, Observe):
            return await self._stream(request, answer)
        return _response(answer)

    def _document(self, request: web.BaseRequest) -> web.Response:
        """What is not below a resource's path: health, discovery, schemas."""
        path = request.path.rstrip("/") or "/"
        if f"/{path.split('/')[1]}" in _HEALTH:
            return web.Response(text="ok")
        if path in ("/api", "/apis"):
            return self._groups(request, core=path == "/api")
        if path == "/openapi/v2":
            return _json(*version_2(request.headers.get("Accept", "")))
        data = self._simple(path)
        return _json(data) if data else web.Response(status=404, text=_NO_PAGE)

    def _groups(self, request: web.BaseRequest, *, core: bool) -> web.Response:
        resources = self.api.state.resources
        if form_of(request.headers.get("Accept", "")) is Form.DISCOVERY:
            document = discovery.aggregated(resources, core=core)
            return _json(orjson.dumps(document), discovery.AGGREGATED_MEDIA)
        document = (
            discovery.core_versions(request.host) if core else discovery.group_list(resources)
        )
        return _json(orjson.dumps(document))

    def _simple(self, path: str) -> bytes | None:
        """The document at a path, or None."""
        resources = self.api.state.resources
        match path.strip("/").split("/"):
            case [""]:
                return orjson.dumps({"paths": ["/api", "/apis", "/healthz", "/version"]})
            case ["version"]:
                return orjson.dumps(discovery.version_document())
            case ["openapi", "v3"]:
                return self.openapi.index()
            case ["openapi", "v3", *rest]:
                return self.openapi.document("/".join(rest))
            case ["api", version]:
                found = discovery.resource_list(resources, "", version)
            case ["apis", group]:
                found = discovery.group_document(resources, group)
            case ["apis", group, version]:
                found = discovery.resource_list(resources, group, version)
            case _:
                return None
        return orjson.dumps(found) if found else None

    async def _stream(self, request: web.BaseRequest, observe: Observe) -> web.StreamResponse:
        awake = asyncio.Event()
        watch = Watch(self.api.state, observe.wanted, observe.forms.view(), awake.set)
        response = web.StreamResponse(headers={"Content-Type": _JSON, "Cache-Control": "no-cache"})
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(watch.open(observe.options))
            except Refused as error:
                if not is_gone(error):
                    raise
                await response.prepare(request)
                await response.write(error_frame(error))
                return response
            self.watches[id(watch)] = watch
            stack.callback(self.watches.pop, id(watch), None)
            await response.prepare(request)
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(observe.options.timeout):
                    await _pump(watch, awake, response, bookmarks=observe.options.bookmarks)
        return response

    def end_watches(self, key: str | None = None) -> None:
        """End the watches of a resource that is no longer served; of all if None."""
        for watch in tuple(self.watches.values()):
            if key is None or watch.wanted.resource.key == key:
                watch.end()


async def _pump(
    watch: Watch, awake: asyncio.Event, response: web.StreamResponse, *, bookmarks: bool
) -> None:
    """Send frames as they come, and a bookmark when none came for a while."""
    while True:
        frames = watch.take()
        if frames:
            await response.write(frames)
        if watch.ended:
            return
        try:
            async with asyncio.timeout(BOOKMARK_SECONDS):
                await awake.wait()
            awake.clear()
        except TimeoutError:
            if bookmarks:
                await response.write(watch.bookmark())


async def _body(request: web.BaseRequest) -> bytes:
    """The whole body.  Raises Refused (413)."""
    if not request.can_read_body:
        return b""
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > MOST_BYTES:
            raise too_large(MOST_BYTES)
    return bytes(body)


def _response(answer: Answer) -> web.Response:
    response = web.Response(body=answer.body, status=answer.code, content_type=_JSON)
    for text in answer.warnings:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def _refusal(error: Refused) -> web.Response:
    headers = {}
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry:
        headers["Retry-After"] = str(retry)
    return web.Response(
        body=orjson.dumps(error.status()), status=error.code, content_type=_JSON, headers=headers
    )


def _json(data: bytes, media: str = _JSON) -> web.Response:
    return web.Response(body=data, headers={"Content-Type": media})
