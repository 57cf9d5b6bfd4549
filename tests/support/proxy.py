"""A proxy between an engine and its API server that counts, refuses, delays, cuts and goes silent.

    async with fault_proxy(server, folder) as proxy:
        proxy.faults.append(Fault(refuse(429, Retry_After="1"), times=3, method="PATCH"))
        ... an engine with proxy.kubeconfig ...
        proxy.writes()

It speaks plain HTTP to the engine and is the administrator at the API server.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import aiohttp
import anyio
import anyio.lowlevel
from aiohttp import web

from tests.support.apiserver import ApiServer, kubeconfig

WRITING = ("POST", "PUT", "PATCH", "DELETE")
HOP = {"transfer-encoding", "connection", "content-length", "content-encoding", "host"}
FORWARDED = ("accept", "content-type", "impersonate-user")


@dataclass(eq=False)
class Passed:
    """One request; status: of its answer, 0 before or without one."""

    at: float
    method: str
    path: str
    query: str
    status: int = 0

    @property
    def writes(self) -> bool:
        """Whether it could change anything."""
        harmless = "dryRun" in self.query or self.path.endswith("/selfsubjectaccessreviews")
        return self.method in WRITING and not harmless

    def __str__(self) -> str:
        return f"{self.method} {self.path}?{self.query} {self.status}"


@dataclass(eq=False)
class Wire:
    """A watch under way; is_dead: what the API server tells no longer gets through."""

    request: web.Request
    response: web.StreamResponse
    is_dead: bool = False
    is_torn: bool = False

    async def pass_on(self, piece: bytes) -> None:
        """Tells the engine, as far as the connection allows."""
        if self.is_dead:
            return
        if self.is_torn:
            await self.response.write(piece[: len(piece) // 2])
            await anyio.lowlevel.checkpoint()
            _abort(self.request)
            return
        await self.response.write(piece)


Forward: TypeAlias = Callable[[], Awaitable[web.StreamResponse]]
Effect: TypeAlias = Callable[[web.Request, Forward], Awaitable[web.StreamResponse]]


@dataclass(eq=False)
class Fault:
    """What happens to requests that match; `times` is how often it still does.

    method: one, or several separated by `|`; empty: any.  path: a part of it.
    """

    effect: Effect
    times: int = 1_000_000
    method: str = ""
    path: str = ""
    seen: int = 0
    met: anyio.Event = field(default_factory=anyio.Event)

    def matches(self, request: web.Request) -> bool:
        methods = self.method.split("|") if self.method else [request.method]
        return self.times > 0 and request.method in methods and self.path in request.path_qs


class FaultProxy:
    """See the module; `passed`: every request, in order."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._wires: set[Wire] = set()
        self.url = ""
        self.kubeconfig = Path()
        self.passed: list[Passed] = []
        self.faults: list[Fault] = []

    def writes(self, since: float = float("-inf")) -> list[Passed]:
        """The requests that could change something, from an instant on (`anyio.current_time`)."""
        return [each for each in self.passed if each.writes and each.at >= since]

    def cut_watches(self) -> int:
        """Breaks the connection of every watch under way; how many."""
        wires, self._wires = self._wires, set()
        for wire in wires:
            _abort(wire.request)
        return len(wires)

    def deaden_watches(self) -> int:
        """Half-open: the connection of every watch under way stays, and nothing comes any more."""
        for wire in self._wires:
            wire.is_dead = True
        return len(self._wires)

    def tear_watches(self) -> int:
        """Every watch under way breaks in the middle of the next that it tells."""
        for wire in self._wires:
            wire.is_torn = True
        return len(self._wires)

    async def expire_watches(self) -> int:
        """Tells every watch under way that what it asked for is too old (410)."""
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410}
        error = {"type": "ERROR", "object": {**status, "reason": "Expired", "message": "old"}}
        wires, self._wires = self._wires, set()
        for wire in wires:
            wire.is_dead = True
            with suppress(ConnectionError):
                await wire.response.write(json.dumps(error).encode() + b"\n")
        return len(wires)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        note = Passed(anyio.current_time(), request.method, request.path, request.query_string)
        self.passed.append(note)
        body = await request.read()

        async def forward() -> web.StreamResponse:
            return await self._forward(request, body, note)

        fault = next((each for each in self.faults if each.matches(request)), None)
        if fault is None:
            return await forward()
        fault.times -= 1
        fault.seen += 1
        fault.met.set()
        return await fault.effect(request, forward)

    async def _forward(self, request: web.Request, body: bytes, note: Passed) -> web.StreamResponse:
        names = request.headers
        headers = {name: names[name] for name in FORWARDED if name in names}
        asking = self._session.request(
            request.method,
            request.rel_url,
            data=body or None,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        async with asking as answer:
            note.status = answer.status
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP}
            if request.query.get("watch") != "true":
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            wire = Wire(request, response)
            self._wires.add(wire)
            try:
                async for piece in answer.content.iter_any():
                    await wire.pass_on(piece)
            except (aiohttp.ClientError, ConnectionError):
                _abort(request)
            finally:
                self._wires.discard(wire)
            return response


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def refuse(code: int, reason: str = "", **headers: str) -> Effect:
    """A Status instead of an answer; the API server never hears of the request."""

    async def effect(_: web.Request, __: Forward) -> web.StreamResponse:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        body = {**status, "reason": reason, "message": f"a fault of the test: {code}"}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=code, headers=names)

    return effect


async def lose(request: web.Request, _: Forward) -> web.StreamResponse:
    """The connection breaks before the API server hears of the request."""
    _abort(request)
    return web.Response()


async def lose_answer(request: web.Request, forward: Forward) -> web.StreamResponse:
    """The API server acts on it, and the connection breaks before it can say so."""
    await forward()
    _abort(request)
    return web.Response()


async def hang(_: web.Request, __: Forward) -> web.StreamResponse:
    """No answer, for ever."""
    await anyio.sleep_forever()
    raise AssertionError("it slept for ever")


def slow(seconds: float) -> Effect:
    """The answer comes late."""

    async def effect(_: web.Request, forward: Forward) -> web.StreamResponse:
        await anyio.sleep(seconds)
        return await forward()

    return effect


@asynccontextmanager
async def fault_proxy(server: ApiServer, folder: Path) -> AsyncIterator[FaultProxy]:
    """A proxy on a free port of this machine."""
    async with server.session() as session:
        proxy = FaultProxy(session)
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            proxy.url = f"http://{host}:{port}"
            proxy.kubeconfig = folder / "proxy-kubeconfig.yaml"
            proxy.kubeconfig.write_text(json.dumps(kubeconfig(proxy.url)))
            yield proxy
        finally:
            await runner.cleanup()
