"""Takes the events that Flux's controllers post, as their notification-controller does.

Source: flux-behaviour 6.1; notification-controller internal/server (event_server.go, limits.go).
"""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import orjson
from aiohttp import web

from engine.api.decode import Undecodable
from engine.notice import Notification, read
from engine.telemetry import Metrics, because, logger

LIMIT_BYTES = 3 * 2**20  # of a body, Flux's
_READ = 30.0  # seconds for a body, Flux's
_HANDLED = 4.0  # seconds; controllers of Flux wait 5 for an answer, and try again
_AT_ONCE = 32  # bodies in memory at the same time
_HANDLER, _SERVICE = "/", ""  # labels, as go-http-metrics writes them

Receive = Callable[[Notification], Awaitable[bool]]


def add_event_routes(
    application: web.Application, receive: Receive, ready: anyio.Event, series: Metrics
) -> None:
    """Adds POST to every path, as Flux has it.

    202: taken, and on disk for whom it concerns; 429: known already; 400: no event; 413: too long;
    408: it came too slowly; 503: try again.   receive: whether it is news.   ready: set once it is
    known who wants to hear what.
    """
    places = anyio.Semaphore(_AT_ONCE)

    async def handle(request: web.Request) -> web.Response:
        began = anyio.current_time()
        async with places:
            status, text = await _answered(request, receive, ready)
        spent = anyio.current_time() - began
        series.event_requests.labels(str(status), _HANDLER, request.method, _SERVICE).observe(spent)
        headers = {"Retry-After": "1"} if status == 503 else {}
        return web.Response(status=status, text=text, headers=headers)

    application.router.add_post("/{path:.*}", handle)


async def _answered(request: web.Request, receive: Receive, ready: anyio.Event) -> tuple[int, str]:
    """Status and text."""
    try:
        with anyio.fail_after(_READ):
            body = await _body(request)
    except TimeoutError:
        return 408, "the body did not come in time\n"
    if body is None:
        return 413, f"an event has at most {LIMIT_BYTES} bytes\n"
    try:
        notification = read(_decoded(body))
    except (Undecodable, orjson.JSONDecodeError) as error:
        logger.error("an event that was posted is none", extra=because(error))
        return 400, f"this is no event: {error}\n"
    with anyio.move_on_after(_HANDLED):
        await ready.wait()
        return (202, "") if await receive(notification) else (429, "it is known already\n")
    return 503, "Alerts are not known yet\n"


def _decoded(body: bytes) -> Any:
    """Raises JSONDecodeError."""
    return orjson.loads(body)


async def _body(request: web.Request) -> bytes | None:
    """The body, None if it is too long; no more than that is read."""
    if (request.content_length or 0) > LIMIT_BYTES:
        return None
    found = bytearray()
    async for chunk in request.content.iter_chunked(64 * 1024):
        found += chunk
        if len(found) > LIMIT_BYTES:
            return None
    return bytes(found)
