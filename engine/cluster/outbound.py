"""Asks services beside the API server: clouds, key services, Git hosts' APIs.

Never: follows a redirect, reads more than a bound, keeps a cookie, or shows a header, a body or a
query in an error.  Where a credential may go is decided by who sends it; `Route.is_guarded` keeps
what a tenant names (a Vault's address, the base URL of a GitHub) off this machine and its metadata.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from random import Random
from types import MappingProxyType
from typing import Protocol

import aiohttp
import anyio
from aiohttp.abc import AbstractResolver
from yarl import URL

from engine.runtime.clock import Clock
from engine.source.addresses import ForbiddenAddress, Guarded
from engine.source.connection import SOCKS_ERRORS, explained, not_through
from engine.source.failures import GitError
from engine.source.proxies import Proxy, Routes, socks_connector
from engine.source.tls import tls_context

LIMIT_BYTES = 2 * 2**20  # the longest answer that is wanted, an AKS cluster, has some 20 KiB
TRIES = 4  # with the pauses below 3 s in all, then it is the object's own retry
_LONGEST_PAUSE = 5.0  # seconds; a service that asks for more is asked at the object's next run
_CONNECT = 10.0  # seconds, as for the API server
_TOTAL = 30.0  # seconds a try; a key service that takes longer is out of order
_PATIENT = aiohttp.ClientTimeout(total=_TOTAL, sock_connect=_CONNECT)
_AT_ONCE = aiohttp.ClientTimeout(total=5.0, sock_connect=2.0)
_PER_HOST = 16  # connections: a thousand files are a thousand requests to one host
_BUSY = frozenset({429, 500, 502, 503, 504})
_OF_LIBRARIES = (aiohttp.ClientError, *SOCKS_ERRORS)
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said: any status, also a redirect or an error."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """In any case of letters."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """How a service is reached; empty: as the pod's environment says (HTTPS_PROXY, NO_PROXY).

    proxy: its URL, perhaps with a login, http, https or socks5; ca: PEM of authorities trusted
    beside the system's; certificate, key: PEM of what to show if asked; is_guarded: a tenant named
    the host, so that it must be none of this machine's own or its link's addresses (loopback, cloud
    metadata); is_local: a part of this machine (its metadata service), which no proxy knows and
    which answers at once or never.
    """

    proxy: str = field(default="", repr=False)
    ca: bytes = field(default=b"", repr=False)
    is_guarded: bool = False
    is_local: bool = False
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


DIRECT = Route()


class Unanswered(Exception):  # noqa: N818 - says what happened, like a Failure
    """No answer came, or none that may be read: "what: probable cause: next step", no secret."""


class NotAsked(Unanswered):
    """It makes no sense, or is forbidden, to ask (again)."""


class Http(Protocol):
    """What extensions are given to ask services with."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes = b"",
        route: Route = DIRECT,
        tries: int = TRIES,
    ) -> Answer:
        """The answer, whatever its status; sent again where the service is busy or gone (429, 5xx).

        tries: 1 for who decides about that himself.  Send only what may be done twice.
        Raises Unanswered.
        """
        ...


@asynccontextmanager
async def outbound(
    clock: Clock,
    random: Random,
    environment: Mapping[str, str],
    *,
    resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    guarded: Callable[[Callable[[], AbstractResolver]], Guarded] = Guarded,
    ca: bytes = b"",
) -> AsyncIterator["Outbound"]:
    """A way to services whose connections are closed on leaving.

    resolver: who looks names up.   guarded: the same for guarded routes.   ca: PEM of authorities
    trusted beside the system's, whatever the route.
    """
    guard = guarded(resolver)
    sessions = _session(_direct(resolver())), _session(_direct(guard))
    try:
        yield Outbound(clock, random, environment, sessions, guard, ca)
    finally:
        with anyio.CancelScope(shield=True):  # else the second stays open where all is cancelled
            for session in sessions:
                await session.close()


def _direct(resolver: AbstractResolver) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit_per_host=_PER_HOST, resolver=resolver, ttl_dns_cache=60)


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": f"lockstep/{version('lockstep')}"},
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,  # a small answer stays small
        requote_redirect_url=False,
    )


class Outbound:
    """The sessions of one engine; made by `outbound`."""

    def __init__(
        self,
        clock: Clock,
        random: Random,
        environment: Mapping[str, str],
        sessions: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
        guard: Guarded,
        ca: bytes,
    ) -> None:
        """sessions: the open and the guarded one."""
        self._clock = clock
        self._random = random
        self._environment = environment
        self._open, self._guarded = sessions
        self._guard = guard
        self._ca = ca

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes = b"",
        route: Route = DIRECT,
        tries: int = TRIES,
    ) -> Answer:
        """See `Http`."""
        target = _target(url)
        if route.is_guarded:
            self._check(target)
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = await self._once(method, target, headers, body, route)
            except NotAsked:
                raise
            except Unanswered:
                if attempt >= tries or route.is_local:
                    raise
                pause = self._pause(attempt)
            else:
                asked = _asked_pause(answer)
                if answer.status not in _BUSY or attempt >= tries or asked > _LONGEST_PAUSE:
                    return answer
                pause = max(asked, self._pause(attempt))
            await self._clock.sleep(pause)

    def _check(self, target: URL) -> None:
        try:
            self._guard.check(target.host or "", target.port)
        except ForbiddenAddress as error:
            raise NotAsked(str(error)) from error

    def _pause(self, attempt: int) -> float:
        """0.25 s, doubled each time, with half of it by chance."""
        return 0.25 * 2.0 ** (attempt - 1) * self._random.uniform(0.5, 1.0)

    async def _once(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes, route: Route
    ) -> Answer:
        proxy: Proxy | None = None
        try:
            proxy = self._proxy(url, route)
            async with self._session(proxy, route) as session:
                sent = {"Accept-Encoding": "identity", **headers}
                seen = proxy if proxy and not proxy.is_socks else None  # SOCKS: by the session
                if seen and url.scheme == "http":  # no tunnel: the proxy reads the request itself
                    sent |= seen.login
                response = await session.request(
                    method,
                    url,
                    headers=sent,
                    data=body or None,
                    proxy=seen.address if seen else None,
                    proxy_headers=seen.login if seen else None,
                    ssl=self._tls(url, route),
                    allow_redirects=False,
                    timeout=_AT_ONCE if route.is_local else _PATIENT,
                )
                async with response:
                    return Answer(response.status, response.headers, await _bounded(response))
        except (ForbiddenAddress, GitError, OSError, ValueError, *_OF_LIBRARIES) as error:
            raise _unanswered(error, url, proxy) from error

    def _proxy(self, url: URL, route: Route) -> Proxy | None:
        """By which proxy, None for the straight way.  Raises GitError, ForbiddenAddress."""
        if route.is_local:
            return None
        if not route.proxy:
            return Routes(environment=self._environment).to(url)
        proxy = Proxy.from_url(route.proxy)
        self._guard.check(proxy.url.host or "", proxy.url.port)  # a tenant names its proxy, too
        return proxy

    def _tls(self, url: URL, route: Route) -> ssl.SSLContext | bool:
        if url.scheme != "https":
            return True
        return tls_context(self._ca + route.ca, route.certificate, route.key)

    @asynccontextmanager
    async def _session(
        self, proxy: Proxy | None, route: Route
    ) -> AsyncIterator[aiohttp.ClientSession]:
        """Guarded if a tenant named what is connected to: its proxy, else the host itself.

        A SOCKS proxy looks up the target's name itself.
        """
        is_guarded = bool(route.proxy) or (route.is_guarded and proxy is None)
        if proxy is None or not proxy.is_socks:
            yield self._guarded if is_guarded else self._open
            return
        host = proxy.url.host or ""
        if is_guarded:
            host = (await self._guard.resolve(host, proxy.url.port or 0))[0]["host"]
        async with _session(socks_connector(proxy, host)) as session:
            yield session


def _unanswered(error: Exception, url: URL, proxy: Proxy | None) -> Unanswered:
    """What is told for what the libraries raised."""
    if isinstance(error, ForbiddenAddress):
        return NotAsked(str(error))
    if isinstance(error, GitError):
        return NotAsked(f"'{url.host}' cannot be asked: {error.problem}")
    if isinstance(error, SOCKS_ERRORS) and proxy is not None:
        return Unanswered(not_through(error, proxy.url, url))
    # aiohttp's own of the whole exchange; those of sockets are its ClientErrors, too.
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
        return Unanswered(f"'{url.host}' gave no answer in time: it is overloaded or out of order")
    return Unanswered(explained(error, url))


def _target(url: str) -> URL:
    """Raises NotAsked for what is no web address, or holds a login."""
    try:
        target = URL(url, encoded=True)
        if target.scheme in ("http", "https") and target.host and not target.user:
            return target
    except ValueError:
        pass
    raise NotAsked("the URL of the service is none: it must be https://host/path, without a login")


def _asked_pause(answer: Answer) -> float:
    """Seconds that the service asks to wait, 0 if it does not say."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body.  Raises NotAsked if it is longer than anything that is wanted."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(64 * 1024):
        size += len(chunk)
        if size > LIMIT_BYTES:
            raise NotAsked(
                f"'{response.url.host}' answers with more than {LIMIT_BYTES} bytes: it is not the "
                "service that is meant"
            )
        chunks.append(chunk)
    return b"".join(chunks)
