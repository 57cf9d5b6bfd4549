"""Takes the events that Flux's controllers post, as their notification-controller does.

In: HTTP from anybody in the cluster.  Never: a word of theirs in the log that is not part of an
event.
Source: flux-behaviour 6.1; notification-controller internal/server (event_server.go, limits.go).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import anyio
import orjson
from aiohttp import web

from engine.api.decode import Undecodable
from engine.notice import Notification, read
from engine.serve.bodies import BODY_BYTES, READ_TIME, Bodies, BrokenOff, TooLarge, TooMany, TooSlow
from engine.serve.connections import Connections
from engine.serve.http import answering
from engine.telemetry import Metrics, because, logger

_HANDLED = 4.0  # seconds; controllers of Flux wait 5 for an answer, and try again
_HANDLER, _SERVICE = "/", ""  # labels, as go-http-metrics writes them
_DEPTH = 2  # steps of a path that are ours, `$.involvedObject`; what follows may be a sender's

Receive = Callable[[Notification], Awaitable[bool]]


@asynccontextmanager
async def taking_events(
    address: str, receive: Receive, ready: anyio.Event, metrics: Metrics
) -> AsyncIterator[str]:
    """`host:port` at which events are taken while inside.  Raises BadAddress.

    receive: whether it is news.   ready: set once it is known who wants to hear what.
    """
    intake = Intake(receive, ready, metrics)
    server = Connections(intake.answer)
    intake.connections = server
    async with answering(address, server) as served:
        yield served


@dataclass
class Intake:
    """Answers posts, at every path, as Flux has it.

    202: taken, and on disk for whom it concerns; 429: known already; 400: no event, or not all of
    one; 405: no post; 408: it came too slowly; 413: too long; 503: try again.
    """

    receive: Receive
    ready: anyio.Event
    metrics: Metrics
    bodies: Bodies = field(default_factory=Bodies)
    connections: Connections = field(init=False)

    _headers: ClassVar = {405: {"Allow": "POST"}, 503: {"Retry-After": "1"}}

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The answer to one post; its time is measured."""
        with self.metrics.event_calls.measured(_SERVICE, _HANDLER, request.method) as one:
            try:
                one.status, text = await self._answer(request)
            except Exception:  # a bug: its caller is told to come again
                logger.exception("an event could not be taken: this is a bug in Lockstep")
                one.status, text = 500, "an event could not be taken\n"
            one.size = len(text)
        return web.Response(status=one.status, text=text, headers=self._headers.get(one.status))

    async def _answer(self, request: web.BaseRequest) -> tuple[int, str]:
        """Status and text."""
        if request.method != "POST":
            return 405, "events are posted\n"
        try:
            async with self.bodies.read(request, request.remote) as body:
                with self.connections.busy(request):
                    return await self._taken(body)
        except TooLarge:
            return 413, f"an event has at most {BODY_BYTES} bytes\n"
        except TooMany:
            return 503, "too many events are being read\n"
        except TooSlow:
            return 408, f"the body did not come within {READ_TIME:g} s\n"
        except BrokenOff:
            return 400, "the body broke off\n"

    async def _taken(self, body: bytes) -> tuple[int, str]:
        try:
            notification = read(orjson.loads(body))
        except (Undecodable, orjson.JSONDecodeError) as error:
            problem = _problem(error)
            logger.error("an event that was posted is none", extra=because(problem))
            return 400, f"this is no event: {problem}\n"
        with anyio.move_on_after(_HANDLED):
            await self.ready.wait()
            return (202, "") if await self.receive(notification) else (429, "it is known already\n")
        return 503, "Alerts are not known yet\n"


def _problem(error: Undecodable | orjson.JSONDecodeError) -> str:
    """What is wrong, without a word of what was sent: it may be anything, a token too."""
    if isinstance(error, Undecodable):
        field_name = ".".join(error.path.split(".")[:_DEPTH])
        return f"{field_name}: expected {error.expected}"
    return f"not JSON: line {error.lineno}, column {error.colno}"
