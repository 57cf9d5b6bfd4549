"""A settled fleet and a commit: from the request to what it changes, and to Ready everywhere."""

import anyio

from benchmarks.meter import Seen, by_verb, is_engine, latencies, of_engine
from benchmarks.scenarios.fleet import (
    Reached,
    Watchers,
    live,
    reached,
    request_source,
    settled,
)
from benchmarks.scenarios.outcome import Outcome, Sizes, Stretch, engine_cpu
from benchmarks.scrape import metrics, total
from benchmarks.workload import Change, Workload
from benchmarks.world import Arena, World

_STATUS = "patch kustomizations.kustomize.toolkit.fluxcd.io/status"
_BUILDS = "lockstep_builds"


async def one_change(arena: Arena, workload: Workload, sizes: Sizes) -> Outcome:
    """Commits that change one file each: from the request to live, and to all Ready.

    The times are medians over the rounds, the requests and the CPU those of all rounds.
    """
    rounds: list[dict[str, float]] = []
    async with arena.world() as world, settled(world, workload):
        built = await _builds(world)
        stretch = Stretch.of(world)
        for number in range(1, sizes.rounds + 1):
            change = workload.change(world.repositories, number)
            rounds.append(await _round(change, world, workload))
        outcome = stretch.outcome({}, await world.quiet())
        builds = await _builds(world) - built
    outcome.counted = world.checks
    outcome.series = {name: [each[name] for each in rounds] for name in rounds[0]}
    alone = outcome.series.pop("revision-only")
    outcome.seconds = {name: latencies(s)["p50"] for name, s in outcome.series.items()}
    outcome.seconds["slowest_live"] = max(outcome.series["live"])
    outcome.figures = _a_commit(outcome, workload, sizes.rounds)
    outcome.figures["revision-only status patches a commit"] = sum(alone) / sizes.rounds
    if built >= 0:
        outcome.figures["builds a commit"] = builds / sizes.rounds
    return outcome


async def _round(change: Change, world: World, workload: Workload) -> dict[str, float]:
    """{what: seconds since the request}, and how many status patches were about others only."""
    instants: list[float] = []
    ready: list[Reached] = []
    watchers = Watchers(3)

    async def see_live() -> None:
        instants.append(await live(change, world, watchers))

    async def see_ready() -> None:
        ready.append(await reached(change.commit, world, workload.healthy_names, watchers))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(see_live)
        tasks.start_soon(see_ready)
        await watchers.ready()
        began, began_at = world.clock.monotonic(), world.clock.wall()
        await request_source(world, change.commit)
    await world.quiet()
    alone = sum(_is_revision_only(e, change) for e in world.seen() if e.at >= began_at)
    return {
        "live": instants[0] - began,
        **ready[0].seconds(began),
        "revision-only": alone,
    }


async def _builds(world: World) -> float:
    """How many builds the engine says that it did; below 0 if it does not say."""
    return total(await metrics(world.log), _BUILDS, "state").get("built", -1.0)


def _a_commit(outcome: Outcome, workload: Workload, rounds: int) -> dict[str, float]:
    own = of_engine(outcome.requests)
    budget = outcome.budget(workload.managed)
    return {
        "engine's CPU milliseconds a commit": 1000 * engine_cpu(outcome) / rounds,
        "requests a commit": sum(own.values()) / rounds,
        "applies a commit": (budget.managed_writes - budget.dry_runs) / rounds,
        "dry-runs a commit": budget.dry_runs / rounds,
        "GETs of managed objects a commit": budget.managed_reads / rounds,
        "lists a commit": by_verb(own).get("list", 0) / rounds,
        "events a commit": sum(n for what, n in own.items() if " events" in what) / rounds,
        "status patches a commit": budget.status_writes / rounds,
    }


def _is_revision_only(seen: Seen, change: Change) -> bool:
    """A status patch of a Kustomization that the commit did not change."""
    is_status = is_engine(seen.agent) and seen.what == _STATUS
    return is_status and seen.name not in change.kustomizations
