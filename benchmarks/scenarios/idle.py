"""A fleet in which nothing happens: what an engine costs that has nothing to do."""

from benchmarks.meter import of_engine
from benchmarks.scenarios.fleet import settled
from benchmarks.scenarios.outcome import Outcome, Sizes, Stretch, engine_cpu
from benchmarks.workload import Workload
from benchmarks.world import ENGINE, Arena

_AFTERMATH = 2.0  # seconds after the engine's end that count for neither


async def steady_state(arena: Arena, workload: Workload, sizes: Sizes) -> Outcome:
    """A settled fleet in which nothing happens, less the same cluster without an engine.

    An interval of the workload below the window comes due in it.
    """
    async with arena.world() as world:
        async with settled(world, workload, wait_quiet=False):
            stretch = Stretch.of(world)
            await world.clock.sleep(sizes.window)
            outcome = stretch.outcome({"window": sizes.window})
        outcome.counted = world.checks
        await world.clock.sleep(_AFTERMATH)
        without = Stretch.of(world)
        await world.clock.sleep(sizes.window)
        empty = without.outcome({})
    own = of_engine(outcome.requests)
    budget = outcome.budget(workload.managed)
    total, base = (sum(sum(c.values()) for c in e.requests.values()) for e in (outcome, empty))
    per_minute = 60 / sizes.window
    outcome.figures = {
        "engine's requests a minute": sum(own.values()) * per_minute,
        "watches and Leases a minute": budget.upkeep * per_minute,
        "other requests": sum(own.values()) - budget.upkeep,
        "status writes": budget.status_writes,
        "engine's CPU seconds a minute": engine_cpu(outcome) * per_minute,
        "requests with engine": total,
        "requests without engine": base,
        "difference": total - base,
    }
    for name, used in empty.usage.items():
        if name != ENGINE:
            more = outcome.usage[name].cpu - used.cpu
            outcome.figures[f"CPU seconds a minute more of {name}"] = more * per_minute
    return outcome
