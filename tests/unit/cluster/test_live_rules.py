"""The rules of the live view as runs follow them; the numbers are those of design section 3."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from engine.api.meta import REQUESTED_AT
from engine.cluster.errors import Unavailable
from engine.cluster.live import SWEEP
from engine.cluster.watch import BOOKMARK_PERIOD
from engine.objects.ref import Object, Ref
from engine.reconcile.triggers import DRIFT
from engine.runtime import Priority
from tests.support.build import config, marked, owned
from tests.support.clock import ManualClock, settle
from tests.support.memory_client import MemoryClient
from tests.support.reconciling import APP, Workshop

A = Ref("", "ConfigMap", "ns", "a")
MANAGER = "kustomize-controller"


class Altering(MemoryClient):
    """Admission writes values in capitals, whoever stores them."""

    def _stored(self, obj: dict[str, Any]) -> dict[str, Any]:
        if obj["kind"] == "ConfigMap":
            obj["data"] = {key: value.upper() for key, value in (obj.get("data") or {}).items()}
        return super()._stored(obj)


class Stripping(MemoryClient):
    """A policy takes labels away, whoever sets them."""

    def _stored(self, obj: dict[str, Any]) -> dict[str, Any]:
        if obj["kind"] == "ConfigMap":
            obj["metadata"].pop("labels", None)
        return super()._stored(obj)


class Forgetful(MemoryClient):
    """It does not say who wrote what, as some aggregated API servers."""

    def _stored(self, obj: dict[str, Any]) -> dict[str, Any]:
        obj["metadata"].pop("managedFields", None)
        return super()._stored(obj)


@asynccontextmanager
async def watching(client: MemoryClient | None = None, **files: Object) -> AsyncIterator[Workshop]:
    """A Workshop whose live view is served, after the first run over these files."""
    shop = Workshop(client=client or MemoryClient(), clock=ManualClock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shop.engine.clusters.own.live.serve)
        await settle()
        shop.source("main@sha1:1", **files)
        if APP not in shop.client.objects:
            shop.kustomization()
        else:  # of an engine before this one
            shop.engine.triggers.changed(shop.client.objects[APP])
        await shop.run()
        await settle()
        shop.pushed.clear()
        shop.client.calls.clear()
        yield shop
        tasks.cancel_scope.cancel()


def edit(shop: Workshop, **data: str) -> None:
    live = shop.client.objects[A]
    shop.client.put({**live, "data": {**live["data"], **data}})


def asked(shop: Workshop) -> list[str]:
    """What was asked about the object itself since the last call."""
    found = [call for call in shop.client.calls if call.endswith(str(A))]
    shop.client.calls.clear()
    return found


async def test_1_what_admission_made_of_our_apply_is_no_drift() -> None:
    async with watching(Altering(), a=config("a", data={"x": "one"})) as shop:
        assert shop.client.objects[A]["data"] == {"x": "ONE"}
        assert shop.pushed == []
        await shop.run()

        assert asked(shop) == []


async def test_2_a_path_that_we_lost_is_taken_again_by_one_apply_though_its_value_is_the_same() -> (
    None
):
    """Later edits of it would show in nothing."""
    async with watching(a=config("a", data={"x": "1"})) as shop:
        live = shop.client.objects[A]
        (ours,) = live["metadata"]["managedFields"]
        fields = {key: value for key, value in ours["fieldsV1"].items() if key != "f:data"}
        entries = [{**ours, "fieldsV1": fields}]
        shop.client.put({**live, "metadata": {**live["metadata"], "managedFields": entries}})
        await settle()
        pushed = list(shop.pushed)
        await shop.run(reasons=(DRIFT,))

        assert pushed == [APP]
        assert asked(shop) == [f"apply {A}"]
        assert shop.client.objects[A]["metadata"]["managedFields"] == [ours]


async def test_2_what_no_watch_shows_is_dry_run_and_what_we_no_longer_own_counts() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a", data={"x": "1"}))
    shop.kustomization()
    await shop.run()
    live = shop.client.objects[A]
    (ours,) = live["metadata"]["managedFields"]
    fields = {key: value for key, value in ours["fieldsV1"].items() if key != "f:data"}
    entries = [{**ours, "fieldsV1": fields}]
    shop.client.put({**live, "metadata": {**live["metadata"], "managedFields": entries}})
    shop.client.calls.clear()
    again = Workshop(client=shop.client)
    again.source("main@sha1:1", a=config("a", data={"x": "1"}))
    again.engine.triggers.changed(shop.client.objects[APP])
    await again.run()

    assert asked(again) == [f"get {A}", f"dry-run {A}", f"apply {A}"]


async def test_3_what_git_dropped_while_the_engine_was_down_shows_in_what_we_own() -> None:
    async with watching(a=config("a", data={"x": "1"})) as shop:
        client = shop.client
    live = client.objects[A]
    (ours,) = live["metadata"]["managedFields"]
    fields = {**ours["fieldsV1"], "f:data": {"f:x": {}, "f:old": {}}}
    entries = [{**ours, "fieldsV1": fields}]
    client.put({**live, "metadata": {**live["metadata"], "managedFields": entries}})
    client.calls.clear()
    again = Workshop(client=client, clock=ManualClock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(again.engine.clusters.own.live.serve)
        await settle()
        again.source("main@sha1:1", a=config("a", data={"x": "1"}))
        again.engine.triggers.changed(client.objects[APP])
        await again.run()
        tasks.cancel_scope.cancel()

    assert asked(again) == [f"dry-run {A}", f"apply {A}"]


async def test_3_what_is_as_git_says_at_a_start_costs_nothing() -> None:
    async with watching(a=config("a", data={"x": "1"})) as shop:
        client = shop.client
    again = Workshop(client=client, clock=ManualClock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(again.engine.clusters.own.live.serve)
        await settle()
        again.source("main@sha1:1", a=config("a", data={"x": "1"}))
        again.engine.triggers.changed(client.objects[APP])
        client.calls.clear()
        await again.run()
        tasks.cancel_scope.cancel()

    assert asked(again) == []


async def test_5_an_object_that_only_lost_its_label_is_asked_for_and_not_made_anew() -> None:
    async with watching(a=config("a", data={"x": "1"})) as shop:
        live = shop.client.objects[A]
        shop.client.put({**live, "metadata": {**live["metadata"], "labels": {}}})
        await settle()
        pushed = list(shop.pushed)
        await shop.run(reasons=(DRIFT,))

        assert pushed == [APP]
        assert asked(shop) == [f"get {A}", f"apply {A}"]
        assert shop.client.objects[A]["metadata"]["labels"]
        assert shop.client.objects[A]["metadata"]["uid"] == live["metadata"]["uid"]


async def test_5_an_object_whose_label_is_stripped_is_followed_by_name() -> None:
    async with watching(Stripping(), a=config("a", data={"x": "1"})) as shop:
        for _ in range(2):
            await shop.run()
        looked = asked(shop)
        edit(shop, x="2")
        await settle()
        pushed = list(shop.pushed)
        await shop.run(reasons=(DRIFT,))

        assert looked == []  # the watch of its name shows it
        assert pushed == [APP]
        assert asked(shop) == [f"apply {A}"]
        assert shop.client.objects[A]["data"] == {"x": "1"}
        assert "labels" not in shop.client.objects[A]["metadata"]


async def test_5_one_that_is_followed_by_name_is_made_again_once_it_is_gone() -> None:
    async with watching(Stripping(), a=config("a", data={"x": "1"})) as shop:
        shop.client.remove(A)
        await settle()
        pushed = list(shop.pushed)
        await shop.run(reasons=(DRIFT,))

        assert pushed == [APP]
        assert A in shop.client.objects


async def test_5_a_silent_watch_of_a_name_shows_nothing() -> None:
    async with watching(Stripping(), a=config("a", data={"x": "1"})) as shop:
        assert isinstance(shop.clock, ManualClock)
        shop.client.wire.hold("ConfigMap")
        await shop.clock.advance(3 * BOOKMARK_PERIOD)
        await shop.run()

        assert asked(shop)[0] == f"get {A}"


async def test_5_who_leaves_git_or_is_labelled_again_is_followed_by_name_no_more() -> None:
    client = Stripping()
    async with watching(client, a=config("a"), b=config("b")) as shop:
        live = shop.engine.clusters.own.live
        followed = live.following.statistics().watches
        client.__class__ = MemoryClient
        client.put(owned(client.objects[A]))
        await settle()
        labelled = live.following.statistics().watches
        shop.source("main@sha1:2", a=config("a"))
        await shop.run()
        assert isinstance(shop.clock, ManualClock)
        await shop.clock.advance(SWEEP)

        assert (followed, labelled, live.following.statistics().watches) == (2, 1, 0)
        assert A in shop.client.objects
        assert Ref("", "ConfigMap", "ns", "b") in shop.client.objects  # no label: nobody's


async def test_6_an_object_that_only_carries_our_label_is_neither_drift_nor_pruned() -> None:
    """Operators copy labels: EndpointSlices carry those of their Service."""
    copied = Ref("", "ConfigMap", "ns", "copied")
    async with watching(a=config("a")) as shop:
        shop.client.put(owned(config("copied")))
        await settle()
        pushed = list(shop.pushed)
        await shop.run()

        assert shop.engine.clusters.own.live.get(copied) is not None
        assert pushed == []
        assert shop.client.writes() == []


async def test_7_what_kubectl_wrote_beside_us_is_folded_at_the_interval_and_not_at_once() -> None:
    """An instant fold would undo `kubectl rollout restart`."""
    async with watching(a=config("a", data={"x": "1"})) as shop:
        live = shop.client.objects[A]
        theirs = {
            "manager": "kubectl-rollout",
            "operation": "Update",
            "fieldsV1": {"f:data": {"f:restarted": {}}},
        }
        metadata = {**live["metadata"]}
        metadata["managedFields"] = [*metadata["managedFields"], theirs]
        data = {**live["data"], "restarted": "now"}
        shop.client.put({**live, "metadata": metadata, "data": data})
        await settle()
        pushed = list(shop.pushed)
        await shop.run(reasons=(DRIFT,))  # of another object of the same owner
        at_once = asked(shop)
        await shop.run()

        assert (pushed, at_once) == ([], [])
        assert f"json-patch {A}" in asked(shop)


Change = Callable[[Workshop, dict[str, Any]], None]


def suspended(shop: Workshop, ks: dict[str, Any]) -> None:
    metadata = {**ks["metadata"], "generation": 2}
    shop.client.put({**ks, "metadata": metadata, "spec": {**ks["spec"], "suspend": True}})


def deleted(shop: Workshop, ks: dict[str, Any]) -> None:
    metadata = {**ks["metadata"], "generation": 2, "deletionTimestamp": "2026-11-23T00:00:00Z"}
    shop.client.put({**ks, "metadata": metadata})


def changed(shop: Workshop, ks: dict[str, Any]) -> None:
    metadata = {**ks["metadata"], "generation": 2}
    shop.client.put({**ks, "metadata": metadata, "spec": {**ks["spec"], "path": "./other"}})


def requested(shop: Workshop, ks: dict[str, Any]) -> None:
    metadata = {**ks["metadata"], "annotations": {REQUESTED_AT: "now"}}
    shop.client.put({**ks, "metadata": metadata})


@pytest.mark.parametrize("change", [suspended, deleted, changed, requested])
async def test_8_nothing_is_corrected_of_a_kustomization_that_changed_unheard(
    change: Change,
) -> None:
    """Watches of two kinds keep no order; what is asked anew is queued for what it is."""
    async with watching(a=config("a", data={"x": "1"})) as shop:
        edit(shop, x="edited")
        await settle()
        change(shop, shop.client.objects[APP])
        shop.pushed.clear()
        shop.client.calls.clear()
        requeue = await shop.run(reasons=(DRIFT,))

        assert shop.client.calls == [f"get {APP}"]
        assert shop.client.objects[A]["data"] == {"x": "edited"}
        assert shop.pushed == [APP]
        assert requeue.after is None
        assert not requeue.failed


async def test_8_nothing_is_corrected_of_a_kustomization_that_is_gone() -> None:
    async with watching(a=config("a", data={"x": "1"})) as shop:
        edit(shop, x="edited")
        await settle()
        shop.client.remove(APP)
        shop.client.calls.clear()
        await shop.run(reasons=(DRIFT,))

        assert shop.client.calls == [f"get {APP}"]
        assert shop.engine.mirror.get(APP) is None


async def test_8_a_kustomization_that_cannot_be_read_is_corrected_as_it_is_known() -> None:
    async with watching(a=config("a", data={"x": "1"})) as shop:
        edit(shop, x="edited")
        await settle()
        shop.client.refuse(f"get {APP}", Unavailable(503, "ServiceUnavailable", "no"))
        await shop.run(reasons=(DRIFT,))

        assert shop.client.objects[A]["data"] == {"x": "1"}


async def test_9_a_plan_over_a_silent_watch_asks_for_each_object() -> None:
    async with watching(a=config("a", data={"x": "1"})) as shop:
        shop.client.wire.hold("ConfigMap")
        edit(shop, x="edited")
        assert isinstance(shop.clock, ManualClock)
        shop.clock._now += 121  # two bookmarks without a word
        await shop.run()

        assert asked(shop)[0] == f"get {A}"
        assert shop.client.objects[A]["data"] == {"x": "1"}


async def test_12_a_request_is_answered_by_a_list_that_finds_what_the_watch_kept_back() -> None:
    async with watching(a=config("a", data={"x": "1"})) as shop:
        shop.client.wire.hold("ConfigMap")
        edit(shop, x="edited")
        shop.request("now")
        await shop.run(priority=Priority.MANUAL)

        assert "list ConfigMap" in shop.client.calls
        assert shop.client.objects[A]["data"] == {"x": "1"}


async def test_an_object_of_which_nobody_knows_who_wrote_it_is_applied_once_and_is_ours() -> None:
    """Its managedFields were taken away, as some backup tools do; the values are the same."""
    async with watching(a=config("a", data={"x": "1"})) as shop:
        live = shop.client.objects[A]
        shop.client.put({**live, "metadata": {**live["metadata"], "managedFields": []}})
        await settle()
        pushed = list(shop.pushed)
        await shop.run(reasons=(DRIFT,))
        first = asked(shop)
        await shop.run()

        assert pushed == [APP]
        assert (first, asked(shop)) == ([f"apply {A}"], [])
        assert shop.client.objects[A]["metadata"]["managedFields"]


async def test_where_nothing_says_who_wrote_what_each_look_asks_and_tells_nobody() -> None:
    """It is no drift either: one empty signature is as good as another."""
    async with watching(Forgetful(), a=config("a", data={"x": "1"})) as shop:
        shop.told()
        await shop.run()
        await settle()
        unchanged, told = asked(shop), shop.told()
        edit(shop, x="edited")
        await shop.run()

        assert unchanged == [f"get {A}", f"apply {A}"]  # nothing is written if nothing was to do
        assert (told, shop.pushed) == ([], [])
        assert shop.client.objects[A]["data"] == {"x": "1"}


LATE = Ref("", "ConfigMap", "ns", "late")
MANY = {f"c{number}": config(f"c{number}") for number in range(8)}


@pytest.mark.parametrize("theirs", [None, {"x": "theirs"}])
async def test_what_is_only_wanted_if_absent_is_not_left_to_an_older_list(
    theirs: dict[str, str] | None,
) -> None:
    """Names were listed a moment ago; since then somebody may have made one."""
    late = marked(config("late", data={"x": "ours"}), ssa="IfNotPresent")
    async with watching(**MANY) as shop:
        assert any(
            each.names is not None for each in shop.engine.clusters.own.census._kinds.values()
        )
        if theirs is not None:
            shop.client.put(config("late", data=theirs))
        shop.source("main@sha1:2", **MANY, late=late)
        await shop.run()

        assert shop.client.objects[LATE]["data"] == (theirs or {"x": "ours"})
