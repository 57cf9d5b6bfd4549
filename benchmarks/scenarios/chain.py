"""Kustomizations that depend on each other: what one hands over to the next, and how soon."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from benchmarks.meter import Seen, is_engine, latencies
from benchmarks.scenarios.fleet import reached, request_source
from benchmarks.scenarios.outcome import Outcome, Sizes, Stretch
from benchmarks.workload import Workload
from benchmarks.world import Arena, World

_STATUS = "patch kustomizations.kustomize.toolkit.fluxcd.io/status"


async def chain(arena: Arena, workload: Workload, _: Sizes) -> Outcome:
    """A cold start of the chain, then a commit that changes something in every link.

    A hand-over lasts from the status patch that makes a link Ready until the engine's first write
    of an object of the next; it is below 0 where the engine need not be told what it knows.
    """
    async with arena.world() as world:
        commit = await world.furnish(workload)
        stretch = Stretch.of(world)
        async with world.engine():
            cold = await reached(commit, world, workload.names)
            await world.quiet()
            cold_seen = _later(world, stretch)
            second = Stretch.of(world)
            change = workload.change_of(workload.names, world.repositories, 1)
            await request_source(world, change.commit)
            changed = await reached(change.commit, world, workload.names)
            outcome = stretch.outcome({}, await world.quiet())
            changed_seen = _later(world, second)
        outcome.counted = world.checks
    outcome.seconds = {
        "cold_first_ready": min(cold.kustomizations.values()) - stretch.began,
        "cold_last_ready": max(cold.kustomizations.values()) - stretch.began,
        "commit_first_ready": min(changed.kustomizations.values()) - second.began,
        "commit_last_ready": max(changed.kustomizations.values()) - second.began,
    }
    for name, instants, seen in (
        ("cold", cold.kustomizations, cold_seen),
        ("commit", changed.kustomizations, changed_seen),
    ):
        links = _links(workload.names, instants)
        handed = hand_overs(workload.names, seen, workload.managed)
        outcome.series |= {f"{name}_link": links, f"{name}_hand_over": handed}
        for what, values in (("link", links), ("hand_over", handed)):
            if values:
                found = latencies(values)
                outcome.seconds |= {f"{name}_{what}_{p}": found[p] for p in ("p50", "last")}
    return outcome


def _later(world: World, stretch: Stretch) -> list[Seen]:
    return [e for e in world.seen() if e.at >= stretch.began_at and is_engine(e.agent)]


def _links(names: Sequence[str], instants: Mapping[str, float]) -> list[float]:
    """Seconds from Ready to Ready of the next, link by link."""
    return [round(instants[later] - instants[earlier], 4) for earlier, later in pairwise(names)]


def hand_overs(names: Sequence[str], seen: Sequence[Seen], managed: frozenset[str]) -> list[float]:
    """Seconds from the last status patch of a link to the first write of an object of the next."""
    told: dict[str, float] = {}
    begun: dict[str, float] = {}
    for each in seen:
        verb, _, resource = each.what.partition(" ")
        owner = each.name.rpartition("-")[0]
        if each.what == _STATUS:
            told[each.name] = each.at
        elif resource in managed and verb not in ("get", "list", "watch"):
            begun.setdefault(owner, each.at)
    return [
        round(begun[later] - told[earlier], 4)
        for earlier, later in pairwise(names)
        if earlier in told and later in begun
    ]
