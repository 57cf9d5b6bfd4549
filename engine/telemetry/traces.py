"""Spans: a trace for each reconcile, below it its stages, below these their requests.

What a webhook asked for, and whatever follows from that, belongs to the webhook's trace.

Where to is known by context, not globally: two engines in one process trace apart.  A span says
what kind of error ended it and never its text, which may quote a secret; `concluded` puts the
masked text on the trace as a whole.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry import propagate, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from engine.telemetry.logs import Seldom
from engine.telemetry.scope import clean

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_TRACER = "lockstep"
_FLUSH = 5.0  # seconds for the last spans at the end of the process
_PATH = "/v1/traces"
_TEXT = 1000  # characters of an error on a trace: the whole stands in the status and the log

Value = str | int | float | bool
Cause: TypeAlias = trace.SpanContext
"""The span on whose behalf something is done, perhaps of another process."""


@dataclass(frozen=True, slots=True)
class Tracing:
    """Where spans go."""

    provider: "TracerProvider"
    tracer: trace.Tracer
    give_up: Callable[[], None] | None = None  # has the exporter try nothing again


_TRACING: ContextVar[Tracing | None] = ContextVar("tracing", default=None)


def trace_to(provider: "TracerProvider | None") -> None:
    """Has all that is begun from here on (tasks, threads) send its spans there; None: nowhere."""
    _trace_to(provider)


def _trace_to(provider: "TracerProvider | None", give_up: Callable[[], None] | None = None) -> None:
    tracing = Tracing(provider, provider.get_tracer(_TRACER), give_up) if provider else None
    _TRACING.set(tracing)


def set_up_tracing(endpoint: str, ratio: float, version: str) -> None:
    """Sends spans to an OTLP/HTTP collector; without an endpoint nothing is recorded.

    ratio: share of reconciles, 0..1.  What else an exporter may need (headers, certificates) is
    read from OpenTelemetry's own environment variables.
    """
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    resource = Resource.create({"service.name": "lockstep", "service.version": version})
    provider = TracerProvider(
        resource=resource, sampler=ParentBasedTraceIdRatio(ratio), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint=url_of(endpoint))
    logging.getLogger(type(exporter).__module__).addFilter(Seldom())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _trace_to(provider, exporter.shutdown)


def url_of(endpoint: str) -> str:
    """Where spans are posted to: `collector:4318` is enough."""
    url = endpoint if "://" in endpoint else f"http://{endpoint}"
    return url if url.endswith(_PATH) else url.rstrip("/") + _PATH


def flush_traces(seconds: float = _FLUSH) -> None:
    """Sends what is still buffered, for so long at most; called once at the end."""
    tracing = _TRACING.get()
    if tracing is None:
        return
    last = threading.Thread(target=tracing.provider.shutdown, daemon=True)
    last.start()
    last.join(seconds)
    if last.is_alive() and tracing.give_up:  # else it tries on for half a minute
        tracing.give_up()


@contextmanager
def root(name: str, /, **attributes: Value) -> Iterator[trace.Span]:
    """The first span of a piece of work: of a whole trace, or `on_behalf_of` another one."""
    with _first(name, trace.SpanKind.INTERNAL, attributes) as current:
        yield current


@contextmanager
def called(name: str, headers: Mapping[str, str], /, **attributes: Value) -> Iterator[trace.Span]:
    """The span of a request that came in: of its caller's trace if a W3C header names one.

    headers: by name in lower case, of a caller who is known to be genuine.
    """
    found = TraceContextTextMapPropagator().extract(headers)
    caller = trace.get_current_span(found).get_span_context()
    with (
        on_behalf_of(caller if caller.is_valid else None),
        _first(name, trace.SpanKind.SERVER, attributes) as current,
    ):
        yield current


@contextmanager
def _first(name: str, kind: trace.SpanKind, attributes: dict[str, Value]) -> Iterator[trace.Span]:
    tracing = _TRACING.get()
    if tracing is None:
        yield trace.INVALID_SPAN
        return
    with _opened(tracing.tracer, name, kind, attributes) as current:
        yield current


@contextmanager
def on_behalf_of(cause: Cause | None) -> Iterator[None]:
    """What begins inside belongs to the trace of its cause; None: to one of its own."""
    if cause is None:
        yield
        return
    with trace.use_span(trace.NonRecordingSpan(cause)):
        yield


def current_cause() -> Cause | None:
    """The span that we are in, None if in none: for what is done later on its behalf."""
    context = trace.get_current_span().get_span_context()
    return context if context.is_valid else None


@contextmanager
def span(
    name: str, /, kind: trace.SpanKind = trace.SpanKind.INTERNAL, **attributes: Value
) -> Iterator[trace.Span]:
    """A span round a stage or request of a trace; outside of a trace that is recorded, nothing."""
    parent, tracing = trace.get_current_span(), _TRACING.get()
    if tracing is None or not parent.is_recording():  # a span that nobody records costs 9 us
        yield parent
        return
    with _opened(tracing.tracer, name, kind, attributes) as current:
        yield current


@contextmanager
def _opened(
    tracer: trace.Tracer, name: str, kind: trace.SpanKind, attributes: dict[str, Value]
) -> Iterator[trace.Span]:
    shown = {key: clean(v) if isinstance(v, str) else v for key, v in attributes.items()}
    with tracer.start_as_current_span(
        name,
        kind=kind,
        attributes=shown,
        record_exception=False,  # its text and traceback may quote a secret
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def concluded(reason: str, revision: str = "", problem: str = "") -> None:
    """Notes on the current trace how its run ended.

    problem: the text of a failure, "" for a success and for a wait.
    """
    current = trace.get_current_span()
    if not current.is_recording():
        return
    current.set_attribute("reason", reason)
    if revision:
        current.set_attribute("revision", clean(revision))
    if problem:
        current.set_status(trace.StatusCode.ERROR, clean(problem)[:_TEXT])


def carried() -> dict[str, str]:
    """The W3C headers of the current trace, for a request that goes out."""
    headers: dict[str, str] = {}
    if trace.get_current_span().get_span_context().is_valid:
        propagate.inject(headers)
    return headers
