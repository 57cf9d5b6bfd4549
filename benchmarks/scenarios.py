"""What is measured: a function a scenario, each on a world of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import anyio

from benchmarks.meter import Requests, Usage, latencies
from benchmarks.workload import NAMESPACE, SOURCE, TARGET_NAMESPACE, Change, Workload
from benchmarks.world import ENGINE, World
from engine.api.meta import KUSTOMIZE_GROUP, REQUESTED_AT, SOURCE_GROUP
from engine.objects.ref import Object
from engine.reconcile.outcome import is_ready

_SOURCE = (f"{SOURCE_GROUP}/v1", "GitRepository")
_KUSTOMIZATION = (f"{KUSTOMIZE_GROUP}/v1", "Kustomization")


@dataclass(slots=True)
class Outcome:
    """The figures of one scenario; durations in seconds, sizes in bytes.

    seconds: {what: since the scenario's beginning}.   usage: {process: what it used}.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    requests: Requests = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


async def cold_start(world: World, workload: Workload) -> Outcome:
    """Everything exists but the engine: from its start to the last Kustomization Ready."""
    commit = await world.furnish(workload)
    before, began, began_at = world.usages(), world.clock.monotonic(), world.clock.wall()
    async with world.engine():
        source, kustomizations = await _at(commit, world, workload)
        ended_at = await world.quiet()
        outcome = Outcome(
            {"source_ready": source - began, **_ready(kustomizations, began)},
            _used(world, before),
            world.requests(began_at, ended_at),
        )
    outcome.seconds["quiet"] = ended_at - began_at
    return _per_object(outcome, workload)


async def one_change(world: World, workload: Workload) -> Outcome:
    """A settled fleet, then a commit that changes one file: from the commit to what it changes."""
    async with _settled(world, workload):
        before, began, began_at = world.usages(), world.clock.monotonic(), world.clock.wall()
        change = workload.change(world.repositories, 1)
        await _request(world)
        live: list[float] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_live, change, world, live)
            source, kustomizations = await _at(change.commit, world, workload)
        ended_at = await world.quiet()
        outcome = Outcome(
            {
                "source_ready": source - began,
                "live": live[0] - began,
                **_ready(kustomizations, began),
            },
            _used(world, before),
            world.requests(began_at, ended_at),
        )
    outcome.seconds["quiet"] = ended_at - began_at
    return outcome


async def steady_state(world: World, workload: Workload, *, window: float = 60.0) -> Outcome:
    """A settled fleet in which nothing happens, less the same cluster without an engine.

    window: seconds of each of the two; an interval of the workload below it comes due in it.
    """
    async with _settled(world, workload, wait_quiet=False):
        before, began_at = world.usages(), world.clock.wall()
        await world.clock.sleep(window)
        with_engine = world.requests(began_at, began_at + window)
        used = _used(world, before)
    began_at = world.clock.wall()
    await world.clock.sleep(window)
    without = world.requests(began_at, began_at + window)
    own = with_engine.get(ENGINE, {})
    total, base = (
        sum(sum(counts.values()) for counts in each.values()) for each in (with_engine, without)
    )
    figures: dict[str, float] = {
        "requests of the engine": sum(own.values()),
        "status writes": sum(n for what, n in own.items() if what.endswith("/status")),
        "requests with engine": total,
        "requests without engine": base,
        "difference": total - base,
    }
    return Outcome({"window": window}, used, with_engine, figures)


SCENARIOS: Mapping[str, Callable[..., Awaitable[Outcome]]] = {
    each.__name__: each for each in (cold_start, one_change, steady_state)
}


@asynccontextmanager
async def _settled(
    world: World, workload: Workload, *, wait_quiet: bool = True
) -> AsyncIterator[None]:
    """An engine that has made everything Ready, and has nothing left to do."""
    commit = await world.furnish(workload)
    async with world.engine():
        await _at(commit, world, workload)
        await (world.quiet() if wait_quiet else world.clock.sleep(5))
        yield


async def _at(commit: str, world: World, workload: Workload) -> tuple[float, dict[str, float]]:
    """When the source and when each Kustomization was Ready at a commit; monotonic instants."""
    instants: dict[str, float] = {}
    sources: list[float] = []

    async def source() -> None:
        async with aclosing(world.objects(*_SOURCE, NAMESPACE, SOURCE)) as objects:
            async for obj in objects:
                artifact = (obj.get("status") or {}).get("artifact") or {}
                if is_ready(obj) and artifact.get("revision", "").endswith(commit):
                    sources.append(world.clock.monotonic())
                    return

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source)
        async with aclosing(world.objects(*_KUSTOMIZATION, NAMESPACE)) as objects:
            async for obj in objects:
                if _has_applied(obj, commit):
                    instants.setdefault(obj["metadata"]["name"], world.clock.monotonic())
                if len(instants) == workload.kustomizations:
                    break
    return sources[0], instants


def _ready(instants: Mapping[str, float], began: float) -> dict[str, float]:
    """When the first, the middle and the last Kustomization were Ready, in seconds."""
    found = latencies([instant - began for instant in instants.values()])
    return {f"{name}_ready": seconds for name, seconds in found.items()}


def _has_applied(ks: Object, commit: str) -> bool:
    revision = (ks.get("status") or {}).get("lastAppliedRevision") or ""
    return is_ready(ks) and revision.endswith(commit)


async def _request(world: World) -> None:
    """What a webhook or `flux reconcile source git` does: have the source looked at now."""
    resource = await world.client.resource(*_SOURCE)
    patch = {"metadata": {"annotations": {REQUESTED_AT: "benchmark"}}}
    await world.client.merge_patch(resource, NAMESPACE, SOURCE, patch, field_manager="benchmark")


async def _live(change: Change, world: World, instants: list[float]) -> None:
    """Adds the instant at which the change could be read from the cluster."""
    objects = world.objects("v1", "ConfigMap", TARGET_NAMESPACE, change.config_map)
    async with aclosing(objects):
        async for obj in objects:
            if obj.get("data") == change.data:
                instants.append(world.clock.monotonic())
                return


def _used(world: World, before: Mapping[str, Usage]) -> dict[str, Usage]:
    """What each process used since; one that was not there then, since its start."""
    nothing = Usage(0.0, 0)
    return {name: now.since(before.get(name, nothing)) for name, now in world.usages().items()}


def _per_object(outcome: Outcome, workload: Workload) -> Outcome:
    objects = workload.kustomizations * workload.objects
    own = sum(outcome.requests.get(ENGINE, {}).values())
    outcome.figures = {
        "objects": objects,
        "objects a second": objects / outcome.seconds["last_ready"],
        "requests an object": own / objects,
        "CPU milliseconds an object": 1000 * outcome.usage["engine"].cpu / objects,
    }
    return outcome
