from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, cast

import anyio
import pytest

from engine.cluster import Client
from engine.cluster.breaker import Breaker
from engine.cluster.endpoint import Endpoint
from engine.cluster.errors import Unreachable
from engine.cluster.pool import IDLE, SWEEP, Link, Pool, TooManyClusters
from engine.cluster.retry import BREAKS
from engine.objects.ref import Ref
from tests.support.clock import ManualClock, settle
from tests.support.memory_client import MemoryClient

A, B, C = (Ref("g", "Kustomization", "ns", name) for name in "abc")


class World:
    """What is open, and what was opened and closed."""

    def __init__(self, most: int) -> None:
        self.clock = ManualClock()
        self.log: list[str] = []
        self.pool = Pool(self.connect, self.clock, Random(0), most)

    @asynccontextmanager
    async def connect(
        self, name: str, endpoint: Endpoint, breaker: Breaker
    ) -> AsyncIterator[Client]:
        self.log.append(f"open {name}")
        client: Any = MemoryClient()
        client.ping = anyio.sleep_forever
        yield cast("Client", client)
        await anyio.lowlevel.checkpoint()  # closing takes its time, also when all ends
        self.log.append(f"close {name}")

    async def link(self, user: Ref, key: str) -> object:
        async def endpoint() -> Endpoint:
            await anyio.lowlevel.checkpoint()
            return Endpoint(f"http://{key}")

        return await self.pool.link(user, key, key, endpoint)


@asynccontextmanager
async def world(most: int = 10) -> AsyncIterator[World]:
    made = World(most)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.pool.serve)
        await settle()
        yield made
        tasks.cancel_scope.cancel()


async def test_the_same_credentials_share_a_connection_others_do_not() -> None:
    async with world() as made:
        first, same, other = [await made.link(u, k) for u, k in ((A, "x"), (B, "x"), (C, "y"))]

        assert first is same
        assert first is not other
        assert made.log == ["open x", "open y"]


async def test_many_who_come_at_once_open_one_connection() -> None:
    async with world() as made, anyio.create_task_group() as tasks:
        for user in (A, B, C):
            tasks.start_soon(made.link, user, "x")
        await settle()

        assert made.log == ["open x"]


async def test_it_is_closed_a_while_after_its_last_user_left() -> None:
    async with world() as made:
        await made.link(A, "x")
        await made.link(B, "x")
        await made.clock.advance(2 * IDLE)
        await made.link(A, "y")  # new credentials
        await made.clock.advance(2 * IDLE)
        made.pool.use(B, None)
        await made.clock.advance(IDLE - SWEEP)
        assert made.log == ["open x", "open y"]
        await made.clock.advance(2 * SWEEP)

        assert made.log == ["open x", "open y", "close x"]
        assert made.pool.statistics().links == 1


async def test_who_comes_back_in_time_finds_it_open() -> None:
    async with world() as made:
        first = await made.link(A, "x")
        made.pool.use(A, None)
        await made.clock.advance(IDLE / 2)

        assert await made.link(B, "x") is first


async def test_all_are_closed_at_the_end() -> None:
    async with world() as made:
        await made.link(A, "x")

    assert made.log == ["open x", "close x"]


async def test_of_too_many_the_longest_idle_one_makes_room() -> None:
    async with world(most=2) as made:
        for user, key in ((A, "x"), (B, "y")):
            await made.link(user, key)
            made.pool.use(user, None)
            await made.clock.advance(1)
        await made.link(C, "z")
        await settle()

        assert made.log == ["open x", "open y", "open z", "close x"]


async def test_where_all_are_in_use_one_more_is_refused() -> None:
    async with world(most=1) as made:
        await made.link(A, "x")
        with pytest.raises(TooManyClusters, match="1 other clusters are in use"):
            await made.link(B, "y")


async def test_nothing_is_connected_before_and_after() -> None:
    made = World(1)
    with pytest.raises(TooManyClusters, match="has not begun"):
        await made.link(A, "x")


async def test_silence_and_answers_are_told_with_the_connection() -> None:
    async with world() as made:
        told: list[tuple[str, bool]] = []
        made.pool.told = lambda link, is_silent: told.append((link.name, is_silent))
        await made.link(A, "x")
        [link] = made.pool.links
        link.breaker.failed(Unreachable(0, "", "gone"), BREAKS)
        assert made.pool.statistics().silent == 1
        link.breaker.answered()

        assert told == [("x", True), ("x", False)]


async def test_what_could_not_be_made_leaves_nothing_behind() -> None:
    async with world() as made:

        async def broken() -> Endpoint:
            raise ValueError("no kubeconfig")

        with pytest.raises(ValueError, match="no kubeconfig"):
            await made.pool.link(A, "x", "x", broken)

        assert made.pool.statistics().users == 0
        assert await made.link(A, "x")


async def test_one_that_is_about_to_end_is_not_taken_for_open() -> None:
    async with world(most=1) as made:
        first = cast("Link", await made.link(A, "x"))
        made.pool.use(A, None)
        seen: list[bool] = []

        async def endpoint() -> Endpoint:
            return Endpoint("http://y")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made.pool.link, B, "y", "y", endpoint)
            while first in made.pool.links:
                await anyio.lowlevel.checkpoint()
            seen.append(first.is_closed)

        assert seen == [True]


async def test_nonsense_from_one_cluster_ends_the_connection_to_that_one_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise KeyError("a part of a Secret")

    async with world() as made:
        bad, good = [cast("Link", await made.link(u, k)) for u, k in ((A, "x"), (B, "y"))]
        bad.tasks.start_soon(fail)
        await settle()

        assert (bad.is_closed, made.pool.links) == (True, [good])
        assert "connection to cluster 'x' ended by KeyError" in caplog.text
        assert "Secret" not in caplog.text
        assert await made.link(A, "x") is not bad
