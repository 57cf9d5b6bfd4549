"""Start an HTTP server on an address as Flux's flags write it: `:8080`, `127.0.0.1:0`."""

import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

_GRACE = 2.0  # seconds that open requests get when the server stops
_PORT = re.compile(r"[0-9]{1,5}")


class BadAddress(ValueError):  # noqa: N818 - it is the address that is bad
    """An address that is not `HOST:PORT` or `:PORT`, or that cannot be listened on."""


def parse_address(text: str) -> tuple[str, int]:
    """Host and port; an empty host means all interfaces, of IPv4 and IPv6.  Raises BadAddress."""
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65535:
        raise BadAddress(f"{text!r} is not an address: write HOST:PORT or :PORT")
    return host.strip("[]"), int(port)


@asynccontextmanager
async def listening(
    address: str, add_routes: Callable[[web.Application], None]
) -> AsyncIterator[str]:
    """`host:port` that is served while inside; port 0 becomes a free one.  Raises BadAddress.

    All interfaces are told as `0.0.0.0`.
    """
    application = web.Application()
    add_routes(application)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_GRACE)
    async with _started(address, runner) as served:
        yield served


@asynccontextmanager
async def answering(address: str, server: web.Server) -> AsyncIterator[str]:
    """The same for a server without routes, whose limits are its own."""
    async with _started(address, web.ServerRunner(server, shutdown_timeout=_GRACE)) as served:
        yield served


@asynccontextmanager
async def _started(address: str, runner: web.AppRunner | web.ServerRunner) -> AsyncIterator[str]:
    host, port = parse_address(address)
    await runner.setup()
    try:
        try:
            site = (
                web.TCPSite(runner, host, port) if host else web.SockSite(runner, _anywhere(port))
            )
            await site.start()
        except OSError as error:
            reason = error.strerror
            if error.errno and error.errno > 0:  # not of a name: those are negative
                reason = os.strerror(error.errno)
            raise BadAddress(
                f"cannot listen on {address}: {reason}; choose another port, 0 for any"
            ) from error
        found, number = runner.addresses[0][:2]
        shown = f"[{found}]" if ":" in found else found
        yield f"{shown if host else '0.0.0.0'}:{number}"  # noqa: S104 - what `:PORT` means in Flux
    finally:
        await runner.cleanup()


def _anywhere(port: int) -> socket.socket:
    """A socket for all interfaces, of both versions of IP where there are both, as Go's."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
