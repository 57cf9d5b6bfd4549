import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import pytest
from anyio import to_thread
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from engine.telemetry import (
    carried,
    concluded,
    flush_traces,
    reconciling,
    set_up_tracing,
    span,
    trace_to,
)
from engine.telemetry.traces import url_of
from tests.support.observing import traced


@contextmanager
def run(secret="hunter2"):
    with reconciling(
        "Kustomization", "g", "ns", "app", "a change", lambda t: t.replace(secret, "***")
    ):
        yield


async def test_stages_and_what_they_ask_for_are_one_trace_in_tasks_and_threads_too() -> None:
    async def ask(name: str) -> None:
        with span(name):
            await anyio.lowlevel.checkpoint()

    def work() -> None:
        with span("work"):
            pass

    with traced() as traces, run():
        with span("plan"):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, "get a")
            await to_thread.run_sync(work)
        with span("status"):
            pass

    (root,) = traces.roots(kind="Kustomization", namespace="ns", name="app", trigger="a change")
    assert root.name == "reconcile Kustomization"
    assert traces.tree(root) == {"plan": {"get a": {}, "work": {}}, "status": {}}
    assert len({each.context.trace_id for each in traces.spans}) == 1


async def test_two_runs_at_a_time_are_two_traces() -> None:
    async def one() -> None:
        with run(), span("plan"):
            await anyio.lowlevel.checkpoint()

    with traced() as traces:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            tasks.start_soon(one)

    assert [traces.tree(root) for root in traces.roots()] == [{"plan": {}}] * 2


def test_an_error_marks_its_stage_with_its_kind_and_never_with_its_text() -> None:
    with traced() as traces, run():
        with pytest.raises(ValueError, match="hunter2"), span("plan"):
            raise ValueError("hunter2")
        concluded("BuildFailed", "main@sha1:1", "hunter2 is no key")

    stage, root = traces.spans
    assert (stage.status.status_code, stage.status.description) == (
        trace.StatusCode.ERROR,
        "ValueError",
    )
    assert root.attributes is not None
    assert (root.attributes["reason"], root.attributes["revision"]) == (
        "BuildFailed",
        "main@sha1:1",
    )
    assert root.status.description == "*** is no key"
    assert "hunter2" not in "".join(each.to_json() for each in traces.spans)


def test_a_success_marks_nothing() -> None:
    with traced() as traces, run():
        concluded("ReconciliationSucceeded")

    (root,) = traces.spans
    assert root.status.status_code is trace.StatusCode.UNSET


def test_attributes_are_masked() -> None:
    with traced() as traces, run(), span("fetch", url="https://me:pw@host/hunter2", tries=2):
        pass

    assert dict(traces.spans[0].attributes or {}) == {"url": "https://***@host/***", "tries": 2}


def test_outside_of_a_run_nothing_is_traced_or_carried() -> None:
    with traced() as traces, span("list"):
        assert carried() == {}

    assert traces.spans == ()


def test_a_request_carries_the_span_that_it_belongs_to() -> None:
    with traced() as traces, run(), span("plan"):
        headers = carried()

    stage = traces.spans[0].context
    version, trace_id, span_id, flags = headers["traceparent"].split("-")
    assert (version, trace_id) == ("00", f"{stage.trace_id:032x}")
    assert span_id == f"{stage.span_id:016x}"
    assert int(flags, 16) & 1  # sampled


def test_what_is_sampled_off_costs_no_span_and_is_carried_as_such() -> None:
    with traced(ratio=0.0) as traces, run(), span("plan") as stage:
        headers = carried()
        concluded("x", "y", "z")

    assert traces.spans == ()
    assert not stage.is_recording()
    assert not int(headers["traceparent"].rpartition("-")[2], 16) & 1


def test_without_tracing_a_span_costs_next_to_nothing() -> None:
    with run():
        began = time.perf_counter()
        for _ in range(1000):
            with span("plan"):
                pass
        spent = time.perf_counter() - began

    assert spent < 0.1  # 2 ms on a quiet machine


class Collector(HTTPServer):
    """An OTLP/HTTP collector; hangs: it takes a request and never answers."""

    def __init__(self, *, hangs: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, bytes]] = []
        self.hangs, self.over = hangs, threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Content-Type"], body))
        if self.server.hangs:
            self.server.over.wait(30)
            return
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def collector(request: pytest.FixtureRequest):
    before = set(threading.enumerate())
    server = Collector(hangs=getattr(request, "param", False))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()
    trace_to(None)
    for each in set(threading.enumerate()) - before:
        each.join(10)
        assert not each.is_alive(), f"{each.name} goes on after the end"


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector/otlp/", "https://collector/otlp/v1/traces"),
        ("https://collector/v1/traces", "https://collector/v1/traces"),
        ("collector:4318", "http://collector:4318/v1/traces"),
    ],
)
def test_an_endpoint_is_completed(endpoint: str, url: str) -> None:
    assert url_of(endpoint) == url


def test_spans_reach_a_collector_over_http(collector: Collector) -> None:
    set_up_tracing(collector.url, 1.0, "1.2.3")
    with run(), span("plan"):
        pass
    flush_traces()

    ((path, content_type, body),) = collector.seen
    (spans,) = ExportTraceServiceRequest.FromString(body).resource_spans
    resource = {each.key: each.value.string_value for each in spans.resource.attributes}
    assert (path, content_type) == ("/v1/traces", "application/x-protobuf")
    assert (resource["service.name"], resource["service.version"]) == ("lockstep", "1.2.3")
    assert [each.name for each in spans.scope_spans[0].spans] == ["plan", "reconcile Kustomization"]


@pytest.mark.parametrize("collector", [True], indirect=True)
def test_the_end_does_not_wait_for_a_collector_that_hangs(collector: Collector) -> None:
    set_up_tracing(f"{collector.url}/v1/traces", 1.0, "1")
    with run():
        pass
    began = time.monotonic()
    flush_traces(0.2)

    assert time.monotonic() - began < 2
    assert [path for path, _, _ in collector.seen] in ([], ["/v1/traces"])


def test_without_an_endpoint_nothing_is_set_up() -> None:
    set_up_tracing("", 1.0, "1")

    with run():
        assert carried() == {}
    flush_traces()


def test_an_event_loop_that_starts_later_traces_too(collector: Collector) -> None:
    async def main() -> None:
        with run(), span("plan"):
            await anyio.lowlevel.checkpoint()

    set_up_tracing(collector.url, 1.0, "1")
    anyio.run(main)
    flush_traces()

    assert [path for path, _, _ in collector.seen] == ["/v1/traces"]
