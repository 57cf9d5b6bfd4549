"""What Kubernetes and operators ask the process: alive, ready, which log level."""

from collections.abc import Callable

from aiohttp import web

from engine.telemetry import LEVELS, Metrics, level, logger, set_level


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
            text = f"{wanted!r} is no log level: use one of {', '.join(LEVELS)}\n"
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


def metrics(series: Metrics) -> Callable[[web.Application], None]:
    """Adds `/metrics` in Prometheus' text format."""

    async def exposition(_: web.Request) -> web.Response:
        return web.Response(body=series.text(), content_type="text/plain", charset="utf-8")

    def add(application: web.Application) -> None:
        application.router.add_get("/metrics", exposition)

    return add
