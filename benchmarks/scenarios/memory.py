"""What an engine holds in memory, and how that grows with what it manages."""

from dataclasses import replace

from benchmarks.meter import slope
from benchmarks.process import memory as memory_of
from benchmarks.scenarios.fleet import reached
from benchmarks.scenarios.outcome import Outcome, Sizes, Stretch
from benchmarks.workload import Workload
from benchmarks.world import Arena, World


async def memory(arena: Arena, workload: Workload, sizes: Sizes) -> Outcome:
    """A settled fleet, then further ones of the same size, weighed each time they have settled.

    All of it is in the repository from the beginning, so that only what is managed grows.
    """
    whole = replace(workload, kustomizations=workload.kustomizations * (1 + sizes.steps))
    steps = [whole.names[: workload.kustomizations * n] for n in range(1, sizes.steps + 2)]
    points: list[tuple[float, float, float]] = []
    async with arena.world() as world:
        commit = await world.furnish(whole, steps[0])
        stretch = Stretch.of(world)
        async with world.engine():
            for number, names in enumerate(steps):
                if number:
                    await world.create_kustomizations(whole, names[len(steps[number - 1]) :])
                await reached(commit, world, names)
                await world.quiet()
                points.append((len(names) * workload.objects, *_weighed(world)))
            outcome = stretch.outcome({})
        outcome.counted = world.checks
    outcome.series = {
        "objects": [objects for objects, _, _ in points],
        "resident_bytes": [resident for _, resident, _ in points],
        "proportional_bytes": [proportional for _, _, proportional in points],
    }
    objects, resident, proportional = points[0]
    outcome.figures = {
        f"resident MB at {objects:.0f} objects": resident / 1e6,
        f"proportional MB at {objects:.0f} objects": proportional / 1e6,
        f"resident MB at {points[-1][0]:.0f} objects": points[-1][1] / 1e6,
    }
    if len(points) > 1:
        growth = slope([(objects, bytes_) for objects, bytes_, _ in points])
        outcome.figures["bytes an object more"] = growth
    return outcome


def _weighed(world: World) -> tuple[float, float]:
    found = memory_of(world.engine_pid)
    return found.resident, found.proportional
