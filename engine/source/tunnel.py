"""How ssh connects: through a proxy, or straight to an address that is judged.

The HTTP connector of python-socks may swallow the first words of a server that speaks first, as ssh
servers do; so CONNECT is spoken here.
Source: RFC 9110, 9.3.6 (CONNECT); RFC 1928 (SOCKS 5).
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import TypeVar

from aiohttp.abc import ResolveResult
from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy as SocksProxy
from yarl import URL

from engine.source.addresses import ForbiddenAddress, Guarded
from engine.source.connection import address_of, not_through
from engine.source.failures import GitError
from engine.source.proxies import Proxy
from engine.source.ssh_server import SshServer

_LONGEST_HEAD = 16 * 1024  # bytes of a proxy's answer to CONNECT

P = TypeVar("P", bound=asyncio.Protocol)


def way_to(server: SshServer) -> "Tunnel | Judged | None":
    """What connects to a server; None: asyncio itself does."""
    if server.proxy is not None:
        return Tunnel(server.proxy, server.names)
    return Judged(server.names) if server.names is not None else None


class Judged:
    """Connects straight, to no address that a tenant may not name."""

    def __init__(self, names: Guarded) -> None:
        self._names = names

    async def create_connection(
        self, protocol: Callable[[], P], host: str, port: int
    ) -> tuple[asyncio.BaseTransport, P]:
        """Connected to the first of the host's addresses that answers.

        The signature is that of asyncio's loop.  Raises GitError, OSError.
        """
        loop = asyncio.get_running_loop()
        *others, last = await _addresses(self._names, host, port)
        for each in others:
            try:
                return await loop.create_connection(protocol, each["host"], port)
            except OSError:
                continue
        return await loop.create_connection(protocol, last["host"], port)


async def _addresses(names: Guarded, host: str, port: int) -> list[ResolveResult]:
    """Raises GitError, OSError."""
    try:
        names.check(host, port)
        return await names.resolve(host, port)
    except ForbiddenAddress as error:
        raise GitError(str(error)) from error


class Tunnel:
    """Opens connections through one proxy, for what speaks its own protocol behind it (ssh)."""

    def __init__(self, proxy: Proxy, names: Guarded | None = None) -> None:
        """names: judges where the proxy and the server behind it are, None: anywhere."""
        self._proxy = proxy
        self._names = names

    async def create_connection(
        self, protocol: Callable[[], P], host: str, port: int
    ) -> tuple[asyncio.BaseTransport, P]:
        """Connected by way of the proxy, which looks the host's name up.  Raises GitError.

        The signature is that of asyncio's loop.
        """
        loop = asyncio.get_running_loop()
        target = URL.build(scheme="ssh", host=host, port=port)
        try:
            near = await self._near(target)
            if self._proxy.is_socks:
                return await self._socks(near, loop, protocol, target)
            return await self._connect(near, loop, protocol, target)
        except (OSError, ProxyError) as error:
            raise GitError(not_through(error, self._proxy.url, target)) from error

    async def _near(self, target: URL) -> str:
        """The proxy's host; an address if a tenant named it.  Raises GitError, OSError."""
        host, port = self._proxy.url.host or "", self._proxy.url.port or 0
        if self._names is None:
            return host
        try:
            self._names.check(target.host or "", target.port)
        except ForbiddenAddress as error:
            raise GitError(str(error)) from error
        if self._proxy.is_operators:
            return host
        return (await _addresses(self._names, host, port))[0]["host"]

    async def _socks(
        self,
        near: str,
        loop: asyncio.AbstractEventLoop,
        protocol: Callable[[], P],
        target: URL,
    ) -> tuple[asyncio.BaseTransport, P]:
        proxy = self._proxy
        through = SocksProxy(
            ProxyType.SOCKS5,
            near,
            proxy.url.port or 0,
            username=proxy.username or None,
            password=proxy.password if proxy.username else None,
            rdns=True,
        )
        sock = await through.connect(target.host or "", target.port or 0)
        return await loop.create_connection(protocol, sock=sock)

    async def _connect(
        self,
        near: str,
        loop: asyncio.AbstractEventLoop,
        protocol: Callable[[], P],
        target: URL,
    ) -> tuple[asyncio.BaseTransport, P]:
        where = self._proxy.url
        tls = ssl.create_default_context() if where.scheme == "https" else None
        transport, asking = await loop.create_connection(
            lambda: _Asking(address_of(target), self._proxy.login),
            near,
            where.port or 0,
            ssl=tls,
            server_hostname=where.host if tls else None,
        )
        try:
            status = await asking.status
        except BaseException:
            transport.abort()
            raise
        if status != 200:
            transport.abort()
            raise ProxyError("CONNECT", error_code=status)
        inner = protocol()
        transport.set_protocol(inner)
        inner.connection_made(transport)
        if asking.rest:  # ssh servers speak first, perhaps in the same packet
            inner.data_received(asking.rest)
        return transport, inner


class _Asking(asyncio.Protocol):
    """Asks an HTTP proxy for a connection; takes no byte of what comes after its answer."""

    def __init__(self, target: str, login: Mapping[str, str]) -> None:
        headers = {"Host": target, **login}
        lines = [f"CONNECT {target} HTTP/1.1", *(f"{key}: {text}" for key, text in headers.items())]
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The proxy was reached."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - TCP and TLS are
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Part of its answer, or what follows."""
        self.rest += data
        head, end, rest = self.rest.partition(b"\r\n\r\n")
        words = head[:64].split(None, 2)
        if end and len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit():
            self.rest = rest
            self._ended(int(words[1]), None)
        elif end or len(self.rest) > _LONGEST_HEAD:
            self._ended(0, ProxyError("no answer of an HTTP proxy"))

    def connection_lost(self, exc: Exception | None) -> None:
        """It hung up."""
        self._ended(0, exc or ConnectionResetError())

    def _ended(self, status: int, error: Exception | None) -> None:
        if self.status.done():
            return
        if error is None:
            self.status.set_result(status)
        else:
            self.status.set_exception(error)
