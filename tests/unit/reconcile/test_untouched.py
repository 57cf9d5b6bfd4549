from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from engine.objects.ref import Ref
from engine.plan.claims import Basis
from engine.plan.policy import Owner
from engine.reconcile.triggers import INTERVAL
from tests.support.build import config, made
from tests.support.clock import ManualClock, settle
from tests.support.reconciling import APP, SOURCE, Workshop

A, B, C = (Ref("", "ConfigMap", "ns", name) for name in "abc")
HEALTHY = {
    "type": "Healthy",
    "status": "True",
    "reason": "Succeeded",
    "message": "m",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
NEWS = (INTERVAL, str(SOURCE))
LABELS = Owner("app", "flux").labels()


@asynccontextmanager
async def settled(**spec: Any) -> AsyncIterator[Workshop]:
    """A Kustomization of two objects, after its first run, and a revision that changes nothing."""
    shop = Workshop(clock=ManualClock())
    async with anyio.create_task_group() as watching:
        watching.start_soon(shop.engine.clusters.own.live.serve)
        await settle()
        commit(shop, "r1")
        shop.kustomization(**spec)
        await shop.run()
        await settle()
        commit(shop, "r2")
        shop.client.calls.clear()
        shop.told()
        yield shop
        watching.cancel_scope.cancel()


def commit(shop: Workshop, revision: str, value: str = "1") -> None:
    shop.source(revision, a=config("a", data={"x": value}), b=config("b", data={"x": "1"}))


async def is_noted(shop: Workshop, reasons: tuple[str, ...] = NEWS) -> bool:
    """Whether the run for the new revision was cut short."""
    before = shop.engine.orderly.statistics().noted
    await shop.run(reasons=reasons)
    return shop.engine.orderly.statistics().noted > before


def outcome(shop: Workshop) -> object:
    """What a run did and says, without instants and durations."""
    status = shop.status()
    conditions = [(each["type"], each["status"], each["message"]) for each in status["conditions"]]
    history = [(each["digest"], each["metadata"]) for each in status["history"]]
    rest = {key: value for key, value in status.items() if key not in ("conditions", "history")}
    return shop.client.writes(), conditions, history, rest


async def test_a_revision_that_changes_nothing_costs_one_status_patch() -> None:
    async with settled() as shop:
        assert await is_noted(shop)

        assert shop.client.calls == ["patch Kustomization/flux/app"]
        assert shop.said() == "True ReconciliationSucceeded: Applied revision: r2"
        assert shop.status()["lastAppliedRevision"] == "r2"
        assert shop.engine.clusters.own.claims.basis(APP) == Basis(1, "r2")


async def test_it_ends_as_the_whole_story_would() -> None:
    async with settled() as noted, settled() as whole:
        assert await is_noted(noted)
        assert not await is_noted(whole, ("test",))

        assert outcome(noted) == outcome(whole)


async def test_one_revision_after_the_other_is_noted() -> None:
    async with settled() as shop:
        for revision in ("r3", "r4", "r5"):
            commit(shop, revision)
            assert await is_noted(shop)

        assert shop.engine.orderly.statistics().held == 1


def edited(shop: Workshop) -> None:
    shop.client.put({**shop.client.objects[A], "data": {"x": "edited"}})


def deleted(shop: Workshop) -> None:
    shop.client.remove(A)


def taken(shop: Workshop) -> None:
    old = shop.client.objects[A]
    labels = {**old["metadata"]["labels"], "kustomize.toolkit.fluxcd.io/name": "other"}
    shop.client.put({**old, "metadata": {**old["metadata"], "labels": labels}})


def applied_by_kubectl(shop: Workshop) -> None:
    old = shop.client.objects[A]
    entry = {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {}}}
    fields = [*old["metadata"]["managedFields"], entry]
    shop.client.put({**old, "metadata": {**old["metadata"], "managedFields": fields}})


def terminating(shop: Workshop) -> None:
    old = shop.client.objects[A]
    shop.client.put({**old, "metadata": {**old["metadata"], "deletionTimestamp": "now"}})


def tell_inventory(shop: Workshop, *refs: Ref) -> None:
    for ref in refs:
        if ref not in shop.client.objects:
            shop.client.put(made("ConfigMap", ref.name, labels=LABELS))
    old = shop.client.objects[APP]
    entries = [{"id": ref.id, "v": "v1"} for ref in refs]
    shop.tell({**old, "status": {**old["status"], "inventory": {"entries": entries}}})


def one_more_in_the_inventory(shop: Workshop) -> None:
    tell_inventory(shop, A, B, C)


def one_less_in_the_inventory(shop: Workshop) -> None:
    tell_inventory(shop, A)


def another_order_of_the_inventory(shop: Workshop) -> None:
    tell_inventory(shop, B, A)


def an_old_word_on_health(shop: Workshop) -> None:
    old = shop.client.objects[APP]
    conditions = [*old["status"]["conditions"], HEALTHY]
    shop.tell({**old, "status": {**old["status"], "conditions": conditions}})


@pytest.mark.parametrize(
    "differ",
    [
        edited,
        deleted,
        taken,
        applied_by_kubectl,
        terminating,
        one_more_in_the_inventory,
        one_less_in_the_inventory,
        another_order_of_the_inventory,
        an_old_word_on_health,
    ],
)
async def test_whatever_is_not_as_it_was_left_is_noticed(
    differ: Callable[[Workshop], None],
) -> None:
    async with settled() as shop, settled() as whole:
        for each in (shop, whole):
            differ(each)
        await settle()

        assert not await is_noted(shop)
        await whole.run(reasons=("test",))
        assert outcome(shop) == outcome(whole)


async def test_what_another_kustomization_wants_too_is_looked_at() -> None:
    async with settled() as shop:
        shop.engine.clusters.own.claims.claim(Ref(APP.group, APP.kind, "flux", "other"), [A])

        assert not await is_noted(shop)


async def test_what_a_watch_does_not_show_any_more_is_looked_at() -> None:
    async with settled() as shop:
        shop.engine.clusters.own.live.doubt(A)

        assert not await is_noted(shop)


async def test_a_watch_that_has_fallen_silent_shows_nothing() -> None:
    async with settled(interval="1h") as shop:
        assert isinstance(shop.clock, ManualClock)
        await shop.clock.advance(400)

        assert not await is_noted(shop)


async def test_a_revision_that_changes_something_is_not_only_noted() -> None:
    async with settled() as shop:
        commit(shop, "r3", value="2")

        assert not await is_noted(shop)
        assert "apply ConfigMap/ns/a" in shop.client.calls


@pytest.mark.parametrize(
    "reasons",
    [(INTERVAL,), (*NEWS, "drift"), (*NEWS, "a change of its spec"), ("Kustomization/flux/dep",)],
)
async def test_what_runs_for_another_reason_tells_its_whole_story(reasons: tuple[str, ...]) -> None:
    async with settled() as shop:
        assert not await is_noted(shop, reasons)


async def test_another_spec_another_request_or_another_object_of_the_name_is_a_whole_story() -> (
    None
):
    async with settled() as shop:
        shop.kustomization(timeout="1m")
        assert not await is_noted(shop)
        commit(shop, "r3")
        shop.request("now")
        assert not await is_noted(shop)
        commit(shop, "r4")
        assert await is_noted(shop)


async def test_the_regular_look_is_neither_put_off_nor_left_out() -> None:
    async with settled(interval="1m") as shop:
        assert isinstance(shop.clock, ManualClock)
        await shop.clock.advance(40)
        requeue = await shop.run(reasons=NEWS)
        assert shop.engine.orderly.statistics().noted == 1
        assert requeue.after is not None
        assert 17 <= requeue.after <= 23

        await shop.clock.advance(requeue.after)
        commit(shop, "r3")
        assert not await is_noted(shop)


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"wait": True}, True),
        ({"postBuild": {"substitute": {"a": "b"}}}, True),
        ({"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "a"}]}}, False),
        (
            {
                "healthChecks": [
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "namespace": "ns"}
                ]
            },
            False,
        ),
    ],
)
async def test_who_asks_for_more_than_its_own_objects_tells_its_whole_story(
    spec: dict[str, Any], wanted: bool
) -> None:
    async with settled(**spec) as shop:
        assert await is_noted(shop) == wanted


async def test_an_object_that_is_not_well_is_waited_for() -> None:
    async with settled(wait=True) as shop:
        stalled = {"conditions": [{"type": "Stalled", "status": "True", "message": "m"}]}
        shop.client.put({**shop.client.objects[A], "status": stalled})
        await settle()

        assert not await is_noted(shop)
        assert shop.said().startswith("False HealthCheckFailed")


async def test_what_the_last_run_did_not_bring_in_order_is_tried_again() -> None:
    async with settled() as shop:
        shop.client.remove(A)
        await settle()
        shop.client.refuse("apply ConfigMap/ns/a", RuntimeError("no"))
        shop.client.refuse("create ConfigMap/ns/a", RuntimeError("no"))
        assert not await is_noted(shop)

        assert not await is_noted(shop)


async def test_who_is_gone_is_forgotten() -> None:
    async with settled() as shop:
        shop.engine.orderly.forget(APP)

        assert shop.engine.orderly.statistics().held == 0
        assert not await is_noted(shop)
