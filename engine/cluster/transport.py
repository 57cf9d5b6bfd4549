"""Sends one request over one session: no retry, no queue, no meaning."""

import asyncio.sslproto
import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlencode

import aiohttp
import anyio
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from engine.cluster.allowance import Room
from engine.cluster.body import ENCODING, Garbled, Overlong, read_body
from engine.cluster.endpoint import Endpoint
from engine.cluster.errors import ApiError, Excessive, TimedOut, Unreachable, error_of
from engine.runtime.clock import Clock
from engine.source.addresses import ForbiddenAddress

CONNECT_TIMEOUT = 10.0  # seconds
TLS_BUFFER_BYTES = 16 * 1024  # a TLS record; asyncio's 256 KiB cost each idle watch 217 KiB more
REFUSAL_BYTES = 2**20  # of an error's text; what comes after it explains nothing
_AT_ONCE = 2  # of the longest answers at the same time; more of them are no API server's


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire."""

    verb: str  #: Kubernetes' word: get, list, watch, create, patch, delete
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"
    mutating: bool = False
    repeatable: bool = True  #: sending it twice does what sending it once does
    title: str = ""  #: the resource, `deployments.apps`


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


_FENCE: ContextVar[Callable[[], None] | None] = ContextVar("fence", default=None)


class _FencedRequest(aiohttp.ClientRequest):
    """Asks the fence when the connection stands.

    A process that was frozen while it connected would else write with a Lease that ran out.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Sends, unless the fence objects."""
        fence = _FENCE.get()
        if fence is not None:
            fence()
        return await super().send(conn)


class NotSent(Unreachable):
    """No connection came about, so the API server knows nothing of the request."""


class Transport:
    """One session with one API server."""

    def __init__(self, endpoint: Endpoint, clock: Clock, user_agent: str) -> None:
        """Close it at the end."""
        # For the whole process: nothing in it reads bigger pieces from TLS than this.
        asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES
        self.endpoint = endpoint
        self._clock = clock
        self.fixed: Mapping[str, str] = {"User-Agent": user_agent, **endpoint.headers}
        seconds = endpoint.request_timeout
        connect = min(CONNECT_TIMEOUT, seconds)
        self._total = aiohttp.ClientTimeout(total=seconds, sock_connect=connect)
        patience = endpoint.read_timeout or seconds
        allowance = endpoint.allowance
        self._silence = aiohttp.ClientTimeout(
            total=allowance.answer_time, sock_connect=connect, sock_read=patience
        )
        self._room = Room(_AT_ONCE * allowance.answer_bytes)
        self._unbounded = aiohttp.ClientTimeout(total=None, sock_connect=connect)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, resolver=endpoint.names),
            request_class=_FencedRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # it unpacks all that came at once, however much that gives
            trust_env=False,  # it costs 0.5 ms a request; the endpoint knows its proxy
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def headers(self, request: Request, identity: Mapping[str, str]) -> Mapping[str, str]:
        """What is sent with the request: who we are, and whom `identity` says we act as.

        Apart from `send`, as a plugin that is asked for it may take its time.
        """
        with _translated(request, self.endpoint.host):
            proof = await self.endpoint.credentials.headers(self._clock.monotonic())
        return {**self.fixed, **identity, **proof}

    async def send(
        self,
        request: Request,
        headers: Mapping[str, str],
        fence: Callable[[], None] | None = None,
    ) -> Answer:
        """The whole answer, whatever its status; of a refusal's text only the beginning.

        Raises Unreachable if none comes, Excessive if it is longer than may be.
        fence: called right before the first byte goes out; what it raises forbids that.
        """
        _FENCE.set(fence)
        # A write is bounded in all, so that it has ended before a Lease could be taken over.
        bounds = self._total if request.mutating else self._silence
        accepted = {**headers, "Accept-Encoding": ENCODING}
        with _translated(request, self.endpoint.host):
            try:
                async with await self._open(request, accepted, bounds) as response:
                    body = await self._body(request, response)
                    return Answer(response.status, response.headers, body)
            except TimeoutError as error:
                if request.mutating or isinstance(error, aiohttp.ServerTimeoutError):
                    raise
                raise self._endless(request) from error  # something came, and goes on coming

    async def stream(self, request: Request, headers: Mapping[str, str]) -> "Stream":
        """An answer that comes piece by piece, as long as the server likes; close it at the end.

        Raises ApiError if it is a refusal, Unreachable if there is no answer.
        """
        _FENCE.set(None)  # of an earlier write of this task
        with (
            _translated(request, self.endpoint.host),
            anyio.fail_after(self.endpoint.request_timeout),
        ):
            accepted = {**headers, "Accept-Encoding": "identity"}
            response = await self._open(request, accepted, self._unbounded)
            if response.status == 200 and not _is_packed(response):
                return Stream(request, self.endpoint.host, response)
            async with response:
                if response.status == 200:
                    response.close()
                    text = f"{request.method} {self.endpoint.host}{request.path}: a packed stream"
                    raise ApiError(200, "", f"{text} was not asked for")
                body = await self._body(request, response)
        raise error_of(response.status, body, response.headers.get("Retry-After", ""))

    async def _body(self, request: Request, response: aiohttp.ClientResponse) -> bytes:
        """What the answer says.  Raises Excessive, and ApiError for what cannot be unpacked."""
        place = f"{request.method} {self.endpoint.host}{request.path}"
        is_refusal = response.status >= 300
        most = REFUSAL_BYTES if is_refusal else self.endpoint.allowance.answer_bytes
        encoding = response.headers.get("Content-Encoding", "")
        chunks = response.content.iter_any()
        try:
            return await read_body(chunks, encoding, most, self._room, cut=is_refusal)
        except Overlong:
            response.close()
            text = (
                f"{place}: the answer has more than {most} bytes, or all that come at once have "
                f"{_AT_ONCE} times as many: this is no API server, or "
                f"{self.endpoint.allowance.flags}-answer-bytes is too low"
            )
            raise Excessive(0, "", text) from None
        except Garbled as error:
            response.close()
            raise ApiError(response.status, "", f"{place}: {error}") from None

    def _endless(self, request: Request) -> Excessive:
        allowance = self.endpoint.allowance
        return Excessive(
            0,
            "",
            f"{request.method} {self.endpoint.host}{request.path}: the answer has no end within "
            f"{allowance.answer_time:g} s: this is no API server, or "
            f"{allowance.flags}-answer-timeout is too low",
        )

    async def _open(
        self, request: Request, headers: Mapping[str, str], bounds: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """The answer's head."""
        endpoint = self.endpoint
        own = {"Accept": request.accept}
        if request.body is not None:
            own["Content-Type"] = request.content_type
        query = _query(tuple(request.query.items()))
        return await self._session.request(
            request.method,
            URL(endpoint.host + request.path + query, encoded=True),
            data=request.body,
            headers=_pairs({**headers, **own}),
            ssl=True if endpoint.tls is None else endpoint.tls,
            server_hostname=endpoint.server_name or None,
            proxy=endpoint.proxy or None,
            allow_redirects=False,
            timeout=bounds,
        )


@lru_cache(256)
def _query(parameters: tuple[tuple[str, str], ...]) -> str:
    """What stands behind the path: most requests ask in one of a few ways."""
    return f"?{urlencode(parameters)}" if parameters else ""


def _pairs(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers as they are sent: of who is impersonated some come several times, a line each."""
    if "Impersonate-User" not in headers:
        return headers
    found = CIMultiDict[str]()
    for name, value in headers.items():
        is_one = name == "Impersonate-User" or not name.startswith("Impersonate-")
        for each in (value,) if is_one else value.split("\n"):
            found.add(name, each)
    return found


def _is_packed(response: aiohttp.ClientResponse) -> bool:
    return response.headers.get("Content-Encoding", "identity").lower() != "identity"


class Stream:
    """An answer under way."""

    def __init__(self, request: Request, host: str, response: aiohttp.ClientResponse) -> None:
        self._request = request
        self._host = host
        self._response = response

    async def chunk(self) -> bytes:
        """The next bytes, none at the end.  Raises Unreachable if the connection breaks."""
        with _translated(self._request, self._host):
            return await self._response.content.readany()

    def close(self) -> None:
        """Cut the connection; without TLS's farewell, as a loop that ends would not wait for it."""
        connection = self._response.connection
        wire = connection.transport if connection is not None else None
        self._response.close()
        if wire is not None:
            wire.abort()


class _translated:  # noqa: N801 - reads as the verb it is
    """Turns what aiohttp and the system raise into Unreachable."""

    def __init__(self, request: Request, host: str) -> None:
        self._what = f"{request.method} {host}{request.path}"

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raise in the words of this package."""
        if isinstance(error, ForbiddenAddress):
            raise NotSent(0, "", f"{self._what}: {error}") from error
        if isinstance(error, aiohttp.ClientConnectorError):
            number = error.os_error.errno if error.os_error is not None else None
            text = os.strerror(number) if number and number > 0 else str(error)
            raise NotSent(0, "", f"{self._what}: {text}") from error
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            raise NotSent(0, "", f"{self._what}: no connection in time") from error
        if isinstance(error, TimeoutError):
            raise TimedOut(0, "", f"{self._what}: no answer in time") from error
        if isinstance(error, (aiohttp.ClientError, OSError)):
            text = str(error) or type(error).__name__
            raise Unreachable(0, "", f"{self._what}: {text}") from error
