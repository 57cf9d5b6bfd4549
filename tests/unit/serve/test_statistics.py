from random import Random
from typing import Any, cast

import anyio

from engine.cluster import connected
from engine.cluster.endpoint import Endpoint
from engine.objects.ref import Ref
from engine.render import SealedKey
from engine.runtime import Controller, Requeue, Turn
from engine.serve.statistics import sample
from engine.sops import MasterKey, Metadata, Rule
from engine.telemetry import Metrics
from tests.support.build import config
from tests.support.clock import ManualClock, settle
from tests.support.reconciling import Workshop

A = Ref("", "ConfigMap", "ns", "a")
ONE, TWO, LATER = (Ref("g", "Kustomization", "ns", name) for name in ("one", "two", "later"))


class Held:
    """Leases of which one is held."""

    def statistics(self) -> dict[str, bool]:
        return {"kustomize-controller-leader-election": True, "source-controller-le": False}


def value(series: Metrics, name: str, /, **labels: str) -> float | None:
    return series.registry.get_sample_value(name, labels)


async def test_the_gauges_say_what_is_so_at_this_moment() -> None:
    series, clock, over = Metrics(), ManualClock(), anyio.Event()

    async def work(_: Turn[Ref]) -> Requeue:
        await over.wait()
        return Requeue()

    controller: Controller[Ref] = Controller(work, clock, 1)
    for ref, after in ((ONE, 0), (TWO, 0), (LATER, 600)):
        controller.push(ref, after=after)
    endpoint = Endpoint("http://127.0.0.1:1")
    async with connected(endpoint, clock, Random(0)) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(controller.serve)
        await settle()
        leases = cast("Any", Held())
        sample(series, client, {("g", "Kustomization"): controller}, leases)
        over.set()
        controller.stop()

    queue = {"name": "kustomization", "controller": "kustomization"}
    assert value(series, "workqueue_depth", **queue) == 1  # not the one that is not due yet
    kind = {"controller": "kustomization"}
    assert value(series, "controller_runtime_active_workers", **kind) == 1
    assert value(series, "controller_runtime_max_concurrent_reconciles", **kind) == 1
    assert [
        value(series, "leader_election_master_status", name=name) for name in Held().statistics()
    ] == [1, 0]
    assert value(series, "lockstep_api_concurrency_limit") == 16
    assert value(series, "lockstep_api_requests_waiting", priority="manual") == 0


async def test_what_is_known_of_objects_drift_and_builds_is_measured() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a", data={"x": "1"}))
    shop.kustomization()
    await shop.run()
    await shop.run()
    series = shop.engine.metrics
    async with connected(Endpoint("http://127.0.0.1:1"), ManualClock(), Random(0)) as client:
        sample(series, client, {}, None, shop.engine)

    assert value(series, "lockstep_builds", state="built") == 1
    assert value(series, "lockstep_builds", state="used") == 1
    states = ("idle", "building", "waiting")
    assert [value(series, "lockstep_builders", state=state) for state in states] == [0, 0, 0]
    names = ("lockstep_live_objects", "lockstep_drifted_objects", "lockstep_contended_objects")
    assert [value(series, name) for name in names] == [0, 0, 0]
    assert value(series, "lockstep_live_watches", state="stale") == 0
    assert value(series, "lockstep_api_watches") == 0
    assert value(series, "lockstep_api_latency_seconds", quantile="0.99") == 0


async def test_data_keys_are_measured_and_none_is_shown() -> None:
    shop = Workshop()
    keys, sealed = shop.engine.data_keys, [each for name in "abc" for each in _sealed(name)]
    for key in sealed[:2]:
        keys.keep("mine", key, b"c4n4ry of 32 bytes, and no others")
    keys.refused()
    keys.known("mine", sealed)
    keys.known("another's", sealed)
    series = shop.engine.metrics
    async with connected(Endpoint("http://127.0.0.1:1"), ManualClock(), Random(0)) as client:
        sample(series, client, {}, None, shop.engine)

    states = ("held", "opened", "used", "refused")
    assert [value(series, "lockstep_data_keys", state=state) for state in states] == [2, 2, 2, 1]
    assert b"c4n4ry" not in series.text()


def _sealed(name: str) -> list[SealedKey]:
    key = MasterKey("age", name, f"sealed for {name}")
    return [SealedKey.of(Metadata(((key,),), 0, "", "", Rule("encrypted_regex", ".")), "a.yaml:1")]


async def test_corrections_are_counted_by_kind() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a", data={"x": "1"}))
    shop.kustomization()
    await shop.run()
    shop.client.put({**shop.client.objects[A], "data": {"x": "edited"}})
    await shop.run()

    corrections = "lockstep_drift_corrections_total"
    assert value(shop.engine.metrics, corrections, kind="ConfigMap") == 1


async def test_without_leases_nobody_is_said_to_lead() -> None:
    series = Metrics()
    async with connected(Endpoint("http://127.0.0.1:1"), ManualClock(), Random(0)) as client:
        sample(series, client, {}, None)

    assert b"leader_election_master_status{" not in series.text()
