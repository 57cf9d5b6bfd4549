"""A settled fleet, a push and whoever tells of it: from the call to live, and a flood of calls."""

from collections import Counter

import anyio
from anyio.abc import SocketStream

from benchmarks.meter import latencies, of_engine
from benchmarks.scenarios.fleet import (
    GIT_REPOSITORY,
    Reached,
    Watchers,
    live,
    reached,
    settled,
)
from benchmarks.scenarios.outcome import Outcome, Sizes, Stretch, engine_cpu
from benchmarks.scrape import address, metrics, total
from benchmarks.workload import NAMESPACE, SOURCE, Change, Workload
from benchmarks.world import Arena, World
from engine.api.meta import NOTIFICATION_GROUP
from engine.hooks import path_of
from engine.reconcile.outcome import is_ready

_NAME, _TOKEN = "push", "bWVhc3VyZWQ="
_CALLERS = 8  # connections of the flood
_PUSHES = 5  # commits in the flood
_RECEIVER = (f"{NOTIFICATION_GROUP}/v1", "Receiver")
_ASKED = "patch gitrepositories.source.toolkit.fluxcd.io"
_HITS = "lockstep_receiver_hits_total"


async def webhook_to_ready(arena: Arena, workload: Workload, sizes: Sizes) -> Outcome:
    """Commits that a webhook tells of: from the call to fetched, live, Ready; then a flood."""
    rounds: list[dict[str, float]] = []
    async with arena.world() as world, settled(world, workload):
        call = await _furnished(world)
        stretch = Stretch.of(world)
        for number in range(1, sizes.rounds + 1):
            change = workload.change(world.repositories, number)
            rounds.append(await _round(change, call, world))
        cpu = engine_cpu(stretch.outcome({}, await world.quiet()))
        flooded = await _flood(call, workload, sizes, world)
        outcome = stretch.outcome({}, await world.quiet())
    outcome.counted = world.checks
    outcome.series = {name: [each[name] for each in rounds] for name in rounds[0]}
    outcome.seconds = {
        f"{what}_{rank}": seconds
        for what, series in outcome.series.items()
        for rank, seconds in latencies(series).items()
    }
    outcome.seconds["flood_over_to_ready"] = flooded.pop("seconds to Ready")
    outcome.figures = {"engine's CPU milliseconds a call": 1000 * cpu / sizes.rounds, **flooded}
    return outcome


async def _furnished(world: World) -> tuple[str, bytes]:
    """Address and bytes of a call, once there is a Receiver that is ready for it."""
    metadata = {"namespace": NAMESPACE, "name": _NAME}
    data = {"token": _TOKEN}
    await world.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    entry = {"kind": GIT_REPOSITORY[1], "name": SOURCE}
    spec = {"type": "generic", "secretRef": {"name": _NAME}, "resources": [entry]}
    api_version, kind = _RECEIVER
    await world.create(
        {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
    )
    async for obj in world.objects(*_RECEIVER, NAMESPACE, _NAME):
        if is_ready(obj):
            break
    path = path_of(b"measured", _NAME, NAMESPACE)
    head = f"POST {path} HTTP/1.1\r\nHost: webhooks\r\nContent-Length: 2\r\n\r\n"
    return address(world.log, "webhooks"), head.encode() + b"{}"


async def _opened(where: str) -> SocketStream:
    host, _, port = where.rpartition(":")
    return await anyio.connect_tcp(host, int(port))


async def _called(stream: SocketStream, body: bytes) -> int:
    """The status of the answer; its body is empty."""
    await stream.send(body)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += await stream.receive()
    return int(answer.split(maxsplit=2)[1])


async def _round(change: Change, call: tuple[str, bytes], world: World) -> dict[str, float]:
    """{what: seconds since the call}."""
    instants: dict[str, float] = {}
    ready: list[Reached] = []
    watchers = Watchers(3)

    async def see_live() -> None:
        instants["live"] = await live(change, world, watchers)

    async def see_ready() -> None:
        ready.append(await reached(change.commit, world, change.kustomizations, watchers))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(see_live)
        tasks.start_soon(see_ready)
        await watchers.ready()
        async with await _opened(call[0]) as stream:
            began = world.clock.monotonic()
            _check(Counter([await _called(stream, call[1])]))
            instants["answered"] = world.clock.monotonic()
    (last,) = ready[0].kustomizations.values()
    instants |= {"fetched": ready[0].source, "ready": last}
    names = ("answered", "fetched", "live", "ready")
    await world.quiet()
    return {name: instants[name] - began for name in names}


async def _flood(
    call: tuple[str, bytes], workload: Workload, sizes: Sizes, world: World
) -> dict[str, float]:
    """Calls as fast as they are answered, and some pushes meanwhile: none may be lost."""
    statuses: Counter[int] = Counter()
    asked, began = _count(world), world.clock.monotonic()
    end = began + sizes.flood
    change = workload.change(world.repositories, sizes.rounds + 1)
    pushed = anyio.Event()

    async def calls() -> None:
        async with await _opened(call[0]) as stream:
            # However slow the machine is, a call comes after the last push.
            is_over = False
            while not is_over:
                is_over = pushed.is_set() and world.clock.monotonic() >= end
                statuses[await _called(stream, call[1])] += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(_CALLERS):
            tasks.start_soon(calls)
        for number in range(2, _PUSHES + 2):
            await world.clock.sleep(sizes.flood / (_PUSHES + 1))
            change = workload.change(world.repositories, sizes.rounds + number)
        pushed.set()
    over = world.clock.monotonic()
    # Told of by calls of the flood alone.
    found = await reached(change.commit, world, change.kustomizations)
    _check(statuses)
    hits = total(await metrics(world.log), _HITS, "outcome")
    return {
        "calls in the flood": statuses.total(),
        "calls a second": statuses.total() / (over - began),
        "requests for a reconcile in the flood": _count(world) - asked,
        "calls that joined a request": hits.get("joined", 0.0),
        "seconds to Ready": max(0.0, *(at - over for at in found.kustomizations.values())),
    }


def _count(world: World) -> int:
    """Requests for a reconcile so far."""
    return of_engine(world.requests(0.0, world.clock.wall())).get(_ASKED, 0)


def _check(statuses: Counter[int]) -> None:
    """Raises ValueError unless every call was taken."""
    if set(statuses) != {200}:
        raise ValueError(f"not every call of the webhook was taken: {dict(statuses)}")
