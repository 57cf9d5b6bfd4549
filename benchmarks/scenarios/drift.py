"""Edits by hand: one by one, and many at once beside what a bare client needs for as much."""

from dataclasses import dataclass
from itertools import chain, cycle, islice
from random import Random

import anyio

from benchmarks.bare import NAMESPACE, Bare, bare, path
from benchmarks.manifests import Manifest
from benchmarks.meter import is_engine, latencies, of_engine
from benchmarks.scenarios.edits import WRONG, Corrections, Target, corrections, edit, targets
from benchmarks.scenarios.fleet import handled, request_kustomization, settled
from benchmarks.scenarios.outcome import Outcome, Sizes, Stretch
from benchmarks.workload import Workload
from benchmarks.world import Arena, World, fan_out

_TOKEN = "in the storm"
_CALM = 30.0  # seconds after which an engine counts as settled even if it is never quiet


@dataclass(slots=True)
class Storm:
    """What many edits at once took; seconds.  handled: the manual reconcile in the middle."""

    edited: float = 0.0  #: until the last edit was answered
    corrected: float = 0.0  #: from the first edit to the last correction
    started: float = 0.0  #: from the answer to the manual request to the first request for it
    handled: float = 0.0  #: from the same to its end


async def drift_storm(arena: Arena, workload: Workload, sizes: Sizes) -> Outcome:
    """A settled fleet; single edits one after the other, then many at once.

    The bare client makes the same edits in a namespace of its own, then as many applies as the
    engine sent requests, the same number in flight.  The interval is short, for a peer that
    corrects then only; it does fewer single edits in the time for them.
    Raises ValueError if there are more edits than objects.
    """
    edited = targets(workload)
    if workload.kustomizations < 2:
        raise ValueError("one Kustomization is reconciled by hand meanwhile: two are needed")
    if sizes.edits > len(edited):
        raise ValueError(f"{sizes.edits} edits need more than the {len(edited)} objects: --edits")
    async with (
        arena.world() as world,
        settled(world, workload, within=_CALM),
        corrections(world, workload) as seen,
        bare(world) as client,
    ):
        singles = await _singles(client, seen, edited, sizes)
        await world.quiet(within=_CALM)
        stretch = Stretch.of(world)
        storm = await _storm(client, seen, edited[: sizes.edits], workload.names[-1])
        outcome = stretch.outcome({}, await world.quiet(within=_CALM))
        sent = _asked_for(outcome)
        alone = await _bare(client, world, workload, sizes.edits, sent)
    outcome.counted = world.checks
    found = latencies(singles)
    outcome.series["single"] = [round(each, 4) for each in singles]
    outcome.seconds = {
        **{f"single_{name}": seconds for name, seconds in found.items()},
        "storm_edits_made": storm.edited,
        "storm_corrected": storm.corrected,
        "bare_client": alone,
        "manual_started": storm.started,
        "manual_handled": storm.handled,
    }
    budget = outcome.budget(workload.managed)
    outcome.figures = {
        "single edits": len(singles),
        "edits at once": sizes.edits,
        "storm / bare client": storm.corrected / alone,
        "requests of the storm": sent,
        "writes an edit": budget.managed_writes / sizes.edits,
        "dry-runs an edit": budget.dry_runs / sizes.edits,
        "GETs of managed objects an edit": budget.managed_reads / sizes.edits,
        "other writes an edit": (budget.other_writes + budget.status_writes) / sizes.edits,
    }
    return outcome


async def _singles(
    client: Bare, seen: Corrections, edited: list[Target], sizes: Sizes
) -> list[float]:
    """Seconds of each; in random order, as those of one Kustomization come due together."""
    chosen = Random(0).choices(edited, k=sizes.singles)
    began, found = seen.world.clock.monotonic(), list[float]()
    for target in chosen:
        if found and seen.world.clock.monotonic() - began >= sizes.patience:
            break
        found.append(await _single(client, seen.world, seen, target))
    return found


async def _single(client: Bare, world: World, seen: Corrections, target: Target) -> float:
    """Seconds from sending the edit to seeing the correction."""
    began = world.clock.monotonic()
    version = await edit(client, world, target)
    return (await seen.corrected({target: version}))[target] - began


async def _storm(client: Bare, seen: Corrections, edited: list[Target], bystander: str) -> Storm:
    """bystander: a Kustomization of which nothing is edited, to be reconciled in the middle."""
    world = seen.world
    versions: dict[Target, int] = {}
    storm, half = Storm(), anyio.Event()

    async def edit_one(target: Target) -> None:
        versions[target] = await edit(client, world, target)
        if len(versions) >= len(edited) / 2:
            half.set()

    async def reconcile_by_hand() -> None:
        await half.wait()
        asking_at = world.clock.wall()
        await request_kustomization(world, bystander, _TOKEN)
        asked, asked_at = world.clock.monotonic(), world.clock.wall()
        storm.handled = await handled(world, bystander, _TOKEN) - asked
        storm.started = min(
            each.at - asked_at
            for each in world.seen()
            if each.at >= asking_at and is_engine(each.agent) and each.concerns(bystander)
        )

    began = world.clock.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reconcile_by_hand)
        await fan_out(edited, edit_one)
        storm.edited = world.clock.monotonic() - began
        corrected = await seen.corrected(versions)
        storm.corrected = max(corrected.values()) - began
    return storm


def _asked_for(outcome: Outcome) -> int:
    """The engine's requests without watches, Leases."""
    own = of_engine(outcome.requests)
    return sum(
        count
        for what, count in own.items()
        if not what.startswith("watch ") and " leases." not in what
    )


async def _bare(client: Bare, world: World, workload: Workload, edits: int, applies: int) -> float:
    """Seconds for so many edits and then so many applies, of equal objects elsewhere."""
    await world.create_namespace(NAMESPACE)
    objects = islice(chain.from_iterable(map(workload.manifests, workload.names)), edits)
    paths = [(await path(world, obj), obj) for obj in objects]

    async def apply(item: tuple[str, Manifest]) -> None:
        await client.apply(*item)

    async def spoil(item: tuple[str, Manifest]) -> None:
        await client.merge(item[0], WRONG)

    await fan_out(paths, apply)
    began = world.clock.monotonic()
    await fan_out(paths, spoil)
    await fan_out(islice(cycle(paths), applies), apply)
    return world.clock.monotonic() - began
