"""All hosts of the world on one port of this machine, over TLS with their own names.

    async with world() as clouds:
        clouds.serve("kms.eu-west-1.amazonaws.com", handler)
        await something(clouds.context(environ={...}))
        clouds.seen  # what was asked

Names lead here by the resolver alone: URLs, hosts, TLS names and ports are those of the real
services.  What nobody plays does not resolve.
"""

import json as standard_json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import aiohttp.abc
from aiohttp import web

from engine.cluster import connected
from engine.cluster.client import Client
from engine.cluster.endpoint import Endpoint
from engine.cluster.outbound import Outbound, outbound
from engine.plugin import Context
from engine.source.addresses import Guarded
from tests.support.clock import ImpatientClock
from tests.support.clouds.authority import authority
from tests.support.clouds.kubernetes import Kubernetes
from tests.support.contexts import context_of
from tests.support.scripted_api import scripted_api

HOSTS = (
    "*.amazonaws.com",
    "*.eu-west-1.amazonaws.com",
    "portal.sso.eu-west-1.amazonaws.com",
    "kms.private.amazonaws.com",
    "*.cn-north-1.amazonaws.com.cn",
    "login.microsoftonline.com",
    "login.example.com",
    "management.azure.com",
    "*.vault.azure.net",
    "*.vault.example.com",
    "*.googleapis.com",
    "*.github.com",
    "github.example.com",
    "vault.example.com",
    "evil.example.com",
    "hooks.example.com",
    "gitlab.example.com",
    "*.slack.com",
    "slack.com",
    "*.webhook.office.com",
    "machine.test",
)


@dataclass(frozen=True)
class Received:
    """One request, as it came over the wire."""

    method: str
    url: str  #: `https://host/path?query`
    host: str
    path: str  #: as encoded
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        return standard_json.loads(self.body)

    def form(self) -> dict[str, str]:
        assert self.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
        return dict(parse_qsl(self.body.decode(), strict_parsing=True))


class Cut(Exception):  # noqa: N818 - what happens, no error
    """What a handler raises: the connection breaks instead of an answer."""


Handler: TypeAlias = Callable[[Received], Awaitable[web.Response]]


class Refusal(Exception):  # noqa: N818 - an answer, no error
    """What a handler raises: an answer that is no success."""

    def __init__(self, status: int, body: Any, **headers: str) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


class World:
    """The stand-ins; made by `world`."""

    def __init__(self, clock: ImpatientClock, client: Client, kubernetes: Kubernetes) -> None:
        self.clock = clock
        self.client = client
        self.kubernetes = kubernetes
        self.seen: list[Received] = []
        self.http: Outbound
        self.plain = ""
        """The URL of this port without TLS, for who cannot be given a resolver."""
        self._handlers: dict[str, Handler] = {}

    def serve(self, host: str, handler: Handler) -> None:
        """Let that host answer so."""
        self._handlers[host] = handler

    def asked(self, host: str) -> list[Received]:
        return [each for each in self.seen if each.host == host]

    def hosts(self) -> list[str]:
        return list(self._handlers)

    def plays(self, host: str) -> bool:
        return host in self._handlers

    def context(self, environ: Mapping[str, str] | None = None, **settings: Any) -> Context:
        """What plugins are given, with built-in identities."""
        return context_of(self.client, self.http, self.clock, environ, **settings)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        host = request.headers["Host"].partition(":")[0]
        received = Received(
            request.method,
            f"{request.scheme}://{request.headers['Host']}{request.raw_path}",
            host,
            request.raw_path.partition("?")[0],
            dict(request.query),
            request.headers,
            await request.read(),
        )
        self.seen.append(received)
        try:
            return await self._handlers[host](received)
        except Cut:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        except Refusal as refusal:
            if isinstance(refusal.body, str):
                return web.Response(
                    status=refusal.status, text=refusal.body, headers=refusal.headers
                )
            return web.json_response(refusal.body, status=refusal.status, headers=refusal.headers)


class _Resolver(aiohttp.abc.AbstractResolver):
    def __init__(self, clouds: World, ports: Mapping[bool, int], address: str) -> None:
        self._clouds, self._ports, self._address = clouds, ports, address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        if not self._clouds.plays(host):
            raise OSError(None, f"{host} is not part of this world")
        return [
            {
                "hostname": host,
                "host": self._address,
                "port": self._ports[port != 80],
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def world(
    environment: Mapping[str, str] | None = None,
    *,
    guarded: bool = False,
    address: str = "127.0.0.1",
) -> AsyncIterator[World]:
    """Every host's stand-in.

    guarded: this machine counts as forbidden, as in production.   address: what all names are
    resolved to.
    """
    trusted, clock = authority(HOSTS), ImpatientClock()
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(scripted_api())
        client = await stack.enter_async_context(connected(Endpoint(api.url), clock, Random(1)))
        clouds = World(clock, client, Kubernetes(api, clock))
        application = web.Application(client_max_size=4 * 2**20)
        application.router.add_route("*", "/{path:.*}", clouds.handle)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=trusted.server).start()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports = {True: runner.addresses[0][1], False: runner.addresses[1][1]}
        clouds.plain = f"http://127.0.0.1:{ports[False]}"
        clouds.http = await stack.enter_async_context(
            outbound(
                clock,
                Random(1),
                environment or {},
                resolver=lambda: _Resolver(clouds, ports, address),
                ca=trusted.pem,
                guarded=Guarded if guarded else partial(Guarded, forbidden=lambda _: False),
            )
        )
        yield clouds
