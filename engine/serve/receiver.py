"""Take the calls of webhooks: bounded in time, size and number before anything else is asked.

In: HTTP from anybody.  Out: calls of Receivers that are ready, and for strangers a status without
a word.  Never: a body of a path that is not called, a line about one in the log.
Source: flux-behaviour 6.4; notification-controller internal/server/limits.go.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from engine.api.meta import NOTIFICATION_GROUP
from engine.reconcile.receiver_hits import Effect, Outcome, effect_of
from engine.reconcile.receiver_hooks import Closed, Hook
from engine.reconcile.receiver_telling import Telling
from engine.reconcile.run import Engine
from engine.serve.bodies import BODY_BYTES, READ_TIME, Bodies, BrokenOff, TooLarge, TooMany, TooSlow
from engine.serve.connections import Connections
from engine.serve.http import answering
from engine.telemetry import logger

_KIND = (NOTIFICATION_GROUP, "Receiver")
_SERVICE, _HANDLER = "receiver", "/hook/"


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
        self._bodies = Bodies()  # each namespace's share: no tenant stops the others

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The answer to one call; its time is measured."""
        series = self._engine.metrics.webhook_calls
        with series.measured(_SERVICE, _HANDLER, request.method) as one:
            try:
                one.status, text = await self._answer(request)
            except Exception:  # a bug: its caller is not told more than any other
                logger.exception("a call of a webhook failed: this is a bug in Lockstep")
                one.status, text = 500, ""
            one.size = len(text)
        return web.Response(status=one.status, text=text)

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
        """What a call of an open hook does."""
        try:
            async with self._bodies.read(request, hook.ref.namespace) as body:
                with self.connections.busy(request):
                    return await effect_of(hook, _headers(request), body, self._engine)
        except TooLarge:
            return Effect(Outcome.TOO_LARGE, f"its body has more than {BODY_BYTES} bytes")
        except TooMany:
            return Effect(Outcome.BUSY, "too many calls are being read: limit them at the Ingress")
        except TooSlow:
            return Effect(Outcome.TOO_SLOW, f"its body did not come within {READ_TIME:g} s")
        except BrokenOff:
            return Effect(Outcome.BROKEN_OFF, "its body broke off, or its encoding is malformed")


def _headers(request: web.BaseRequest) -> Mapping[str, str]:
    """The first value of each header, by name in lower case."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), value)
    return headers
