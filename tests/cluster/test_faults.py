"""Whatever the API server, the Git server or the disk do, the engine comes to what Git says."""

import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import anyio
import pytest
from anyio.abc import SocketAttribute
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.objects.ref import Object
from tests.support.crash import LEASES, World
from tests.support.engines import SHORT, EngineProcess, Engines
from tests.support.fleet import condition_of, has_reason, is_at, is_ready
from tests.support.proxy import (
    Effect,
    Fault,
    FaultProxy,
    hang,
    lose,
    lose_answer,
    refuse,
    slow,
)

WRITES = "POST|PATCH|DELETE"
OWN = "/namespaces/"  # in the path of whatever belongs to a namespace
BUSY = refuse(429, "TooManyRequests", Retry_After="1")


async def started(world: World, proxy: FaultProxy) -> EngineProcess:
    """An engine behind the proxy that has applied the first commit."""
    engine = await world.engines.start(world.fleet, kubeconfig=proxy.kubeconfig)
    await engine.ready()
    await world.is_converged()
    return engine


@pytest.mark.parametrize(
    ("effect", "times", "method", "path"),
    [
        pytest.param(BUSY, 3, "", OWN, id="429"),
        pytest.param(refuse(500, "InternalError"), 3, WRITES, OWN, id="500"),
        pytest.param(refuse(503, "ServiceUnavailable"), 8, "", OWN, id="503"),
        pytest.param(lose, 8, "", OWN, id="connection lost"),
        pytest.param(lose_answer, 4, WRITES, OWN, id="answer lost"),
        pytest.param(hang, 1, "PATCH", "/configmaps", id="no answer to a write"),
        pytest.param(hang, 1, "GET", "/configmaps", id="no answer to a read"),
        pytest.param(slow(0.5), 12, "", "/configmaps", id="slow answers"),
    ],
)
@pytest.mark.limit(120)  # retries with growing pauses, on a busy machine
async def test_a_change_is_applied_through(
    world: World, proxy: FaultProxy, effect: Effect, times: int, method: str, path: str
) -> None:
    engine = await started(world, proxy)
    fault = Fault(effect, times, method, path)
    proxy.faults.append(fault)
    world.change()
    await world.ask()
    await world.is_converged()

    assert fault.seen
    proxy.faults.clear()
    await world.check()
    assert await engine.end(signal.SIGTERM) == 0


@dataclass(frozen=True)
class Trouble:
    """A fault by name, so that a failing schedule can be read; times: how often."""

    name: str
    times: int
    method: str
    path: str

    def fault(self) -> Fault:
        return Fault(EFFECTS[self.name], self.times, self.method, self.path)


EFFECTS: dict[str, Effect] = {
    "429": refuse(429, "TooManyRequests", Retry_After="1"),
    "500": refuse(500, "InternalError"),
    "503": refuse(503, "ServiceUnavailable"),
    "lost": lose,
    "answer lost": lose_answer,
    "hangs": hang,
    "slow": slow(0.3),
}
BREAKS: dict[str, Callable[[FaultProxy], int]] = {
    "": lambda _: 0,
    "cut": FaultProxy.cut_watches,
    "torn": FaultProxy.tear_watches,
}
AMBIGUOUS = ("answer lost", "hangs", "slow")  # after which a write may be sent once more
troubles = st.builds(
    Trouble,
    st.sampled_from(sorted(EFFECTS)),
    st.integers(1, 3),
    st.sampled_from(["", WRITES, "PATCH", "GET"]),
    # Not of Leases: who may not renew for long has to end, which is told elsewhere.
    st.sampled_from(["/configmaps", "/kustomizations", "/gitrepositories", "/events"]),
)
WRITES_OF_A_STEP = 5  # one object changes, two come, two go


@pytest.mark.limit(240)
@settings(
    max_examples=5,
    phases=[Phase.generate],  # each begins where the one before has converged: nothing to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schedule=st.lists(troubles, max_size=4), breaks=st.sampled_from(sorted(BREAKS)))
async def test_whatever_fails_and_when_it_converges_and_writes_no_more_than_it_must(
    world: World, proxy: FaultProxy, schedule: list[Trouble], breaks: str
) -> None:
    if not proxy.passed:
        await started(world, proxy)
    began = anyio.current_time()
    faults = {each.fault(): each.name for each in schedule}
    proxy.faults[:] = faults
    BREAKS[breaks](proxy)
    world.change()
    await world.ask()
    with anyio.move_on_after(60) as waiting:
        await world.is_converged()
    proxy.faults.clear()

    log = world.fleet.folder / f"engine-{world.engines.count}.log"
    assert not waiting.cancelled_caught, log.read_text()[-3000:]
    await world.check()
    repeated = sum(fault.seen for fault, name in faults.items() if name in AMBIGUOUS)
    written = [
        str(each)
        for each in proxy.writes(since=began)
        if "/configmaps" in each.path and each.status in range(200, 300)
    ]
    assert len(written) <= WRITES_OF_A_STEP + repeated, "\n".join(written)


async def test_what_happens_while_watches_are_cut_is_seen_once_they_are_back(
    world: World, proxy: FaultProxy
) -> None:
    await started(world, proxy)
    proxy.faults.append(Fault(refuse(503, "ServiceUnavailable"), path="watch=true"))
    assert proxy.cut_watches() > 1
    world.change()
    await world.ask()
    await anyio.sleep(0.5)
    proxy.faults.clear()
    await world.is_converged()

    await world.check()


async def test_a_run_that_met_a_lease_renewed_late_is_made_up_for(
    world: World, proxy: FaultProxy
) -> None:
    engine = await started(world, proxy)
    proxy.faults.append(Fault(refuse(503, "ServiceUnavailable"), path="/leases/"))
    await engine.says("not held")  # nothing may be written, and yet it is not lost
    world.change()
    await world.ask()
    await engine.says('"msg":"not written"')
    proxy.faults.clear()
    await world.is_converged()

    await world.check()
    assert not engine.ended.is_set()


async def test_a_git_server_that_hangs_fails_its_source_and_holds_up_no_other(
    world: World, engines: Engines
) -> None:
    fleet = world.fleet
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as silent:
        port = silent.extra(SocketAttribute.local_port)
        for number in range(6):  # more than fetches at a time
            url = f"http://127.0.0.1:{port}/fleet"
            await fleet.source(f"hangs-{number}", url=url, timeout="2s")
        await engines.start(fleet)
        await world.is_converged()
        await world.check()
        failed = await fleet.until("GitRepository", "hangs-0", has_reason("GitOperationFailed"))
        assert "2s" in condition_of(failed)["message"]

    await fleet.patch("GitRepository", "hangs-0", {"spec": {"url": f"{fleet.git_url}/fleet"}})
    await fleet.until("GitRepository", "hangs-0", is_ready)


async def test_a_git_server_that_is_down_changes_nothing_and_is_tried_again(
    world: World, engines: Engines
) -> None:
    fleet = world.fleet
    await engines.start(fleet)
    await world.is_converged()
    await fleet.patch("GitRepository", "fleet", {"spec": {"url": "http://127.0.0.1:1/fleet"}})
    failed = await fleet.until("GitRepository", "fleet", has_reason("GitOperationFailed"))
    assert failed["status"]["artifact"]["revision"] == f"main@sha1:{world.commit}"
    await world.check()

    world.change()
    await fleet.patch("GitRepository", "fleet", {"spec": {"url": f"{fleet.git_url}/fleet"}})
    await world.is_converged()
    await world.check()


async def test_artifacts_come_back_after_the_storage_was_lost(
    world: World, engines: Engines
) -> None:
    fleet = world.fleet
    engine = await engines.start(fleet)
    await world.is_converged()
    before = await fleet.until("Kustomization", "app", is_at(world.commit))
    assert await engine.end(signal.SIGTERM) == 0
    shutil.rmtree(fleet.folder / "storage")
    again = await engines.start(fleet)
    address = await again.address("artifacts")

    def is_served(source: Object) -> bool:
        return is_ready(source) and address in source["status"]["artifact"]["url"]

    source = await fleet.until("GitRepository", "fleet", is_served)
    url = source["status"]["artifact"]["url"]
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
    after = await fleet.get("Kustomization", "app")
    assert after is not None
    assert condition_of(after) == condition_of(before)  # it never said that anything was wrong
    world.change()
    await world.ask()
    await world.is_converged()
    await world.check()


async def test_a_signal_to_stop_lets_an_apply_end_and_gives_the_leases_back(
    world: World, proxy: FaultProxy
) -> None:
    engine = await started(world, proxy)
    proxy.faults.append(Fault(slow(0.3), method="PATCH", path="/configmaps/"))
    world.change()
    await world.ask()
    await proxy.faults[0].met.wait()
    assert await engine.end(signal.SIGTERM) == 0

    live = await world.live()
    assert {name: obj["data"] for name, obj in live.items()} == world.wanted
    assert not await holder(world)
    await world.engines.start(world.fleet)
    await world.is_converged()
    await world.check()


async def test_a_signal_to_stop_ends_an_apply_that_does_not_end_after_the_grace(
    world: World, proxy: FaultProxy
) -> None:
    engine = await world.engines.start(
        world.fleet, kubeconfig=proxy.kubeconfig, graceful_shutdown_timeout=1.0, **SHORT
    )
    await world.is_converged()
    proxy.faults.append(Fault(hang, method="PATCH", path="/configmaps/app-comes-2"))
    world.change()
    await world.ask()
    await proxy.faults[0].met.wait()
    with anyio.fail_after(30):
        await engine.end(signal.SIGTERM)

    ended = anyio.current_time()
    proxy.faults.clear()
    assert await holder(world)  # what had no answer may yet be acted on: not before it ran out
    await world.engines.start(world.fleet)
    await world.is_converged()
    await world.check()
    assert proxy.writes(since=ended) == []


async def holder(world: World) -> str:
    """Who holds kustomize-controller's Lease, "" if it was given back."""
    lease = await world.fleet.get("Lease", LEASES[0])
    assert lease is not None
    return lease["spec"].get("holderIdentity") or ""
