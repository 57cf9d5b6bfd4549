"""Watches for as long as somebody waits, over a cluster in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import anyio

from engine.cluster import Forbidden
from engine.cluster import following as subject
from engine.cluster.following import APART, Followed, Following, Wanted
from engine.objects.ref import Object
from tests.support.build import config
from tests.support.clock import ManualClock, settle
from tests.support.memory_client import MemoryClient, kind

CONFIGS = kind("v1", "ConfigMap", "configmaps")


def labels_of(obj: Object) -> Object:
    found: Object = obj["metadata"].get("labels") or {}
    return found


def wanted(name: str = "", selector: str = "", namespace: str = "ns") -> Wanted:
    return Wanted(CONFIGS, namespace, labels_of, name=name, selector=selector)


@dataclass
class Scene:
    client: MemoryClient
    clock: ManualClock
    following: Following
    woken: list[str] = field(default_factory=list)

    def wake(self) -> None:
        self.woken.append("")

    async def begin(self, what: Wanted) -> Followed:
        found = await self.following.begin(what, self.client.as_client(), self.wake)
        assert found is not None
        return found

    def watches(self) -> int:
        return self.following.statistics().watches


@asynccontextmanager
async def scene(*objects: Object) -> AsyncIterator[Scene]:
    client, clock = MemoryClient(*objects), ManualClock()
    following = Following(clock, Random(0))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(following.serve)
        await settle()
        yield Scene(client, clock, following)
        tasks.cancel_scope.cancel()


async def test_what_exists_is_shown_at_once_and_each_change_wakes() -> None:
    async with scene(config("a", labels={"x": "1"}), config("b")) as it:
        followed = await it.begin(wanted(name="a"))
        shown, woken = dict(followed.objects), len(it.woken)
        it.client.put(config("a", labels={"x": "2"}, uid="uid-1"))
        it.client.put(config("b", labels={"x": "2"}, uid="uid-2"))
        await settle()

        assert shown == {"a": {"x": "1"}}
        assert followed.objects == {"a": {"x": "2"}}
        assert len(it.woken) == woken + 1
        assert followed.is_fresh(it.clock.monotonic())


async def test_who_waits_for_the_same_shares_a_watch_that_ends_with_the_last() -> None:
    async with scene(config("a")) as it:
        first, second = await it.begin(wanted(name="a")), await it.begin(wanted(name="a"))
        it.following.end(first, it.wake)
        between = it.watches()
        it.following.end(second, it.wake)

        assert first is second
        assert (between, it.watches()) == (1, 0)
        assert it.client.calls.count("watch ConfigMap") == 1


async def test_many_selectors_of_a_namespace_become_one_watch_of_all() -> None:
    async with scene(*(config(f"c{n}", labels={"x": str(n)}) for n in range(9))) as it:
        found = [await it.begin(wanted(selector=f"x={n}")) for n in range(9)]
        elsewhere = await it.begin(wanted(selector="x=1", namespace="other"))

        assert it.watches() == APART + 2
        assert found[APART] is found[-1]
        assert len(found[0].objects) == 1
        assert len(found[-1].objects) == 9
        assert elsewhere.objects == {}


async def test_another_identity_has_a_watch_of_its_own() -> None:
    async with scene(config("a")) as it:
        mine = await it.begin(wanted(name="a"))
        it.client.user = "tenant"
        theirs = await it.begin(wanted(name="a"))

        assert mine is not theirs


async def test_what_may_not_be_watched_is_not_relied_on_until_it_may_be() -> None:
    async with scene(config("a")) as it:
        it.client.refuse("watch ConfigMap", Forbidden(403, "Forbidden", "no"))
        followed = await it.begin(wanted(name="a"))
        before = followed.is_fresh(it.clock.monotonic())
        await it.clock.advance(2)

        assert not before
        assert followed.is_fresh(it.clock.monotonic())
        assert list(followed.objects) == ["a"]


async def test_there_is_a_most_and_without_a_task_there_is_none() -> None:
    async with scene() as it:
        for number in range(subject.MOST):
            await it.begin(wanted(name=f"c{number}"))
        one_more = await it.following.begin(wanted(name="a"), it.client.as_client(), it.wake)
        idle = Following(it.clock, Random(0))

        assert one_more is None
        assert await idle.begin(wanted(name="a"), it.client.as_client(), it.wake) is None
        assert repr(idle) == "<Following Statistics(watches=0, waiting=0)>"


async def test_whoever_is_cancelled_while_the_watch_begins_leaves_none_behind() -> None:
    async with scene() as it:
        it.client.wire.hold("ConfigMap")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.begin, wanted(name="a"))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

        assert it.watches() == 0
