"""Two engines on one cluster, or Flux and Lockstep: one works, the other waits and says so."""

import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
from aiohttp import web

from engine.cluster.lease import LEASES as RESOURCE
from engine.cluster.lease import micro_time
from engine.runtime import SystemClock
from tests.support.crash import LEASES, World, folder_of
from tests.support.engines import SHORT, TAKEOVER, EngineProcess
from tests.support.fleet import Fleet
from tests.support.proxy import Fault, FaultProxy, Forward

KUSTOMIZE = LEASES[0]
FLUX = "kustomize-controller-7d8f9c6b5-x2x4z"
RENEWAL = 0.5  # seconds


async def second(world: World, tmp_path: Path) -> EngineProcess:
    """An engine with a storage of its own, as in another pod."""
    storage = str(folder_of(tmp_path, "second"))
    return await world.engines.start(world.fleet, storage_path=storage)


async def readiness(engine: EngineProcess) -> tuple[int, str]:
    url = f"http://{await engine.address('health')}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, (await answer.text()).strip()


async def test_the_second_engine_waits_and_says_who_holds_what_until_the_first_ends(
    world: World, tmp_path: Path, proxy: FaultProxy
) -> None:
    first = await second(world, tmp_path)
    await first.ready()
    waiting = await world.engines.start(world.fleet, kubeconfig=proxy.kubeconfig)
    told = await waiting.says(f"waiting for Lease {KUSTOMIZE}, held by ")
    await world.is_converged()

    holder = (await lease(world.fleet, KUSTOMIZE))["holderIdentity"]
    assert f"held by {holder}" in told
    assert await readiness(first) == (200, "ok")
    assert await readiness(waiting) == (503, f"Lease {KUSTOMIZE}, held by {holder}")
    assert proxy.writes() == []

    assert await first.end(signal.SIGTERM) == 0
    ended = anyio.current_time()
    await waiting.ready()
    assert anyio.current_time() - ended < TAKEOVER  # released, so it need not wait for its end
    world.change()
    await world.ask()
    await world.is_converged()
    await world.check()


async def test_a_frozen_holder_that_wakes_after_its_lease_writes_nothing_more(
    world: World, tmp_path: Path, proxy: FaultProxy
) -> None:
    frozen = await world.engines.start(
        world.fleet, kubeconfig=proxy.kubeconfig, concurrent_ssa=1, **SHORT
    )
    await world.is_converged()
    freezing = Fault(freeze(frozen), times=1, method="PATCH", path="/configmaps/app-comes-2")
    proxy.faults.append(freezing)
    world.change()
    await world.ask()
    other = await second(world, tmp_path)
    await other.ready()
    await world.is_converged()
    world.change()
    await world.ask()
    await world.is_converged()
    assert freezing.seen == 1

    woken = anyio.current_time()
    frozen.send(signal.SIGCONT)
    await frozen.ended.wait()

    writes = proxy.writes(since=woken)
    assert [str(each) for each in writes if "/leases/" not in each.path] == []
    assert {each.status for each in writes} <= {409}  # it asked for its Lease and was refused
    assert frozen.status == 1
    assert "another engine holds a Lease" in frozen.said().splitlines()[-2]
    await world.check()
    assert await other.end(signal.SIGTERM) == 0


def freeze(engine: EngineProcess) -> Any:
    """The process stands still from this request on; the request itself was sent before."""

    async def effect(_: web.Request, forward: Forward) -> web.StreamResponse:
        os.kill(engine.pid, signal.SIGSTOP)
        return await forward()

    return effect


async def test_flux_hands_over_to_lockstep_and_back(world: World) -> None:
    fleet = world.fleet
    identity = f"{FLUX}_{uuid.uuid4()}"
    async with flux_holding(fleet, identity):
        engine = await world.engines.start(fleet)
        await engine.says(f"waiting for Lease {KUSTOMIZE}, held by {identity}")
        await anyio.sleep(TAKEOVER)  # longer than a Lease that nobody renews
        assert await readiness(engine) == (503, f"Lease {KUSTOMIZE}, held by {identity}")
        assert (await lease(fleet, KUSTOMIZE))["holderIdentity"] == identity

    await world.is_converged()
    await world.check()
    held = await lease(fleet, KUSTOMIZE)
    assert held["leaseTransitions"] == 1

    assert await engine.end(signal.SIGTERM) == 0
    for name in LEASES:
        released = await lease(fleet, name)
        assert not released.get("holderIdentity")  # client-go takes such a Lease at once
        assert released["leaseDurationSeconds"] == 1
    async with flux_holding(fleet, identity):
        assert (await lease(fleet, KUSTOMIZE))["holderIdentity"] == identity


async def test_an_engine_that_waits_for_a_lease_ends_when_told_to(world: World) -> None:
    async with flux_holding(world.fleet, f"{FLUX}_{uuid.uuid4()}"):
        engine = await world.engines.start(world.fleet)
        await engine.says("waiting for Lease")

        with anyio.fail_after(30):
            assert await engine.end(signal.SIGTERM) == 0


async def lease(fleet: Fleet, name: str) -> dict[str, Any]:
    """The Lease's spec."""
    found = await fleet.get("Lease", name)
    assert found is not None
    return dict(found["spec"])


@asynccontextmanager
async def flux_holding(fleet: Fleet, identity: str) -> AsyncIterator[None]:
    """Kustomize-controller's Lease as client-go acquires, renews and releases it.

    Source: client-go tools/leaderelection, tryAcquireOrRenew and release.
    """
    found = await fleet.get("Lease", KUSTOMIZE)
    before = (found or {}).get("spec") or {}
    assert not before.get("holderIdentity"), "somebody holds it"
    acquired = _now()
    spec = {
        "holderIdentity": identity,
        "leaseDurationSeconds": 5,
        "acquireTime": acquired,
        "renewTime": acquired,
        "leaseTransitions": before["leaseTransitions"] + 1 if found else 0,
    }
    metadata = {"name": KUSTOMIZE, "namespace": fleet.namespace}
    obj = {"apiVersion": RESOURCE.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}
    if found is None:
        found = await fleet.client.create(RESOURCE, obj)
    else:
        found = await _update(fleet, found, spec)

    async def renew() -> None:
        nonlocal found
        while True:
            await anyio.sleep(RENEWAL)
            found = await _update(fleet, found, {**spec, "renewTime": _now()})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(renew)
        yield
        tasks.cancel_scope.cancel()
    now = _now()
    released = {"holderIdentity": "", "leaseDurationSeconds": 1, "acquireTime": now}
    current = await fleet.get("Lease", KUSTOMIZE)
    await _update(fleet, current or {}, {**spec, **released, "renewTime": now})


async def _update(fleet: Fleet, found: Any, spec: dict[str, Any]) -> dict[str, Any]:
    """A PUT, which is refused if anybody wrote in between."""
    path = RESOURCE.path(fleet.namespace, KUSTOMIZE)
    async with (
        fleet.server.session() as session,
        session.put(path, json={**found, "spec": spec}) as answer,
    ):
        answer.raise_for_status()
        return dict(await answer.json())


def _now() -> str:
    return micro_time(SystemClock().wall())
