"""Take the calls of webhooks: bounded in time, size and number before anything else is asked.

In: HTTP from anybody.  Out: calls of Receivers that are ready, and for strangers a status without
a word.  Never: a body of a path that is not called, a line about one in the log.
Source: flux-behaviour 6.4; notification-controller internal/server/limits.go.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from time import perf_counter

import anyio
from aiohttp import web

from engine.api.meta import NOTIFICATION_GROUP
from engine.objects.ref import Ref
from engine.reconcile.receiver_hits import Effect, Outcome, effect_of
from engine.reconcile.receiver_hooks import Closed, Hook
from engine.reconcile.receiver_telling import Telling
from engine.reconcile.run import Engine
from engine.serve.connections import Connections
from engine.serve.http import answering
from engine.telemetry import logger

BODY_BYTES = 3 * 2**20  # Flux's cap
READ_TIME = 30.0  # seconds for a whole body, Flux's; its header's are those of a connection
_HELD_BYTES = 64 * 2**20  # of all bodies at one time ...
_SHARE = 4  # ... of which one Receiver may have so much: no tenant stops the others
_KIND = (NOTIFICATION_GROUP, "Receiver")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SERVICE, _HANDLER = "receiver", "/hook/"


class _TooLarge(Exception):  # noqa: N818 - an answer, not an error
    """A body that is longer than anybody's."""


class _Busy(Exception):  # noqa: N818 - an answer, not an error
    """Too many bodies are being read."""


@asynccontextmanager
async def receiving(engine: Engine, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Takes calls while inside, if Receivers are served here; tell: is given the address."""
    if not engine.settings.serves_receivers:
        yield
        return
    calls = Calls(engine)
    server = Connections(calls.answer)
    calls.connections = server
    async with answering(engine.settings.receiver_addr, server) as served:
        tell(served)
        yield


class Calls:
    """Answers calls."""

    connections: Connections

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._telling = Telling()
        self._held: dict[Ref, int] = {}  # {Receiver: bytes of bodies that are here}

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The answer to one call; its time is measured."""
        metrics, began = self._engine.metrics, perf_counter()
        method = request.method if request.method in _METHODS else "other"
        with metrics.calls_in_flight.labels(_SERVICE, _HANDLER).track_inprogress():
            try:
                status, text = await self._answer(request)
            except Exception:  # a bug: its caller is not told more than any other
                logger.exception("a call of a webhook failed: this is a bug in Lockstep")
                status, text = 500, ""
        spent = metrics.calls.labels(_SERVICE, _HANDLER, method, str(status))
        spent.observe(perf_counter() - began)
        return web.Response(status=status, text=text)

    async def _answer(self, request: web.BaseRequest) -> tuple[int, str]:
        """Status and text."""
        engine = self._engine
        found = engine.hooks.find(request.rel_url.raw_path)
        if found is None:
            # Until all are known it is not known that there is none.
            engine.metrics.hits.labels("", "", "", "unknown").inc()
            return (404 if _KIND in engine.hooks.known else 503), ""
        obj = engine.mirror.get(found.ref)
        spec = (obj or {}).get("spec") or {}
        told = ""
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            effect = Effect(Outcome.NOT_READY, "the Receiver is being deleted")
        elif spec.get("suspend"):
            effect = Effect(Outcome.SUSPENDED, "the Receiver is suspended")
        elif isinstance(found, Closed):
            effect, told = Effect(Outcome.NOT_READY, found.why), found.told
        else:
            effect = await self._effect(found, request)
        self._telling.tell(found.ref, str(spec.get("type", "")), effect, engine)
        return effect.status, told

    async def _effect(self, hook: Hook, request: web.BaseRequest) -> Effect:
        """What a call of an open hook does; its body counts as held until it is done."""
        chunks: list[bytes] = []
        try:
            return await self._taken(hook, request, chunks)
        finally:
            left = self._held.get(hook.ref, 0) - sum(map(len, chunks))
            self._held[hook.ref] = left
            if not left:
                del self._held[hook.ref]

    async def _taken(self, hook: Hook, request: web.BaseRequest, chunks: list[bytes]) -> Effect:
        try:
            with anyio.fail_after(READ_TIME):
                await self._read(request, hook.ref, chunks)
        except _TooLarge:
            return Effect(Outcome.TOO_LARGE, f"its body has more than {BODY_BYTES} bytes")
        except _Busy:
            return Effect(Outcome.BUSY, "too many calls are being read: limit them at the Ingress")
        except (TimeoutError, web.RequestPayloadError):
            return Effect(Outcome.TOO_SLOW, f"its body did not come within {READ_TIME:g} s")
        with self.connections.busy(request):
            return await effect_of(hook, _headers(request), b"".join(chunks), self._engine)

    async def _read(self, request: web.BaseRequest, ref: Ref, chunks: list[bytes]) -> None:
        """Adds the body to `chunks` as it comes.  Raises _TooLarge, _Busy."""
        if (request.content_length or 0) > BODY_BYTES:
            raise _TooLarge
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        size = 0
        while chunk := await request.content.readany():
            chunks.append(chunk)
            size += len(chunk)
            self._held[ref] = held = self._held.get(ref, 0) + len(chunk)
            if size > BODY_BYTES:
                raise _TooLarge
            if held > _HELD_BYTES // _SHARE or sum(self._held.values()) > _HELD_BYTES:
                raise _Busy


def _headers(request: web.BaseRequest) -> Mapping[str, str]:
    """The first value of each header, by name in lower case."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), value)
    return headers
