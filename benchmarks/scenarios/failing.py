"""Kustomizations that never become ready: what they cost those beside them."""

from benchmarks.scenarios.fleet import Reached, reached, request_source
from benchmarks.scenarios.outcome import Outcome, Sizes, Stretch
from benchmarks.workload import Workload
from benchmarks.world import Arena

_PAUSE = 2.0  # seconds between the two, in which the failing ones go on


async def failing_neighbours(arena: Arena, workload: Workload, _: Sizes) -> Outcome:
    """A cold start and a commit to all, timed by those that are well; then without the others.

    The requests and the CPU are those of the run with the failing ones, until the second end.
    """
    outcome = await _timed(arena, workload, with_failing=True)
    alone = await _timed(arena, workload, with_failing=False)
    with_failing = outcome.seconds
    outcome.seconds = {
        **{f"{name}_with_failing": seconds for name, seconds in with_failing.items()},
        **{f"{name}_alone": seconds for name, seconds in alone.seconds.items()},
    }
    outcome.figures = {
        "failing": workload.kustomizations - len(workload.healthy_names),
        **{
            f"{name.replace('_', ' ')}, with failing / alone": seconds / alone.seconds[name]
            for name, seconds in with_failing.items()
        },
    }
    return outcome


async def _timed(arena: Arena, workload: Workload, *, with_failing: bool) -> Outcome:
    """`cold` and `commit`: until the last of the healthy ones was Ready."""
    async with arena.world() as world:
        names = workload.names if with_failing else workload.healthy_names
        commit = await world.furnish(workload, names)
        stretch = Stretch.of(world)
        async with world.engine():
            cold = await reached(commit, world, workload.healthy_names)
            change = workload.change_of(workload.healthy_names, world.repositories, 1)
            await world.clock.sleep(_PAUSE)
            began = world.clock.monotonic()
            await request_source(world, change.commit)
            changed = await reached(change.commit, world, workload.healthy_names)
            seconds = {"cold": _last(cold) - stretch.began, "commit": _last(changed) - began}
            outcome = stretch.outcome(seconds)
        outcome.counted = world.checks
    return outcome


def _last(ready: Reached) -> float:
    return max(ready.kustomizations.values())
