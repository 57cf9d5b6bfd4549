"""From nothing, and from a stop: how long and how much until everything is as Git says."""

from benchmarks.bare import bare
from benchmarks.meter import of_engine
from benchmarks.scenarios.edits import corrections, edit, targets
from benchmarks.scenarios.fleet import reached
from benchmarks.scenarios.outcome import Outcome, Sizes, Stretch, engine_cpu
from benchmarks.workload import Workload
from benchmarks.world import Arena, World

_THINKING = 3.0  # seconds


async def cold_start(arena: Arena, workload: Workload, _: Sizes) -> Outcome:
    """Everything exists but the engine: from its start to the last Kustomization Ready."""
    async with arena.world() as world:
        commit = await world.furnish(workload)
        stretch = Stretch.of(world)
        async with world.engine():
            ready = await reached(commit, world, workload.healthy_names)
            ended_at = await world.quiet()
            outcome = stretch.outcome(ready.seconds(stretch.began), ended_at)
        outcome.counted = world.checks
    outcome.seconds["quiet"] = ended_at - stretch.began_at
    outcome.figures = _per_object(outcome, workload)
    return outcome


async def flux_benchmark(arena: Arena, workload: Workload, sizes: Sizes) -> Outcome:
    """A cold start of the fleet that Flux publishes figures for."""
    return await cold_start(arena, workload, sizes)


async def restart(arena: Arena, workload: Workload, _: Sizes) -> Outcome:
    """A settled fleet whose engine stops and starts: from its start to its last request.

    Then once more, with an object edited meanwhile: a start that asks for little but finds nothing
    would be no good.
    """
    async with arena.world() as world:
        commit = await world.furnish(workload)
        async with world.engine():
            await reached(commit, world, workload.healthy_names)
            await world.quiet()
        world.engine_peak = 0
        stretch = Stretch.of(world)
        async with world.engine():
            await world.quiet(stretch.began_at)
            await world.clock.sleep(_THINKING)  # it may pause on the way, on a busy machine
            ended_at = await world.quiet(stretch.began_at)
            outcome = stretch.outcome({"quiet": ended_at - stretch.began_at}, ended_at)
        outcome.counted = world.checks
        outcome.seconds["edit_while_down_corrected"] = await _corrected_at_start(world, workload)
    objects = workload.kustomizations * workload.objects
    budget = outcome.budget(workload.managed)
    outcome.figures = {
        "objects": objects,
        "writes of managed objects": budget.managed_writes,
        "dry-runs an object": budget.dry_runs / objects,
        "GETs an object": budget.managed_reads / objects,
        "status writes": budget.status_writes,
    }
    return outcome


async def _corrected_at_start(world: World, workload: Workload) -> float:
    """Seconds from the engine's start until an edit made before it is corrected."""
    async with corrections(world, workload) as seen, bare(world) as client:
        edited = targets(workload)[0]
        version = await edit(client, world, edited)
        began = world.clock.monotonic()
        async with world.engine():
            corrected = await seen.corrected({edited: version})
    return corrected[edited] - began


def _per_object(outcome: Outcome, workload: Workload) -> dict[str, float]:
    objects = workload.kustomizations * workload.objects
    budget = outcome.budget(workload.managed)
    return {
        "objects": objects,
        "objects a second": objects / outcome.seconds["last_ready"],
        "writes": budget.managed_writes + budget.status_writes + budget.other_writes,
        "requests an object": sum(of_engine(outcome.requests).values()) / objects,
        "writes of managed objects an object": budget.managed_writes / objects,
        "GETs an object": budget.managed_reads / objects,
        "status writes a Kustomization": budget.status_writes / workload.kustomizations,
        "other writes a Kustomization": (budget.status_writes + budget.other_writes)
        / workload.kustomizations,
        "CPU milliseconds an object": 1000 * engine_cpu(outcome) / objects,
    }
