import anyio
import pytest

from engine.api.meta import REQUESTED_AT
from engine.cluster import Forbidden
from engine.cluster.mirror import Mirror
from engine.objects.ref import Object, Ref
from engine.reconcile.receiver_requests import Requests

APP = Ref("g", "K", "ns", "app")


class Cluster:
    """Takes tokens; `gate` holds an answer back."""

    def __init__(self) -> None:
        self.requests, self.mirror = Requests(), Mirror()
        self.sent: list[str] = []
        self.gate: anyio.Event | None = None
        self.reached = anyio.Event()
        self.problem: Exception | None = None
        self.version = 0

    def obj(self, token: str) -> Object:
        self.version += 1
        metadata = {
            "name": "app",
            "namespace": "ns",
            "uid": "u",
            "resourceVersion": str(self.version),
            "annotations": {REQUESTED_AT: token},
        }
        return {"apiVersion": "g/v1", "kind": "K", "metadata": metadata}

    async def ask(self, *, is_ours: bool = True) -> bool:
        token = self.requests.token(0.0)

        async def send() -> None:
            self.sent.append(token)
            self.reached.set()
            if self.gate is not None:
                await self.gate.wait()
            if self.problem is not None:
                raise self.problem
            self.mirror.note(self.obj(token))

        return await self.requests.ask(APP, token, send, self.mirror, is_ours=is_ours)

    def begin(self) -> None:
        """A run of the object as it is known begins."""
        self.requests.begun(APP, self.mirror.get(APP) or self.obj(""))


async def test_what_comes_before_the_run_begins_is_served_by_one_request() -> None:
    here = Cluster()

    assert [await here.ask() for _ in range(3)] == [True, False, False]
    here.begin()
    assert await here.ask()
    assert len(here.sent) == 2


async def test_what_comes_while_a_request_is_under_way_waits_for_its_answer() -> None:
    here, results = Cluster(), []
    here.gate = anyio.Event()

    async def one() -> None:
        results.append(await here.ask())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await here.reached.wait()
        tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        assert results == []
        here.gate.set()

    assert sorted(results) == [False, True]
    assert len(here.sent) == 1


async def test_a_request_that_failed_fails_for_all_that_it_was_to_serve_and_is_made_again() -> None:
    here, problems = Cluster(), []
    here.gate, here.problem = anyio.Event(), Forbidden(403, "Forbidden", "no")

    async def one() -> None:
        with pytest.raises(Forbidden) as caught:
            await here.ask()
        problems.append(caught.value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await here.reached.wait()
        tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        here.gate.set()
    here.problem = None

    assert len(problems) == 2
    assert await here.ask()


async def test_a_run_of_what_somebody_has_asked_for_meanwhile_serves_nobody_who_comes_later() -> (
    None
):
    here = Cluster()
    here.gate = anyio.Event()
    results: list[bool] = []

    async def one() -> None:
        results.append(await here.ask())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await here.reached.wait()
        # The patch is written, and so is another one after it; only our answer has not come yet.
        here.requests.begun(APP, here.obj("somebody's"))
        tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        here.gate.set()

    assert results == [True, True]
    assert len(here.sent) == 2


async def test_a_run_that_begins_of_the_object_as_it_was_before_serves_nobody() -> None:
    here = Cluster()
    here.mirror.note(here.obj("old"))
    here.gate = anyio.Event()
    results: list[bool] = []

    async def one() -> None:
        results.append(await here.ask())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await here.reached.wait()
        here.begin()  # the patch is on its way, the object in memory is still the old one
        tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        here.gate.set()

    assert results == [True, True]  # nobody knows that it was the old one
    here.begin()
    assert await here.ask()


async def test_a_run_that_the_watch_starts_before_the_answer_counts_as_begun() -> None:
    here = Cluster()
    here.gate = anyio.Event()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(here.ask)
        await here.reached.wait()
        here.requests.begun(APP, here.obj(here.sent[0]))
        here.gate.set()
        assert await here.ask()

    assert len(here.sent) == 2


async def test_one_whose_request_somebody_has_overwritten_is_asked_again() -> None:
    here = Cluster()
    await here.ask()
    here.mirror.note(here.obj("somebody's"))

    assert await here.ask()


async def test_of_foreign_objects_only_what_is_not_sent_yet_is_joined() -> None:
    here, results = Cluster(), []
    here.gate = anyio.Event()

    async def one() -> None:
        results.append(await here.ask(is_ours=False))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await here.reached.wait()
        for _ in range(5):
            tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        assert len(here.sent) == 1
        here.gate.set()

    assert len(here.sent) == 2
    assert sorted(results) == [False] * 4 + [True, True]
    assert await here.ask(is_ours=False)


async def test_nothing_is_kept_of_what_is_done() -> None:
    here = Cluster()
    await here.ask()
    here.begin()
    await here.ask(is_ours=False)

    assert here.requests.statistics().open == 0
    assert here.requests._sending == {}


def test_a_token_is_new_though_the_clock_stands_still() -> None:
    requests = Requests()
    tokens = [requests.token(1_700_000_000.0) for _ in range(3)]

    assert tokens == sorted(set(tokens))
    assert tokens[0] == "2023-11-14T22:13:20.000000Z"


async def test_a_request_whose_object_went_before_the_answer_came_is_not_kept() -> None:
    here = Cluster()
    here.mirror.note(here.obj("old"))
    here.gate = anyio.Event()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(here.ask)
        await here.reached.wait()
        here.version = 9
        here.mirror.forget(here.obj("old"))
        here.requests.forget(APP)
        here.version = 1
        here.gate.set()

    assert here.requests.statistics().open == 0
