"""Start an HTTP server on an address as Flux's flags write it: `:8080`, `127.0.0.1:0`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

_GRACE = 2.0  # seconds that open requests get when the server stops


class BadAddress(ValueError):  # noqa: N818 - it is the address that is bad
    """An address that is not `HOST:PORT` or `:PORT`, or that cannot be listened on."""


def parse_address(text: str) -> tuple[str, int]:
    """Host and port; an empty host means all interfaces.  Raises BadAddress."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise BadAddress(f"{text!r} is not an address: write HOST:PORT or :PORT")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - what `:PORT` means in Flux


@asynccontextmanager
async def listening(
    address: str, add_routes: Callable[[web.Application], None]
) -> AsyncIterator[str]:
    """`host:port` that is served while inside; port 0 becomes a free one.  Raises BadAddress."""
    host, port = parse_address(address)
    application = web.Application()
    add_routes(application)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_GRACE)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise BadAddress(
                f"cannot listen on {address}: {error.strerror}; choose another port, 0 for any"
            ) from error
        bound = runner.addresses[0]
        yield f"{bound[0]}:{bound[1]}"
    finally:
        await runner.cleanup()
