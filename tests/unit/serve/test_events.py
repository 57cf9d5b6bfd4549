import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from io import BytesIO

import aiohttp
import anyio
import anyio.lowlevel

from engine.notice import Notification
from engine.serve.events import LIMIT_BYTES, add_event_routes
from engine.serve.http import listening
from engine.telemetry import Metrics
from tests.support.dispatching import event

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
        routes = partial(
            add_event_routes, receive=found.receive, ready=found.ready, series=found.series
        )
        async with listening("127.0.0.1:0", routes) as served:
            found.url = f"http://{served}"
            yield found


async def test_an_event_is_taken_at_any_path_and_counted() -> None:
    async with intake() as server:
        server.ready.set()
        assert await server.post(BODY) == 202
        assert await server.post(BODY, "/any/path") == 202
        text = server.series.text().decode()

    assert server.taken[0].as_json() == event().as_json()
    series = 'gotk_event_http_request_duration_seconds_count{code="202",handler="/",method="POST"'
    assert f'{series},service=""}} 2.0' in text


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
        for _ in range(LIMIT_BYTES // 65536 + 2):
            yield b" " * 65536

    async with intake() as server:
        with suppress(aiohttp.ClientError):  # it may hang up meanwhile
            assert await server.post(BytesIO(b" " * (LIMIT_BYTES + 1))) == 413
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
