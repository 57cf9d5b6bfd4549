"""Proxies for tests: HTTP (plain, TLS) and SOCKS 5, which note who asked them for what."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketStream


@dataclass
class Gateway:
    """A proxy; it alone knows where names lead.

    names: port on the loopback by name.   login: `user:password` that it wants, "" for nobody's.
    """

    scheme: str
    names: dict[str, int]
    login: str = ""
    is_eager: bool = False
    """Whether it sends its own answer only with the first words of the server."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """`CONNECT host:port`, or the first line of a request."""
    logins: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def port_of(self, host: str, port: int) -> int:
        """Raises OSError for a name that it does not know."""
        if host not in self.names:
            raise OSError(f"no such host: {host}")
        return self.names[host] or port


class Stream:
    """Reads lines and exact lengths of a connection."""

    def __init__(self, stream: SocketStream) -> None:
        self.plain = stream
        self._rest = b""

    async def exactly(self, length: int) -> bytes:
        while len(self._rest) < length:
            self._rest += await self.plain.receive()
        found, self._rest = self._rest[:length], self._rest[length:]
        return found

    async def until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._rest += await self.plain.receive()
        found, _, self._rest = self._rest.partition(end)
        return found + end

    def rest(self) -> bytes:
        found, self._rest = self._rest, b""
        return found


@asynccontextmanager
async def http_gateway(
    names: dict[str, int], tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[Gateway]:
    """An HTTP proxy: tunnels by CONNECT, and plain requests."""
    gateway = Gateway("https" if tls else "http", names, **options)
    async with _serving(gateway, _http, tls):
        yield gateway


@asynccontextmanager
async def socks_gateway(names: dict[str, int], **options: Any) -> AsyncIterator[Gateway]:
    """A SOCKS 5 proxy."""
    gateway = Gateway("socks5", names, **options)
    async with _serving(gateway, _socks, None):
        yield gateway


@asynccontextmanager
async def _serving(
    gateway: Gateway,
    talk: Callable[[Gateway, Stream], Coroutine[Any, Any, None]],
    tls: ssl.SSLContext | None,
) -> AsyncIterator[None]:
    served: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        served.add(task)
        with suppress(OSError, anyio.EndOfStream, asyncio.CancelledError):
            await talk(gateway, Stream(_Wrapped(reader, writer)))  # type: ignore[arg-type] # enough
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
        served.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    gateway.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        for task in served:
            task.cancel()
        if served:
            await asyncio.wait(served)


class _Wrapped:
    """asyncio's streams with anyio's names: asyncio's server speaks TLS, too."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def receive(self) -> bytes:
        data = await self._reader.read(65536)
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def send_eof(self) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()


async def _http(gateway: Gateway, client: Stream) -> None:
    head = (await client.until(b"\r\n\r\n")).decode()
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
    kind, _, pair = headers.get("proxy-authorization", "").partition(" ")
    login = base64.b64decode(pair).decode() if kind == "Basic" else ""
    gateway.asked.append(first.rpartition(" ")[0])
    gateway.logins.append(login)
    if gateway.login and login != gateway.login:
        await client.plain.send(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n")
        return
    parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
    try:
        port = gateway.port_of(parts.hostname or "", parts.port or 80)
    except OSError:
        await client.plain.send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        return
    async with await anyio.connect_tcp("127.0.0.1", port) as server:
        if method == "CONNECT":
            greeting = b"HTTP/1.1 200 Connected\r\nVia: test\r\n\r\n"
            if gateway.is_eager:
                greeting += await server.receive()
            await client.plain.send(greeting)
        else:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection"))]
            plain = "\r\n".join([f"{method} {path} HTTP/1.1", "Connection: close", *kept])
            await server.send(plain.encode())
        await _pipe(client, server)


async def _socks(gateway: Gateway, client: Stream) -> None:
    methods = await client.exactly((await client.exactly(2))[1])
    if gateway.login and 2 not in methods:
        await client.plain.send(b"\x05\xff")
        return
    await client.plain.send(b"\x05\x02" if 2 in methods else b"\x05\x00")
    if 2 in methods:
        user = await client.exactly((await client.exactly(2))[1])
        password = await client.exactly((await client.exactly(1))[0])
        login = f"{user.decode()}:{password.decode()}"
        gateway.logins.append(login)
        is_right = not gateway.login or login == gateway.login
        await client.plain.send(b"\x01\x00" if is_right else b"\x01\x01")
        if not is_right:
            return
    kind = (await client.exactly(4))[3]
    if kind == 3:
        host = (await client.exactly((await client.exactly(1))[0])).decode()
    else:
        host = ".".join(map(str, await client.exactly(4)))
    port = int.from_bytes(await client.exactly(2), "big")
    gateway.asked.append(f"CONNECT {host}:{port}")
    try:
        found = gateway.port_of(host, port)
    except OSError:
        await client.plain.send(b"\x05\x04\x00\x01" + b"\0" * 6)
        return
    async with await anyio.connect_tcp("127.0.0.1", found) as server:
        await client.plain.send(b"\x05\x00\x00\x01" + b"\0" * 6)
        await _pipe(client, server)


async def _pipe(client: Stream, server: SocketStream) -> None:
    async def there() -> None:
        with suppress(anyio.EndOfStream, OSError, anyio.ClosedResourceError):
            if rest := client.rest():
                await server.send(rest)
            while True:
                await server.send(await client.plain.receive())

    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(there)
        with suppress(anyio.EndOfStream, OSError):
            while True:
                await client.plain.send(await server.receive())
        tasks.cancel_scope.cancel()
