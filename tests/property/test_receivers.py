"""Whatever a call says, it is taken or refused: nothing crashes, and nothing is told that it said.

And requests: none is lost, and none is made that another one serves.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.notification import ReceiverResource, ReceiverSpec
from engine.cluster.mirror import Mirror
from engine.hooks import Genuine, Hit, Refused, filters_of, path_of
from engine.hooks.payload import request_of
from engine.objects.cel import CelError
from engine.objects.ref import Object
from engine.reconcile.outcome import requested_at
from engine.reconcile.receiver_requests import Requests
from plugins import PLUGIN
from tests.support.reconciling import APP
from tests.support.webhooks import SENDERS, TOKEN

T = TypeVar("T")
TEXTS = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXTS, below, max_size=4),
    max_leaves=20,
)
HEADERS = sorted({name.lower() for each in SENDERS.values() for name in each.call().headers})
VALUES = TEXTS | st.sampled_from([TOKEN, "sha256=", "sha256=00", "application/json", "push"])


@st.composite
def bodies(draw: st.DrawFn, body: Mapping[str, Any]) -> bytes:
    """Anything, or a genuine body with a part that is something else."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
    changed: dict[str, Any] = json.loads(json.dumps(body))
    place: Any = changed
    while isinstance(place, dict) and place:
        key = draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or draw(st.booleans()):
            place[key] = draw(JSON)
            break
        place = place[key]
    return json.dumps(changed).encode()


def outcome(kind: str, headers: Mapping[str, str], body: bytes) -> Genuine | None:
    """What a call was found to be, None if it was refused."""
    verify = PLUGIN.receivers[kind]
    genuine, said = told(lambda: verify(Hit(headers, body, TOKEN.encode())))
    assert TOKEN not in said
    assert len(said) < 300
    return genuine


def told(work: Callable[[], T]) -> tuple[T | None, str]:
    """The result, or why there is none."""
    try:
        return work(), ""
    except (Refused, CelError) as refused:
        return None, str(refused)


@pytest.mark.parametrize("kind", SENDERS)
@given(data=st.data())
def test_a_call_is_taken_or_refused(kind: str, data: st.DataObject) -> None:
    sender = SENDERS[kind]
    body = data.draw(bodies(sender.body))
    if data.draw(st.booleans()):  # proven by whoever knows the token
        headers: Mapping[str, str] = sender.call(body=body).lowered
    else:
        headers = data.draw(st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=5))

    genuine = outcome(kind, headers, body)

    if genuine is not None:
        _, said = told(lambda: request_of(genuine.payload))
        assert not said or "body" in said


@pytest.mark.parametrize("kind", [kind for kind, sender in SENDERS.items() if sender.proof])
@given(data=st.data())
def test_nobody_without_the_token_is_taken(kind: str, data: st.DataObject) -> None:
    headers = data.draw(st.dictionaries(st.sampled_from(HEADERS), TEXTS, max_size=8))
    body = data.draw(bodies(SENDERS[kind].body))

    assert outcome(kind, headers, body) is None


@given(JSON, st.sampled_from(["req.a == res.metadata.name", "req['a'].b > 1", "size(req) > 2"]))
def test_an_expression_says_yes_or_no_or_that_it_cannot_and_quotes_no_body(
    value: Any, text: str
) -> None:
    entry = ReceiverResource(kind="GitRepository", name="fleet", filter=text)
    filters = filters_of(ReceiverSpec(type="generic", resources=(entry,)))
    obj = {"apiVersion": "v1", "kind": "GitRepository", "metadata": {"name": "fleet"}}
    body = json.dumps({"a": value, "secret": "c4nary"}).encode()

    decision, said = told(lambda: filters.accepts(0, obj, request_of(body)))

    assert decision in (True, False) or said
    assert "c4nary" not in said


@given(st.binary(min_size=1, max_size=40), st.from_regex(r"[a-z]{1,9}", fullmatch=True))
def test_a_path_is_another_one_for_another_token(token: bytes, name: str) -> None:
    path = path_of(token, name, "ns")

    assert len(path) == len("/hook/") + 64
    assert path != path_of(token + b"x", name, "ns")
    assert path != path_of(token, name + "x", "ns")


class World:
    """One object, those who ask for it, and runs that look at a source at their begin."""

    def __init__(self) -> None:
        self.requests, self.mirror, self.version = Requests(), Mirror(), 0
        self.obj: Object = self.annotated("")
        self.calls = self.seen = self.sent = 0
        self.queued = False
        self.gates: list[anyio.Event] = []

    def annotated(self, token: str) -> Object:
        self.version += 1
        metadata = {
            "name": APP.name,
            "namespace": APP.namespace,
            "uid": "u",
            "resourceVersion": str(self.version),
            "annotations": {"reconcile.fluxcd.io/requestedAt": token},
        }
        return {"apiVersion": f"{APP.group}/v1", "kind": APP.kind, "metadata": metadata}

    async def call(self) -> None:
        self.calls += 1
        token = self.requests.token(0.0)

        async def send() -> None:
            self.sent += 1
            gate = anyio.Event()
            self.gates.append(gate)
            await gate.wait()
            self.obj = self.annotated(token)
            self.told()

        await self.requests.ask(APP, token, send, self.mirror, is_ours=True)

    def told(self) -> None:
        """A watch or an answer tells of the object: a new request queues a run."""
        old = self.mirror.note(self.obj)
        self.queued |= old is None or requested_at(old) != requested_at(self.obj)

    def run(self) -> None:
        """A run begins: it sees all calls that came before."""
        if self.queued:
            self.queued = False
            self.requests.begun(APP, self.mirror.get(APP) or self.obj)
            self.seen = self.calls


async def turns() -> None:
    """Everybody goes on until all wait for a gate, which takes none of them so many turns.

    anyio's own `wait_all_tasks_blocked` sleeps 0.1 s where somebody does not: minutes in all.
    """
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


@given(st.lists(st.sampled_from(["call", "answer", "run"]), max_size=40))
async def test_every_call_is_followed_by_a_run_and_waiting_calls_share_one(
    steps: list[str],
) -> None:
    world = World()
    world.told()
    async with anyio.create_task_group() as tasks:
        for step in steps:
            if step == "call":
                tasks.start_soon(world.call)
            elif step == "answer" and world.gates:
                world.gates.pop(0).set()
            elif step == "run":
                world.run()
            await turns()
        while world.gates:
            world.gates.pop(0).set()
            await turns()
    runs = steps.count("run")
    world.run()

    assert world.seen == world.calls
    assert world.sent <= runs + 1
