"""What a user sees of a fleet: what is Ready at which commit, what is live, what was asked for."""

import gc
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from math import inf

import anyio

from benchmarks.meter import OWN, latencies
from benchmarks.workload import NAMESPACE, SOURCE, TARGET_NAMESPACE, Change, Workload
from benchmarks.world import World
from engine.api.meta import KUSTOMIZE_GROUP, REQUESTED_AT, SOURCE_GROUP
from engine.objects.ref import Object
from engine.reconcile.outcome import is_ready

GIT_REPOSITORY = (f"{SOURCE_GROUP}/v1", "GitRepository")
KUSTOMIZATION = (f"{KUSTOMIZE_GROUP}/v1", "Kustomization")
_SETTLING = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Reached:
    """Monotonic instants at which the source and each Kustomization were Ready at a commit."""

    source: float
    kustomizations: Mapping[str, float]

    def seconds(self, began: float) -> dict[str, float]:
        """When the source, and the first, the middle ... and the last Kustomization were Ready."""
        found = latencies([instant - began for instant in self.kustomizations.values()])
        ready = {f"{name}_ready": seconds for name, seconds in found.items()}
        return {"source_ready": self.source - began, **ready}


@dataclass(slots=True)
class Watchers:
    """Those who are to see what happens; nothing is timed before all have heard what exists.

    A list of 10,000 objects keeps an embedded API server busy for seconds.
    """

    missing: int
    _all: anyio.Event = field(default_factory=anyio.Event)

    def heard(self) -> None:
        """One of them has."""
        self.missing -= 1
        if self.missing <= 0:
            self._all.set()

    async def ready(self) -> None:
        """Returns once all have."""
        await self._all.wait()


@asynccontextmanager
async def settled(
    world: World, workload: Workload, *, wait_quiet: bool = True, within: float = inf
) -> AsyncIterator[None]:
    """An engine that has made everything Ready, and has nothing left to do.

    wait_quiet: False where something comes due all the time.   within: seconds, see `World.quiet`.
    """
    commit = await world.furnish(workload)
    async with world.engine():
        await reached(commit, world, workload.healthy_names)
        await (world.quiet(within=within) if wait_quiet else world.clock.sleep(_SETTLING))
        gc.collect()
        gc.freeze()  # else an embedded API server of 10,000 stands still for a second, at any time
        try:
            yield
        finally:
            gc.unfreeze()


async def reached(
    commit: str, world: World, names: Collection[str], watchers: Watchers | None = None
) -> Reached:
    """When the source and the Kustomizations `names` were Ready at a commit, once all are.

    watchers: two of them are here.
    """
    heard = watchers.heard if watchers else _nobody_asks
    instants: dict[str, float] = {}
    sources: list[float] = []
    wanted = set(names)

    async def source() -> None:
        found = world.objects(*GIT_REPOSITORY, NAMESPACE, SOURCE, told=heard)
        async with aclosing(found) as objects:
            async for obj in objects:
                artifact = (obj.get("status") or {}).get("artifact") or {}
                if is_ready(obj) and artifact.get("revision", "").endswith(commit):
                    sources.append(world.clock.monotonic())
                    return

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source)
        found = world.objects(*KUSTOMIZATION, NAMESPACE, told=heard)
        async with aclosing(found) as objects:
            async for obj in objects:
                name = obj["metadata"]["name"]
                if name in wanted and _has_applied(obj, commit):
                    instants[name] = world.clock.monotonic()
                    wanted.discard(name)
                if not wanted:
                    break
    return Reached(sources[0], instants)


def _has_applied(ks: Object, commit: str) -> bool:
    revision = (ks.get("status") or {}).get("lastAppliedRevision") or ""
    return is_ready(ks) and revision.endswith(commit)


def _nobody_asks() -> None:
    """For watches that need not be there at a given time."""


async def live(change: Change, world: World, watchers: Watchers) -> float:
    """The monotonic instant at which the change could be read from the cluster.

    watchers: one of them is here.
    """
    objects = world.objects(
        "v1", "ConfigMap", TARGET_NAMESPACE, change.config_map, told=watchers.heard
    )
    async with aclosing(objects):
        async for obj in objects:
            if obj.get("data") == change.data:
                break
    return world.clock.monotonic()


async def request_source(world: World, token: str) -> None:
    """What a webhook or `flux reconcile source git` does: have the source looked at now."""
    await _request(world, GIT_REPOSITORY, SOURCE, token)


async def request_kustomization(world: World, name: str, token: str) -> None:
    """What `flux reconcile kustomization` does first."""
    await _request(world, KUSTOMIZATION, name, token)


async def handled(world: World, name: str, token: str) -> float:
    """The monotonic instant at which `flux reconcile kustomization` would have ended."""
    async with aclosing(world.objects(*KUSTOMIZATION, NAMESPACE, name)) as objects:
        async for obj in objects:
            if (obj.get("status") or {}).get("lastHandledReconcileAt") == token:
                break
    return world.clock.monotonic()


async def _request(world: World, kind: tuple[str, str], name: str, token: str) -> None:
    resource = await world.client.resource(*kind)
    patch = {"metadata": {"annotations": {REQUESTED_AT: token}}}
    await world.client.merge_patch(resource, NAMESPACE, name, patch, field_manager=OWN)


def median(values: Iterable[float]) -> float:
    """The middle one by nearest rank."""
    return latencies(list(values))["p50"]
