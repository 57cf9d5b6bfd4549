"""Waiting for health while the watches run: what is asked for, and what is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from engine.cluster import Forbidden
from engine.objects.ref import Object, Ref
from tests.support.build import config, made
from tests.support.clock import ManualClock, settle
from tests.support.memory_client import MemoryClient
from tests.support.processes import until
from tests.support.reconciling import APP, Workshop

LABELS = {"app": "db"}
SELECTOR = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]}
CHECKED = {"apiVersion": "v1", "kind": "ConfigMap", "current": "data.?phase.orValue('') == 'Done'"}
FOREIGN = {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "namespace": "ns"}


def db(ready: int = 0, name: str = "db") -> dict[str, Any]:
    status = dict.fromkeys(("replicas", "readyReplicas", "currentReplicas"), ready)
    spec = {"replicas": 1, "selector": SELECTOR}
    return made("StatefulSet", name, api_version="apps/v1", spec=spec, status=status)


def crashing(**metadata: Any) -> dict[str, Any]:
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    status = {"phase": "Running", "containerStatuses": [{"name": "c", "state": waiting}]}
    return made("Pod", "db-0", status=status, spec={}, **metadata)


def shop_with(*objects: Object, **spec: Any) -> Workshop:
    shop = Workshop(clock=ManualClock())
    shop.source("main@sha1:1", **{f"o{number}": obj for number, obj in enumerate(objects)})
    shop.kustomization(**{"timeout": "5m"} | spec)
    return shop


@asynccontextmanager
async def waiting(shop: Workshop, *before: dict[str, Any]) -> AsyncIterator[None]:
    """A run that has come to its wait, while the watches run; it has ended on leaving.

    Then nothing that it followed is followed any more.

    before: a run with each of these specs comes first.
    """
    async with anyio.create_task_group() as watching:
        watching.start_soon(shop.engine.clusters.own.live.serve)
        await settle()
        for spec in before:
            await shop.run()
            shop.kustomization(**spec)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shop.run)
            await has_come_to_wait(shop)
            shop.client.calls.clear()
            yield
        assert shop.engine.clusters.own.live.following.statistics().watches == 0
        watching.cancel_scope.cancel()


async def has_come_to_wait(shop: Workshop) -> None:
    while shop.turn is None or not shop.turn.is_yielded:  # it builds in a thread
        await settle()
    await settle()


def change(shop: Workshop, ref: Ref, **content: Any) -> None:
    """Somebody else writes an object."""
    shop.client.put({**shop.client.objects[ref], **content})


def reads(client: MemoryClient) -> list[str]:
    return [call for call in client.calls if call.split()[0] in ("get", "list", "watch")]


def clock_of(shop: Workshop) -> ManualClock:
    assert isinstance(shop.clock, ManualClock)
    return shop.clock


async def test_pods_are_followed_by_one_watch_while_their_workload_is_in_progress() -> None:
    shop = shop_with(db(), wait=True)

    async with waiting(shop):
        await clock_of(shop).advance(60)
        asked = reads(shop.client)
        shop.client.put(crashing(labels=LABELS))

    assert asked == []
    assert "[StatefulSet/ns/db status: 'Failed': 1 pods have failed]" in shop.said()
    assert reads(shop.client) == []


async def test_pods_of_others_do_not_count_also_where_all_of_a_namespace_are_followed() -> None:
    others = [db(name=f"db{number}") for number in range(6)]
    for number, each in enumerate(others):
        each["spec"]["selector"] = {"matchLabels": {"app": f"db{number}"}}
    shop = shop_with(*others, wait=True)

    async with waiting(shop):
        count = shop.engine.clusters.own.live.following.statistics()
        shop.client.put(crashing(labels={"app": "foreign"}))
        await settle()
        before = shop.said()
        shop.client.put(
            {
                **crashing(labels={"app": "db5"}),
                "metadata": {"name": "db-1", "namespace": "ns", "labels": {"app": "db5"}},
            }
        )

    assert (count.watches, count.waiting) == (5, 6)
    assert before.startswith("Unknown ")
    assert "[StatefulSet/ns/db5 status: 'Failed': 1 pods have failed]" in shop.said()


async def test_pods_are_not_followed_any_more_once_the_workload_is_well() -> None:
    shop = shop_with(db(), config("a"), wait=True, healthCheckExprs=[CHECKED])

    async with waiting(shop):
        before = shop.engine.clusters.own.live.following.statistics().watches
        change(shop, Ref.of(db()), status=db(ready=1)["status"])
        await settle()
        after = shop.engine.clusters.own.live.following.statistics().watches
        change(shop, Ref.of(config("a")), data={"phase": "Done"})
        await settle()
        assert shop.turn is not None
        shop.turn.supersede()

    assert (before, after) == (1, 0)


async def test_what_may_not_be_watched_is_asked_for_again_and_again() -> None:
    shop = shop_with(db(), wait=True)
    shop.client.refuse("watch Pod", *[Forbidden(403, "Forbidden", "no")] * 99)

    async with waiting(shop):
        await clock_of(shop).advance(10)
        listed = shop.client.calls.count("list Pod")
        shop.client.put(crashing(labels=LABELS))
        await clock_of(shop).advance(2)

    assert listed > 3
    assert "1 pods have failed" in shop.said()


async def test_an_object_that_expressions_judge_costs_no_request() -> None:
    shop = shop_with(config("a"), wait=True, healthCheckExprs=[CHECKED])

    async with waiting(shop):
        await clock_of(shop).advance(60)
        asked = reads(shop.client)
        change(shop, Ref.of(config("a")), data={"phase": "Working"})
        await settle()
        between = shop.said("Healthy")
        change(shop, Ref.of(config("a")), data={"phase": "Done"})

    assert asked == []
    assert not between.startswith("True")
    assert shop.said("Healthy").startswith("True ")
    assert not [call for call in shop.client.calls if call.startswith("get ConfigMap")]


async def test_other_expressions_judge_anew() -> None:
    shop = shop_with(config("a"), wait=True)

    async with waiting(shop, {"healthCheckExprs": [CHECKED]}):
        assert shop.turn is not None
        change(shop, Ref.of(config("a")), data={"phase": "Done"})

    assert [line for line in shop.told() if "Health check passed" in line]
    assert shop.said("Healthy").startswith("True ")


async def test_a_foreign_object_is_followed_by_name() -> None:
    shop = shop_with(config("a"), healthChecks=[FOREIGN])

    async with waiting(shop):
        await clock_of(shop).advance(100)
        asked = reads(shop.client)
        shop.client.put(config("theirs"))

    assert asked == []
    assert shop.said("Healthy").startswith("True ")


async def test_what_drifts_while_it_waits_is_corrected_and_the_wait_goes_on() -> None:
    web = {**config("a"), "data": {"color": "blue"}}
    shop = shop_with(web, healthChecks=[FOREIGN])

    async with waiting(shop):
        change(shop, Ref.of(web), data={"color": "red"})
        # A thread tells where Git has the field: only then does the wait go on.
        await until(lambda: is_blue(shop, web) and shop.turn and shop.turn.is_yielded)
        corrected = shop.client.objects[Ref.of(web)]["data"]
        calls = [call for call in shop.client.calls if not call.startswith("patch")]
        shop.client.put(config("theirs"))

    assert corrected == {"color": "blue"}
    assert calls[:2] == [f"get Kustomization/{APP.namespace}/app", "apply ConfigMap/ns/a"]
    assert any("drift of ConfigMap/ns/a corrected" in line for line in shop.told())
    assert shop.said().startswith("True ")


def is_blue(shop: Workshop, obj: Object) -> bool:
    return shop.client.objects[Ref.of(obj)]["data"] == {"color": "blue"}


@pytest.mark.parametrize("field", ["spec", "annotations"])
async def test_no_drift_is_corrected_once_something_newer_is_asked_for(field: str) -> None:
    web = {**config("a"), "data": {"color": "blue"}}
    shop = shop_with(web, healthChecks=[FOREIGN])

    async with waiting(shop):
        own = shop.client.objects[APP]  # changed, and its watch has not told of it yet
        metadata = {**own["metadata"], "generation": 2} if field == "spec" else own["metadata"]
        if field == "annotations":
            metadata = {**metadata, "annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}
        shop.client.put({**own, "metadata": metadata})
        change(shop, Ref.of(web), data={"color": "red"})

    assert shop.client.objects[Ref.of(web)]["data"] == {"color": "red"}
    assert shop.said().startswith("False HealthCheckCanceled: ")


async def test_what_cannot_be_corrected_ends_the_wait() -> None:
    web = {**config("a"), "data": {"color": "blue"}}
    shop = shop_with(web, healthChecks=[FOREIGN])
    shop.client.refuse("apply ConfigMap/ns/a", None, Forbidden(403, "Forbidden", "no"))

    async with waiting(shop):
        change(shop, Ref.of(web), data={"color": "red"})

    assert shop.said().startswith("False ReconciliationFailed: ConfigMap/ns/a apply failed")


async def test_a_newer_spec_ends_the_wait() -> None:
    shop = shop_with(config("a"), healthChecks=[FOREIGN])

    async with waiting(shop):
        shop.kustomization(interval="20m")

    assert shop.said().endswith("New reconciliation triggered by Kustomization/flux/app")


async def degraded(shop: Workshop) -> list[Ref]:
    """What is queued once an object that was waited for is not well any more."""
    shop.client.put(db(ready=1))
    await shop.run()
    await settle()
    assert shop.said("Healthy").startswith("True ")
    shop.told()
    shop.pushed.clear()
    change(shop, Ref.of(db()), status=db(ready=0)["status"])
    await settle()
    return list(shop.pushed)


@asynccontextmanager
async def watched(shop: Workshop) -> AsyncIterator[None]:
    async with anyio.create_task_group() as watching:
        watching.start_soon(shop.engine.clusters.own.live.serve)
        await settle()
        yield
        watching.cancel_scope.cancel()


async def test_what_is_not_well_any_more_is_waited_for_again_without_a_word() -> None:
    shop = shop_with(db(), wait=True)
    async with watched(shop):
        queued = await degraded(shop)
        before = shop.status()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shop.run)
            await has_come_to_wait(shop)
            await clock_of(shop).advance(100)
            between = shop.status()
            change(shop, Ref.of(db()), status=db(ready=1)["status"])

    assert queued == [APP]
    assert between == before == shop.status()
    assert shop.told() == []


async def test_what_stays_unwell_is_told_when_the_time_is_over() -> None:
    shop = shop_with(db(), wait=True)
    async with watched(shop):
        await degraded(shop)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shop.run)
            await has_come_to_wait(shop)
            await clock_of(shop).advance(301)

    assert shop.said().startswith("False HealthCheckFailed: health check failed after 5m")


@pytest.mark.parametrize("spec", [{"wait": False}, {"wait": True, "suspend": True}])
async def test_what_nobody_waits_for_queues_nobody(spec: dict[str, bool]) -> None:
    shop = shop_with(db(), wait=True)
    async with watched(shop):
        shop.client.put(db(ready=1))
        await shop.run()
        shop.kustomization(**spec)
        await shop.run()
        shop.pushed.clear()
        change(shop, Ref.of(db()), status=db(ready=0)["status"])
        await settle()

    assert shop.pushed == []
