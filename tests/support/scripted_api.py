"""An API server that does what a test tells it: refuses, hangs, cuts the line, goes silent.

    async with scripted_api() as api:
        api.on("GET", "/version", status(503), json({"major": "1"}))

Replies to one method and path are given in turn; the last one stays.
"""

import itertools
import json as standard_json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio
from aiohttp import web

Reply: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """One request that came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class ScriptedApi:
    """The server: `url` to reach it, `seen` for what was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self._replies: dict[tuple[str, str], tuple[itertools.count[int], tuple[Reply, ...]]] = {}

    def on(self, method: str, path: str, *replies: Reply) -> None:
        """Give these answers, in turn, to requests of that method and path."""
        self._replies[method, path] = itertools.count(), replies

    def asked(self, method: str, path: str = "") -> list[Seen]:
        """The requests of that method (and path) so far."""
        return [s for s in self.seen if s.method == method and path in ("", s.path)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = standard_json.loads(text) if text else None
        query, headers = dict(request.query), dict(request.headers)
        self.seen.append(Seen(request.method, request.path, query, headers, body))
        entry = self._replies.get((request.method, request.path))
        if entry is None:
            return await status(404, f"nothing is scripted for {request.path}")(request)
        turns, replies = entry
        return await replies[min(next(turns), len(replies) - 1)](request)


@asynccontextmanager
async def scripted_api() -> AsyncIterator[ScriptedApi]:
    """A server on a free port of this machine."""
    api = ScriptedApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    api.url = f"http://{host}:{port}"
    try:
        yield api
    finally:
        await runner.cleanup()


def json(obj: Any, *, code: int = 200, **headers: str) -> Reply:
    """An answer with that object."""

    async def reply(_: web.Request) -> web.StreamResponse:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(obj, status=code, headers=names)

    return reply


def status(code: int, message: str = "", *, reason: str = "", **headers: str) -> Reply:
    """A Status object, as Kubernetes refuses; headers as Retry_After="1"."""
    obj = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return json(obj, code=code, **headers)


def echo(**extra: Any) -> Reply:
    """The body that came, as the answer to a write."""

    async def reply(request: web.Request) -> web.StreamResponse:
        return web.json_response({**await request.json(), **extra})

    return reply


async def hang(_: web.Request) -> web.StreamResponse:
    """No answer at all; the connection stays open."""
    await anyio.sleep_forever()
    raise AssertionError("it slept for ever")


async def cut(request: web.Request) -> web.StreamResponse:
    """The connection breaks instead of an answer."""
    transport = request.transport
    assert transport is not None
    transport.abort()
    return web.Response()


def events(*given: Mapping[str, Any], then: str = "end") -> Reply:
    """A watch: these events, and then its `end`, a `cut` of the connection or `silence`."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for event in given:
            await response.write(standard_json.dumps(event).encode() + b"\n")
        if then == "silence":
            await anyio.sleep_forever()
        if then == "cut" and request.transport is not None:
            request.transport.abort()
        return response

    return reply


def either(listing: Reply, *watches: Reply) -> Reply:
    """One path for both, streaming no lists: watches get the replies after `listing` in turn."""
    turns = itertools.count()

    async def reply(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") != "true":
            return await listing(request)
        if "sendInitialEvents" in request.query:
            return await status(422, "sendInitialEvents is forbidden")(request)
        return await watches[min(next(turns), len(watches) - 1)](request)

    return reply
