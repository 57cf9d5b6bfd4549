"""The clients of other clusters: bounded as our own, and fenced by the engine's own Lease."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

from engine.cluster import Client, connected
from engine.cluster.breaker import Breaker
from engine.cluster.concurrency import Bounds
from engine.cluster.endpoint import Endpoint
from engine.cluster.limiter import Limiter
from engine.cluster.pool import Connect
from engine.cluster.sender import Report
from engine.runtime import Clock
from engine.settings import Settings
from engine.telemetry import Metrics

PATIENCE = 30.0  # seconds; Flux's request timeout in other clusters


def bounds_of(settings: Settings) -> Bounds:
    """How much one API server is asked at once."""
    return Bounds(
        least=min(settings.api_concurrency_least, settings.api_concurrency),
        most=settings.api_concurrency,
        watches=settings.api_watches,
    )


def connector(
    settings: Settings,
    clock: Clock,
    series: Metrics,
    fence: Callable[[], None] | None,
    longest_write: float,
) -> Connect:
    """What connects to other clusters.

    fence: see `Client.fenced`.   longest_write: seconds; a write there must end before the Lease
    here could be taken over, as a write here.
    """

    @asynccontextmanager
    async def connect(name: str, endpoint: Endpoint, breaker: Breaker) -> AsyncIterator[Client]:
        def observe(report: Report) -> None:
            series.requests.labels(report.status or "<error>", report.method, name).inc()

        asked = settings.request_timeout  # who asks for less than we do by ourselves means it
        patience = PATIENCE if asked >= Settings().request_timeout else asked
        bounded = replace(
            endpoint,
            identity=name,
            request_timeout=min(longest_write, patience),
            read_timeout=patience,
        )
        limiter = Limiter(clock, bounds_of(settings), breaker)
        async with connected(
            bounded,
            clock,
            Random(),  # noqa: S311 - jitter of retries
            limiter=limiter,
            observer=observe,
            role="kustomize-controller",
        ) as client:
            yield client.fenced(fence)

    return connect
