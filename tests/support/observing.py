"""What an engine tells beside its statuses, caught for tests: log lines, spans and posts."""

import io
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from engine.telemetry import logger, set_up_logging, trace_to
from tests.support.scripted_api import ScriptedApi, json, scripted_api


@contextmanager
def logged(level: str = "info", encoding: str = "json") -> Iterator[io.StringIO]:
    """All that is logged inside, as `lockstep run` would write it to standard error."""
    before = logger.handlers[:], logger.level, logger.propagate
    last = logging.lastResort
    assert last is not None
    last_formatter = last.formatter
    stream = io.StringIO()
    set_up_logging(level, encoding)
    (handler,) = logger.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    try:
        yield stream
    finally:
        logger.handlers[:], logger.propagate = before[0], before[2]
        logger.setLevel(before[1])
        last.setFormatter(last_formatter)


class Traces:
    """Spans that ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """All of them, in the order in which they ended."""
        return self._exporter.get_finished_spans()

    def roots(self, **attributes: str) -> list[ReadableSpan]:
        """The spans of whole traces that have these attributes, oldest first."""
        return sorted(
            (
                span
                for span in self.spans
                if span.parent is None and attributes.items() <= (span.attributes or {}).items()
            ),
            key=lambda span: span.start_time or 0,
        )

    def tree(self, root: ReadableSpan) -> dict[str, object]:
        """{stage: {request: {...}}} below a span, in the order in which they began."""
        children = [
            span
            for span in self.spans
            if span.parent is not None and span.parent.span_id == root.context.span_id
        ]
        children.sort(key=lambda span: span.start_time or 0)
        return {span.name: self.tree(span) for span in children}


@contextmanager
def traced(ratio: float = 1.0) -> Iterator[Traces]:
    """The spans of whatever is started inside."""
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(ratio), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace_to(provider)
    try:
        yield Traces(exporter)
    finally:
        trace_to(None)
        provider.shutdown()


@asynccontextmanager
async def notified() -> AsyncIterator[ScriptedApi]:
    """A notification controller that takes every event: `seen` holds them."""
    async with scripted_api() as api:
        api.on("POST", "/", json({}))
        yield api
