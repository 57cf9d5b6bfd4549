import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import BytesIO

import aiohttp
import anyio
import anyio.lowlevel
import pytest

from engine.notice import Notification
from engine.serve import bodies, connections
from engine.serve.bodies import BODY_BYTES
from engine.serve.events import taking_events
from engine.telemetry import Metrics
from tests.support.dispatching import event
from tests.support.observing import logged

BODY = json.dumps(event().as_json()).encode()


class Intake:
    """An event server, and what it has taken."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session = url, session
        self.taken: list[Notification] = []
        self.is_news = True
        self.series = Metrics()
        self.ready = anyio.Event()

    async def receive(self, notification: Notification) -> bool:
        self.taken.append(notification)
        return self.is_news

    async def post(self, body: object, path: str = "/") -> int:
        async with self.session.post(f"{self.url}{path}", data=body) as answer:
            return answer.status


@asynccontextmanager
async def intake() -> AsyncIterator[Intake]:
    async with aiohttp.ClientSession() as session:
        found = Intake("", session)
        async with taking_events("127.0.0.1:0", found.receive, found.ready, found.series) as served:
            found.url = f"http://{served}"
            yield found


async def test_an_event_is_taken_at_any_path_and_counted() -> None:
    async with intake() as server:
        server.ready.set()
        assert await server.post(BODY) == 202
        assert await server.post(BODY, "/any/path") == 202
        text = server.series.text().decode()

    assert server.taken[0].as_json() == event().as_json()
    labels = '{code="202",handler="/",method="POST",service=""}'
    assert f"gotk_event_http_request_duration_seconds_count{labels} 2.0" in text
    assert f"gotk_event_http_response_size_bytes_count{labels} 2.0" in text
    assert 'gotk_event_http_requests_inflight{handler="/",service=""} 0.0' in text


async def test_a_repetition_is_answered_as_flux_does() -> None:
    async with intake() as server:
        server.ready.set()
        server.is_news = False

        assert await server.post(BODY) == 429


async def test_what_is_no_event_is_refused_and_the_server_goes_on() -> None:
    async with intake() as server:
        server.ready.set()
        for body in (b"", b"{", b"[]", b"5", b'{"message": 5}', b"\xff\xfe", b"[" * 100_000):
            assert await server.post(body) == 400
        assert await server.post(b"{}") == 202


async def test_a_body_without_end_is_cut_off() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES // 65536 + 2):
            yield b" " * 65536

    async with intake() as server:
        with suppress(aiohttp.ClientError):  # it may hang up meanwhile
            assert await server.post(BytesIO(b" " * (BODY_BYTES + 1))) == 413
        with suppress(aiohttp.ClientError):
            assert await server.post(endless()) == 413

    assert server.taken == []


async def test_until_alerts_are_known_a_controller_is_asked_to_come_again() -> None:
    async with intake() as server, anyio.create_task_group() as tasks:
        answers: list[int] = []

        async def ask() -> None:
            answers.append(await server.post(BODY))

        tasks.start_soon(ask)
        await anyio.lowlevel.checkpoint()
        server.ready.set()

    assert answers == [202]


async def exchange(server: Intake, *parts: bytes) -> bytes:
    """All that comes back over one connection until it is closed."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        with suppress(anyio.BrokenResourceError):
            for part in parts:
                await stream.send(part)
        with suppress(anyio.BrokenResourceError):
            return b"".join([chunk async for chunk in stream])
        return b""


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nAuth orization: c4nary\r\n\r\n",
        b"c4nary c4nary c4nary\r\n\r\n",
        b"POST /c4nary HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nc4nary\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: c4nary\r\n\r\n",
        b"POST / HTTP/1.0\r\nContent-Length: 13\r\n\r\n{c4nary: true",
        b'POST / HTTP/1.0\r\nContent-Length: 22\r\n\r\n{"message":["c4nary"]}',
        b'POST / HTTP/1.0\r\nContent-Length: 27\r\n\r\n{"metadata":{"a/c4nary":5}}',
        b"GET /c4nary HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.0\r\nX: " + b"c4nary" * 10_000 + b"\r\n\r\n",
    ],
)
async def test_what_a_stranger_sends_is_not_logged(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGERING", 0.05)
    async with intake() as server:
        server.ready.set()
        with logged("debug") as log:
            answer = await exchange(server, sent)
        assert await server.post(BODY) == 202

    assert re.match(rb"HTTP/1.. 4\d\d ", answer)
    assert "c4nary" not in log.getvalue()


async def test_all_bodies_together_are_bounded_and_one_sender_does_not_stop_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "_HELD_BYTES", 4000)
    begun = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1200\r\n\r\n" + b" " * 1001
    async with intake() as server:
        server.ready.set()
        assert (await exchange(server, begun)).startswith(b"HTTP/1.1 503")
        assert await server.post(BODY) == 202


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "READ_TIME", 0.05)
    monkeypatch.setattr(connections, "LINGERING", 0.05)
    async with intake() as server:
        begun = b"POST / HTTP/1.0\r\nContent-Length: 9\r\n\r\n{"
        answer = await exchange(server, begun)

    assert answer.startswith(b"HTTP/1.0 408")
    assert answer.endswith(b"the body did not come within 30 s\n")


@pytest.mark.parametrize("part", [b"3\r\nabc\r\n", b"9\r\n{", b"no length\r\n"])
async def test_a_body_that_breaks_off_is_not_counted_as_slow(part: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    async with intake() as server:
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
            await stream.receive()  # it is being read
            await stream.send(part)
            await stream.send_eof()
            with suppress(anyio.BrokenResourceError):
                async for _ in stream:
                    pass
        text = server.series.text().decode()

    assert 'request_duration_seconds_count{code="400"' in text


async def test_another_method_than_post_is_refused() -> None:
    async with intake() as server, server.session.get(server.url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_a_bug_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    async with intake() as server:
        server.ready.set()

        monkeypatch.setattr(server, "taken", None)  # what `receive` appends to
        with logged() as log:
            assert await server.post(BODY) == 500

    assert "this is a bug in Lockstep" in log.getvalue()
