"""The series of one HTTP server: how long its answers take, how large they are, how many it owes.

Source: flux-behaviour 9.3; slok/go-http-metrics, whose names and labels Flux's servers have.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from prometheus_client import CollectorRegistry, Gauge, Histogram

_LABELS = ("service", "handler", "method", "code")
_SIZES = tuple(100.0 * 10**step for step in range(8))  # bytes, go-http-metrics'
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class Answered:
    """What a call was answered; filled in while it is measured."""

    status: int = 500
    size: int = 0  #: bytes of its body


class CallSeries:
    """Series below one prefix."""

    def __init__(self, prefix: str, what: str, registry: CollectorRegistry) -> None:
        """prefix: `gotk_receiver`.   what: whom it answers, as the help of a series says it."""
        self._seconds = Histogram(
            f"{prefix}_http_request_duration_seconds",
            f"Time in which {what} were answered.",
            _LABELS,
            registry=registry,
        )
        self._sizes = Histogram(
            f"{prefix}_http_response_size_bytes",
            f"Size of the answers to {what}.",
            _LABELS,
            buckets=_SIZES,
            registry=registry,
        )
        self._in_flight = Gauge(
            f"{prefix}_http_requests_inflight",
            f"How many {what} are not answered yet.",
            ("service", "handler"),
            registry=registry,
        )

    @contextmanager
    def measured(self, service: str, handler: str, method: str) -> Iterator[Answered]:
        """What one call was answered, to be filled in."""
        began, one = perf_counter(), Answered()
        with self._in_flight.labels(service, handler).track_inprogress():
            yield one
        known = method if method in _METHODS else "other"  # a stranger could make up thousands
        labels = (service, handler, known, str(one.status))
        self._seconds.labels(*labels).observe(perf_counter() - began)
        self._sizes.labels(*labels).observe(one.size)
