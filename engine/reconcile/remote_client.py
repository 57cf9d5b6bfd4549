"""The clients of other clusters: bounded as our own, and fenced by the engine's own Lease."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

from yarl import URL

from engine.cluster import Client, connected
from engine.cluster.allowance import Allowance
from engine.cluster.breaker import Breaker
from engine.cluster.concurrency import Bounds
from engine.cluster.connect import InvalidKubeconfig
from engine.cluster.endpoint import Endpoint
from engine.cluster.limiter import Limiter
from engine.cluster.pool import Connect
from engine.cluster.sender import Report
from engine.runtime import Clock
from engine.settings import Settings
from engine.source.addresses import ForbiddenAddress, Guarded, guarded_by
from engine.source.proxies import proxy_of
from engine.telemetry import Metrics

PATIENCE = 30.0  # seconds; Flux's request timeout in other clusters


def bounds_of(settings: Settings) -> Bounds:
    """How much one API server is asked at once."""
    return Bounds(
        least=min(settings.api_concurrency_least, settings.api_concurrency),
        most=settings.api_concurrency,
        watches=settings.api_watches,
    )


def own_allowance(settings: Settings) -> Allowance:
    """How much the engine's own API server may say."""
    return Allowance(
        settings.api_answer_bytes, settings.api_answer_timeout, settings.api_list_objects
    )


def remote_allowance(settings: Settings) -> Allowance:
    """How much the API server of another cluster may say, which perhaps a tenant has named."""
    return Allowance(
        settings.remote_answer_bytes,
        settings.remote_answer_timeout,
        settings.remote_list_objects,
        flags="--remote",
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
    names = guarded_by(settings)

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
            allowance=remote_allowance(settings),
        )
        if names is not None:
            bounded = judged(bounded, name, names, os.environ)
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


def judged(
    endpoint: Endpoint, name: str, names: Guarded, environment: Mapping[str, str]
) -> Endpoint:
    """The endpoint, which leads to no address that a tenant may not name.

    name: of the Secret or ConfigMap that describes it.   environment: may name a proxy, which is
    the operator's.   Raises InvalidKubeconfig; what a name resolves to is judged at each connect.
    """
    is_operators = bool(endpoint.proxy) and endpoint.proxy == proxy_of(endpoint.host, environment)
    try:
        for address in (endpoint.host, "" if is_operators else endpoint.proxy):
            url = URL(address)
            names.check(url.host or "", url.port)
    except (ForbiddenAddress, ValueError) as error:
        raise InvalidKubeconfig(f"cluster '{name}': {error}") from error
    return endpoint if is_operators else replace(endpoint, names=names)
