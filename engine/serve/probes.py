"""What Kubernetes, operators and Prometheus ask the process: alive, ready, log level, metrics."""

from collections.abc import Callable

import anyio
from aiohttp import web
from anyio import to_thread

from engine.telemetry import LEVELS, Metrics, level, logger, set_level

_FRESH = 1.0  # seconds that an exposition serves all who ask
_SHOWN = 40  # characters of what is no log level
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


def probes(readiness: Callable[[], str]) -> Callable[[web.Application], None]:
    """Adds `/healthz`, `/readyz` and `/loglevel` (GET, or PUT with the level as body).

    readiness: why the engine is not ready yet, "" once it is.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        why = readiness()
        return web.Response(status=503 if why else 200, text=f"{why or 'ok'}\n")

    async def show(_: web.Request) -> web.Response:
        return web.Response(text=f"{level()}\n")

    async def change(request: web.Request) -> web.Response:
        wanted = (await request.text()).strip().lower()
        if wanted not in LEVELS:
            text = f"{wanted[:_SHOWN]!r} is no log level: use one of {', '.join(LEVELS)}\n"
            return web.Response(status=400, text=text)
        set_level(wanted)
        logger.info("log level is now %s", wanted)
        return web.Response(text=f"{wanted}\n")

    def add(application: web.Application) -> None:
        application.router.add_get("/healthz", healthz)
        application.router.add_get("/readyz", readyz)
        application.router.add_get("/loglevel", show)
        application.router.add_put("/loglevel", change)

    return add


def metrics(series: Metrics, sample: Callable[[], None]) -> Callable[[web.Application], None]:
    """Adds `/metrics` in Prometheus' text format.

    sample: called on the event loop before each rendering.  Rendering takes most of a second for
    a big fleet, so a thread does it, once a second however many ask.
    """
    lock, rendered, rendered_at = anyio.Lock(), b"", float("-inf")

    async def exposition(_: web.Request) -> web.Response:
        nonlocal rendered, rendered_at
        async with lock:
            if anyio.current_time() - rendered_at > _FRESH:
                sample()
                rendered = await to_thread.run_sync(series.text)
                rendered_at = anyio.current_time()
        return web.Response(body=rendered, headers={"Content-Type": _EXPOSITION})

    def add(application: web.Application) -> None:
        application.router.add_get("/metrics", exposition)

    return add
