"""The live view over a cluster in memory: what is known, and when it may be relied on."""

import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio
import pytest
from orjson import dumps

from engine.cluster import Forbidden, Resource
from engine.cluster.live import LINGER, SWEEP, Live
from engine.objects.ref import Object, Ref
from engine.plan.observation import Observation
from tests.support.build import config, made, owned
from tests.support.clock import ManualClock, settle
from tests.support.memory_client import MemoryClient, kind

APP, OTHER = (Ref("k", "Kustomization", "flux", name) for name in ("app", "other"))
CONFIGS, SECRETS = kind("v1", "ConfigMap", "configmaps"), kind("v1", "Secret", "secrets")
WEB = Ref("", "ConfigMap", "ns", "web")
MANAGER = "kustomize-controller"


@dataclass
class Scene:
    client: MemoryClient
    clock: ManualClock
    live: Live
    told: list[tuple[str, int | None]] = field(default_factory=list)
    """Names and versions of what was told, None: gone."""

    def hear(self, ref: Ref, seen: Observation | None, _: Object) -> None:
        self.told.append((ref.name, None if seen is None else seen.version))

    async def follow(self, *resources: Resource, owner: Ref = APP) -> list[str]:
        """The kinds that are known."""
        return sorted(name for _, name in await self.live.follow(owner, resources or (CONFIGS,)))

    async def apply(self, obj: Object) -> dict[str, Any]:
        return await self.client.apply(CONFIGS, obj, manager=MANAGER)


@asynccontextmanager
async def scene(*objects: Object, kinds: tuple[Resource, ...] = ()) -> AsyncIterator[Scene]:
    client, clock = MemoryClient(*objects, kinds=kinds), ManualClock()
    live = Live(client.as_client(), clock, Random(0), MANAGER)
    made = Scene(client, clock, live)
    live.told = made.hear
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live.serve)
        await settle()
        yield made
        tasks.cancel_scope.cancel()


def web(**data: str) -> dict[str, Any]:
    return owned(config("web", data=data))


async def test_what_exists_is_known_at_once_and_each_change_is_told_once() -> None:
    async with scene(web(a="1"), config("foreign")) as it:
        known = await it.follow()
        it.client.put(it.client.objects[WEB] | {"data": {"a": "2"}})
        await settle()

        assert known == ["ConfigMap"]
        assert it.told == [("web", 1), ("web", 3)]
        assert it.live.refs() == {WEB}


async def test_without_a_task_to_watch_nothing_is_known() -> None:
    live = Live(MemoryClient().as_client(), ManualClock(), Random(0), MANAGER)

    assert await live.follow(APP, [CONFIGS]) == frozenset()


@pytest.mark.parametrize("is_event_first", [True, False])
async def test_of_an_own_write_event_and_answer_are_one_news(is_event_first: bool) -> None:
    async with scene() as it:
        await it.follow()
        if not is_event_first:
            it.client.wire.hold("ConfigMap")
        answer = await it.apply(web(a="1"))
        await settle()
        it.live.note(answer)
        it.client.wire.hold()
        await settle()

        assert it.told == [("web", 1)]


async def test_an_answer_that_was_told_already_is_looked_at_anew_where_fields_are_ignored_now() -> (
    None
):
    async with scene() as it:
        await it.follow()
        answer = await it.apply(web(a="1"))
        await settle()
        told = it.live.note(answer)
        it.live.ignored.set(APP, {WEB: (("data", "a"),)})
        spared = it.live.note(answer)

        assert told.signature
        assert told.signature != spared.signature


async def test_an_answer_that_comes_after_newer_news_changes_nothing() -> None:
    async with scene() as it:
        await it.follow()
        answer = await it.apply(web(a="1"))
        it.client.put(it.client.objects[WEB] | {"data": {"a": "2"}})
        await settle()
        it.live.note(answer)
        newer = it.live.get(WEB)
        it.client.remove(WEB)
        await settle()
        it.live.note(answer)  # of an object that is gone by now

        assert newer is not None
        assert newer.version == 2
        assert it.live.get(WEB) is None


async def test_an_object_made_anew_is_another_one() -> None:
    async with scene(web(a="1")) as it:
        await it.follow()
        old = it.live.get(WEB)
        it.client.wire.hold("ConfigMap")
        it.client.remove(WEB)
        answer = await it.apply(web(a="1"))
        it.live.note(answer)
        it.client.wire.hold()
        await settle()
        new = it.live.get(WEB)

        assert old is not None
        assert new is not None
        assert new.uid != old.uid
        assert it.told == [("web", 1), ("web", 3)]


async def test_an_object_that_loses_its_label_counts_as_gone() -> None:
    async with scene(web()) as it:
        await it.follow()
        it.client.put(config("web", uid="uid-1"))
        await settle()

        assert it.told == [("web", 1), ("web", None)]
        assert it.live.get(WEB) is None


async def test_an_answer_without_our_label_is_not_kept_as_no_watch_tells_of_it() -> None:
    async with scene() as it:
        await it.follow()
        seen = it.live.note(it.client.put(config("web")))

        assert seen.version == 1
        assert it.live.get(WEB) is None


async def test_what_went_while_nothing_was_heard_is_found_when_the_watch_is_back() -> None:
    """Also an object that no watch had told yet, only the answer to our write."""
    async with scene(web()) as it:
        await it.follow()
        it.client.wire.hold("ConfigMap")
        it.live.note(await it.apply(owned(config("late"))))
        it.client.remove(WEB)
        it.client.remove(Ref("", "ConfigMap", "ns", "late"))
        it.client.wire.forget()
        it.client.wire.hold()
        it.client.wire.cut()
        for _ in range(5):
            await it.clock.advance(10)

        assert sorted(it.told, key=str) == [("late", 2), ("late", None), ("web", 1), ("web", None)]
        assert it.live.refs() == frozenset()


async def test_what_was_written_after_the_list_is_not_taken_for_gone() -> None:
    async with scene(web()) as it:
        it.client.wire.hold("ConfigMap")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.follow)
            await settle()
            followed = next(iter(it.live._watches.values()))
            it.live.note(await it.apply(owned(config("late"))))
            it.live._synced(followed, 1)
            followed.synced_at = None
            it.client.wire.hold()

        assert ("late", None) not in it.told


async def test_a_silent_watch_is_not_relied_on() -> None:
    async with scene(web()) as it:
        await it.follow()
        it.clock._now += 121  # two bookmarks without a word

        assert it.live.current(WEB) is None
        assert it.live.get(WEB) is not None
        assert await it.follow() == []
        assert it.live.statistics().stale == 1


async def test_what_may_not_be_watched_is_tried_seldom_and_known_once_it_may() -> None:
    async with scene(web()) as it:
        no = Forbidden(403, "Forbidden", "no")
        it.client.refuse("watch ConfigMap", no, no)
        first = await it.follow()
        await it.clock.advance(100)
        tries = it.client.calls.count("watch ConfigMap")
        minutes = 0
        while not await it.follow():
            minutes += 1
            await it.clock.advance(60)

        assert first == []
        assert tries == 1
        assert 5 <= minutes <= 11  # two tries


async def test_a_right_that_is_revoked_ends_the_trust_at_once() -> None:
    async with scene(web()) as it:
        await it.follow()
        it.client.refuse("watch ConfigMap", Forbidden(403, "Forbidden", "no"))
        it.client.wire.cut()
        await it.clock.advance(5)

        assert await it.follow() == []


async def test_a_kind_that_cannot_be_watched_is_not() -> None:
    reviews = Resource("", "v1", "Review", "reviews", True, frozenset({"create"}))
    async with scene() as it:
        assert await it.follow(reviews) == []
        assert it.client.calls == []


async def test_a_watch_ends_a_while_after_its_last_owner_and_starts_again() -> None:
    async with scene(web()) as it:
        await it.follow()
        await it.follow(CONFIGS, owner=OTHER)
        it.live.release(APP)
        await it.clock.advance(LINGER + 2 * SWEEP)
        kept = it.live.refs()
        await it.follow(SECRETS, owner=OTHER)
        await it.clock.advance(SWEEP + 1)
        lingering = it.live.statistics().watches
        await it.clock.advance(LINGER + SWEEP)
        ended = it.live.statistics()

        assert kept == {WEB}
        assert lingering == 2
        assert (ended.watches, ended.objects) == (1, 0)
        assert await it.follow() == ["ConfigMap"]
        assert it.live.refs() == {WEB}


OLD, NEW = (kind(f"example.com/{version}", "Widget", "widgets") for version in ("v1beta1", "v1"))
WIDGET = Ref("example.com", "Widget", "ns", "w")


def widget(version: str, entry: str, **spec: str) -> dict[str, Any]:
    """As told in one version, applied in another."""
    fields = {f"f:{key}": {} for key in spec}
    managed = {"manager": MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": fields}}
    managed["apiVersion"] = f"example.com/{entry}"
    api_version = f"example.com/{version}"
    return owned(made("Widget", "w", api_version=api_version, managedFields=[managed], spec=spec))


async def test_each_version_that_is_needed_is_watched_and_only_the_applied_one_counts() -> None:
    """Paths in the words of one version say nothing about the values of another."""
    async with scene(widget("v1", "v1beta1", a="1"), kinds=(NEW,)) as it:
        known = await it.follow(NEW)
        of_old = it.live.get(WIDGET)
        it.client.put(widget("v1", "v1", a="1"))
        await settle()
        of_new = it.live.get(WIDGET)
        both = await it.follow(OLD, owner=OTHER)

        assert (known, both) == (["Widget"], ["Widget"])
        assert of_old is None
        assert of_new is not None
        assert it.live.observed(widget("v1", "v1beta1", a="1")).signature == b""
        assert it.live.statistics().watches == 2


async def test_a_changed_definition_has_its_objects_compared_again() -> None:
    """A new schema may show other values though nobody wrote the object."""
    definition = made(
        "CustomResourceDefinition", "widgets.example.com", "", api_version="apiextensions.k8s.io/v1"
    )
    definition["metadata"] |= {"generation": 1, "uid": "definition"}
    async with scene(widget("v1", "v1", a="1"), definition, kinds=(NEW,)) as it:
        await it.follow(NEW)
        await settle()
        it.client.objects[WIDGET]["spec"] = {}  # pruned when it is read
        definition["metadata"]["generation"] = 2
        it.client.put(definition)
        await settle()

        assert it.told == [("w", 1), ("w", 1)]
        assert it.client.invalidated == 1
        assert await it.follow(NEW) == ["Widget"]


async def test_a_restored_storage_is_believed_though_its_versions_are_lower() -> None:
    async with scene(web(a="1"), config("x"), config("y")) as it:
        it.client.put(it.client.objects[WEB] | {"data": {"a": "2"}})
        await it.follow()
        it.client.wire.changes.clear()
        restored = web(a="1")
        restored["metadata"] |= {"uid": "uid-1", "resourceVersion": "2"}
        it.client.objects[WEB] = restored
        it.client.wire.version = 2
        it.client.wire.cut()
        await it.clock.advance(10)
        seen = it.live.get(WEB)

        assert seen is not None
        assert seen.version == 2
        assert await it.follow() == ["ConfigMap"]


async def test_news_wake_who_listens_also_if_the_answer_to_our_own_write_brought_them() -> None:
    async with scene() as it:
        await it.follow()
        with it.live.listening([WEB]) as news:
            it.client.wire.hold("ConfigMap")
            it.live.note(await it.apply(web(a="1")))

            assert news.is_set()


async def test_an_odd_object_ends_nothing() -> None:
    odd = web()
    odd["metadata"]["managedFields"] = "none"
    async with scene(odd, owned(config("fine"))) as it:
        assert await it.follow() == ["ConfigMap"]
        assert [ref.name for ref in it.live.refs()] == ["fine"]


async def test_versions_that_are_no_numbers_tell_nothing() -> None:
    async with scene() as it:
        await it.follow()
        seen = it.live.note(web() | {"metadata": web()["metadata"] | {"resourceVersion": "a7"}})

        assert seen.version == -1
        assert it.live.get(WEB) is None


@pytest.mark.slow
async def test_an_object_is_held_in_less_than_a_kilobyte() -> None:
    count = 2_000
    async with scene() as it:
        await it.follow()
        followed = next(iter(it.live._watches.values()))
        tracemalloc.start()
        for number in range(count):
            line = dumps({"type": "ADDED", "object": told_as(number)})
            for event in followed.watch._understood(line):
                it.live._take(event, followed)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert len(it.live.refs()) == count
        assert held / count < 1024


def told_as(number: int) -> dict[str, Any]:
    """An object with names as long as they are in life."""
    labels = {"kustomize.toolkit.fluxcd.io/name": "app"}
    obj = made("ConfigMap", f"config-of-{number}", f"namespace-of-{number // 100}", labels=labels)
    fields = {"f:data": {"f:x": {}}, "f:metadata": {"f:labels": {f"f:{key}": {} for key in labels}}}
    entry = {"manager": MANAGER, "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields}
    obj["metadata"] |= {
        "uid": f"00000000-0000-0000-0000-{number:012d}",
        "resourceVersion": str(1_000_000 + number),
        "managedFields": [entry],
    }
    return {**obj, "data": {"x": str(number)}}
