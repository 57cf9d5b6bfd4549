"""Names of spans, attributes and metrics, and the set-up of logs, metrics and traces.

Metric names and log keys are Flux's (flux-behaviour 9.3, 9.4): dashboards and `flux logs` read
them.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from opentelemetry import propagate, trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

TRACER = "lockstep"
TRACE = 5  # log level below DEBUG, as Flux's `trace`
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "error": logging.ERROR,
}

logger = logging.getLogger("lockstep")

# Flux: ten exponential buckets from 10 ms to 30 min
_BUCKETS = tuple(0.01 * (1800 / 0.01) ** (step / 9) for step in range(10))


class Metrics:
    """The series of one engine, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        each = ("kind", "name", "namespace")
        self.duration = Histogram(
            "gotk_reconcile_duration_seconds",
            "Time of one reconcile, waiting for health included.",
            each,
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.condition = Gauge(
            "gotk_reconcile_condition",
            "1 for the current status of an object's condition.",
            (*each, "type", "status"),
            registry=self.registry,
        )
        self.suspended = Gauge(
            "gotk_suspend_status", "1 while the object is suspended.", each, registry=self.registry
        )
        self.reconciles = Counter(
            "controller_runtime_reconcile_total",
            "Reconciles by outcome.",
            ("controller", "result"),
            registry=self.registry,
        )
        self.requests = Counter(
            "rest_client_requests_total",
            "Requests to API servers.",
            ("code", "method", "host"),
            registry=self.registry,
        )
        self.queued = Gauge(
            "workqueue_depth", "Keys that are due or running.", ("name",), registry=self.registry
        )
        self.leader = Gauge(
            "leader_election_master_status",
            "1 while this engine holds the Lease.",
            ("name",),
            registry=self.registry,
        )

    def text(self) -> bytes:
        """The exposition that Prometheus scrapes."""
        return generate_latest(self.registry)

    def ready(self, kind: str, namespace: str, name: str, status: str) -> None:
        """Sets the Ready series of one object: 1 at its status, 0 at the others."""
        for each in ("True", "False", "Unknown"):
            self.condition.labels(kind, name, namespace, "Ready", each).set(each == status)

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """Drops every series of a deleted object."""
        for metric in (self.duration, self.suspended):
            metric.remove_by_labels({"kind": kind, "name": name, "namespace": namespace})
        self.condition.remove_by_labels({"kind": kind, "name": name, "namespace": namespace})


@contextmanager
def span(name: str, **attributes: str | int | float | bool) -> Iterator[trace.Span]:
    """A span round a stage; an exception marks it as failed."""
    tracer = trace.get_tracer(TRACER)
    with tracer.start_as_current_span(name, attributes=attributes) as current:
        yield current


def carried() -> dict[str, str]:
    """The W3C headers of the current trace, for a request that goes out."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


def set_up_tracing(endpoint: str, ratio: float, version: str) -> None:
    """Sends spans to an OTLP/HTTP collector; without an endpoint nothing is recorded."""
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    resource = Resource.create({"service.name": "lockstep", "service.version": version})
    provider = TracerProvider(resource=resource, sampler=ParentBasedTraceIdRatio(ratio))
    url = endpoint if endpoint.endswith("/v1/traces") else endpoint.rstrip("/") + "/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    trace.set_tracer_provider(provider)


def flush_traces() -> None:
    """Sends what is still buffered; called once at the end."""
    provider = trace.get_tracer_provider()
    if hasattr(provider, "shutdown"):
        provider.shutdown()


def set_up_logging(level: str, encoding: str) -> None:
    """Logs to standard error, a JSON object a line (`json`) or readable text (`console`)."""
    logging.addLevelName(TRACE, "TRACE")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if encoding == "json" else _Console())
    logger.handlers[:] = [handler]
    logger.propagate = False
    set_level(level)


def set_level(level: str) -> None:
    """Changes the log level at run time; KeyError if it is not one of LEVELS."""
    logger.setLevel(LEVELS[level])


def level() -> str:
    """The name of the current log level."""
    return next(name for name, value in LEVELS.items() if value >= logger.level)


def about(kind: str, group: str, namespace: str, name: str) -> dict[str, Any]:
    """The keys by which `flux logs` finds the lines of an object; pass as `extra`."""
    return {
        "keys": {
            "controller": kind.lower(),
            "controllerGroup": group,
            "controllerKind": kind,
            kind: {"name": name, "namespace": namespace},
            "name": name,
            "namespace": namespace,
        }
    }


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "level": record.levelname.lower(),
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "msg": record.getMessage(),
            **_keys(record),
        }
        line["ts"] = line["ts"].replace("+00:00", "Z")
        if record.exc_info:
            line["stacktrace"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class _Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        keys = _keys(record)
        where = "/".join(str(keys[k]) for k in ("controllerKind", "namespace", "name") if k in keys)
        known = ("controller", "controllerGroup", "controllerKind", "name", "namespace")
        rest = {k: v for k, v in keys.items() if k not in known and not isinstance(v, dict)}
        text = f"{at} {record.levelname.lower():5} {where + ': ' if where else ''}"
        text += record.getMessage() + "".join(f" {key}={value}" for key, value in rest.items())
        return text + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def _keys(record: logging.LogRecord) -> Mapping[str, Any]:
    return getattr(record, "keys", {})
