"""How one engine enters its own API server, and holds the Leases there: as its settings say."""

import socket
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from random import Random
from uuid import uuid4

from engine.cluster import Client, connected
from engine.cluster.endpoint import Endpoint
from engine.cluster.lease import Leases, lease_name
from engine.cluster.limiter import Limiter
from engine.cluster.sender import Report
from engine.cluster.terms import Terms, longest_write
from engine.reconcile.remote_client import bounds_of, own_allowance
from engine.runtime import Clock
from engine.settings import Settings
from engine.telemetry import Metrics


def open_client(
    settings: Settings, endpoint: Endpoint, clock: Clock, series: Metrics
) -> AbstractAsyncContextManager[Client]:
    """The client of the engine's own API server, which counts its requests."""
    host = endpoint.host.partition("://")[2]
    endpoint = replace(
        endpoint,
        request_timeout=request_timeout(settings),
        allowance=own_allowance(settings),
        mark=settings.impersonation_mark,
    )

    def observe(report: Report) -> None:
        series.requests.labels(report.status or "<error>", report.method, host).inc()

    return connected(
        endpoint,
        clock,
        Random(),  # noqa: S311 - jitter of retries
        limiter=Limiter(clock, bounds_of(settings)),
        observer=observe,
        role="kustomize-controller",
    )


def _terms(settings: Settings) -> Terms:
    """How the Leases are held.  Raises UnfitTerms if the settings do not fit together.

    A request timeout that nobody asked for is shortened to what the Lease allows.
    """
    duration = settings.leader_election_lease_duration
    retry_period = settings.leader_election_retry_period
    wanted = max(1.0, settings.request_timeout)
    if settings.request_timeout == Settings().request_timeout:
        wanted = min(wanted, max(1.0, longest_write(duration, retry_period)))
    return Terms(
        duration=duration,
        renew_deadline=settings.leader_election_renew_deadline,
        retry_period=retry_period,
        request_timeout=wanted,
        release_on_cancel=settings.leader_election_release_on_cancel,
    )


def request_timeout(settings: Settings) -> float:
    """Seconds that a request may take.  Raises UnfitTerms if the Lease leaves no such time."""
    if settings.enable_leader_election:
        return _terms(settings).request_timeout
    return max(1.0, settings.request_timeout)


def leases_of(settings: Settings, client: Client, clock: Clock) -> Leases | None:
    """Flux's Leases of the controllers whose work is done here."""
    if not settings.enable_leader_election:
        return None
    controllers = ["kustomize-controller"]
    if settings.sources == "git":
        controllers.append("source-controller")
    if settings.serves_receivers or not settings.events_addr:  # Receivers, or Alerts
        controllers.append("notification-controller")
    names = [lease_name(each, settings.watch_label_selector) for each in controllers]
    identity = f"{socket.gethostname()}_{uuid4()}"
    namespace = settings.runtime_namespace
    return Leases(client, namespace, names, identity, clock, terms=_terms(settings))
