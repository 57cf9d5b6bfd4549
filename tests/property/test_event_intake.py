"""Whatever is posted as an event is taken or refused: nothing crashes, is kept or is told."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
import orjson
from hypothesis import given
from hypothesis import strategies as st

from engine.api.decode import Undecodable
from engine.notice import Notification
from engine.serve.connections import Connections
from engine.serve.events import Intake
from engine.serve.http import answering
from engine.telemetry import Metrics
from tests.support.announcing import announced, event_of
from tests.support.dispatching import event
from tests.support.observing import logged

CANARY = "c4nary"
GENUINE: Mapping[str, Any] = event(
    metadata={"kustomize.toolkit.fluxcd.io/revision": f"main@sha1:{'a1' * 20}"}
).as_json()
TEXTS = st.text(max_size=20) | st.just(CANARY)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3),
    max_leaves=8,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Anything, or an event of which some fields are something else."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
    changed: dict[str, Any] = json.loads(json.dumps(GENUINE))
    for key in draw(st.lists(st.sampled_from([*GENUINE, CANARY]), max_size=3)):
        inner = changed.get(key)
        if isinstance(inner, dict) and inner and draw(st.booleans()):
            inner[draw(st.sampled_from(sorted(inner)) | TEXTS)] = draw(VALUES)
        else:
            changed[key] = draw(VALUES)
    return json.dumps(changed).encode()


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """What comes over a connection: HTTP, nearly HTTP, or nothing of the kind."""
    body = draw(bodies())
    lines = [
        draw(st.sampled_from(["POST / HTTP/1.0", "POST /x HTTP/1.1", "GET / HTTP/1.0", CANARY])),
        "Host: x",
        draw(st.sampled_from([f"Content-Length: {len(body)}", "Content-Length: x", "Ü: ü", ""])),
        draw(st.sampled_from(["Transfer-Encoding: chunked", "Expect: 100-continue", "X: y"])),
        f"Authorization: Bearer {CANARY}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + draw(st.sampled_from([b"\r\n\r\n", b"\r\n"])) + body


@given(bodies())
async def test_what_is_taken_can_be_told_to_every_service(body: bytes) -> None:
    try:
        found = event_of(body)
    except (Undecodable, orjson.JSONDecodeError):
        return
    for sent in await announced(found):
        assert not sent or json.loads(sent) is not None


async def exchange(address: str, sent: bytes, *, is_all: bool = True) -> bytes:
    """What comes back until the server closes; is_all: it is told that nothing more comes."""
    host, _, port = address.rpartition(":")
    found = b""
    async with await anyio.connect_tcp(host, int(port)) as stream:
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
            await stream.send(sent)
            if is_all:
                await stream.send_eof()
            async for chunk in stream:
                found += chunk
    return found


@given(st.lists(requests(), min_size=1, max_size=4))
async def test_no_request_ends_the_server_or_leaves_a_trace(sent: list[bytes]) -> None:
    taken: list[Notification] = []

    async def receive(notification: Notification) -> bool:
        taken.append(notification)
        return True

    ready, genuine = anyio.Event(), json.dumps(GENUINE).encode()
    ready.set()
    intake = Intake(receive, ready, Metrics())
    intake.connections = Connections(intake.answer)
    async with answering("127.0.0.1:0", intake.connections) as address:
        with logged("debug") as log:
            answers = [await exchange(address, each) for each in sent]
        head = f"POST / HTTP/1.0\r\nContent-Length: {len(genuine)}\r\n\r\n".encode()
        last = await exchange(address, head + genuine, is_all=False)

    assert last.startswith(b"HTTP/1.0 202 ")
    assert all(re.match(rb"HTTP/1\.[01] (?!5)\d\d\d ", each) for each in answers if each)
    assert CANARY not in log.getvalue()
    assert "this is a bug" not in log.getvalue()
    assert intake.bodies.held_bytes == 0
