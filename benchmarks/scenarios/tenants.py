"""A tenant beside others that fail, hang or are huge: how long it waits for its own requests."""

from collections.abc import Sequence
from itertools import count

import anyio

from benchmarks.meter import latencies
from benchmarks.scenarios.fleet import handled, reached, request_kustomization
from benchmarks.scenarios.outcome import Outcome, Sizes, Stretch
from benchmarks.workload import Noisy, Workload
from benchmarks.world import Arena, World, fan_out

_REQUESTS = 20  # of the calm tenant, one after the other
_WARM_UP = 4.0  # seconds after which a noisy one has taken what it can get
_PAUSE = 0.1  # seconds between two requests


async def tenants(arena: Arena, workload: Workload, _: Sizes) -> Outcome:
    """How long the manual reconciles of one tenant take, alone and beside noisy neighbours.

    First alone, then beside one with failing Kustomizations, then one with huge ones as well, then
    one with hanging ones as well.  The requests and the CPU are those beside the neighbours.
    """
    if not isinstance(workload, Noisy):
        raise TypeError("a fleet with noisy tenants is wanted")
    async with arena.world() as world:
        commit = await world.furnish(workload)
        async with world.engine():
            await reached(commit, world, workload.names)
            found = {"alone": await _latencies(workload.names, world)}
            stretch = Stretch.of(world)
            for neighbour in workload.neighbours:
                await world.create_namespace(neighbour)
                created = list(workload.of_neighbour(neighbour, world.git_url))
                await fan_out(created, world.create)
                await world.clock.sleep(_WARM_UP)
                found[f"beside_{neighbour}"] = await _latencies(workload.names, world)
            outcome = stretch.outcome({})
        outcome.counted = world.checks
    for name, values in found.items():
        ranks = latencies(values)
        outcome.series[f"manual_{name}"] = values
        outcome.seconds |= {f"manual_{name}_{rank}": ranks[rank] for rank in ("p50", "last")}
    usual, last = latencies(found.pop("alone"))["p50"], max(map(max, found.values()))
    outcome.figures = {
        "noisy Kustomizations": workload.noisy,
        "delay of a manual reconcile by them, longest": last - usual,
    }
    return outcome


async def _latencies(names: Sequence[str], world: World) -> list[float]:
    """Seconds from a request until it was answered, one after the other."""
    found: list[float] = []
    tokens = count()
    for number in range(_REQUESTS):
        name, token = names[number % len(names)], f"{world.clock.wall()}-{next(tokens)}"
        ended: list[float] = []

        async def wait(name: str = name, token: str = token, ended: list[float] = ended) -> None:
            ended.append(await handled(world, name, token))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            began = world.clock.monotonic()
            await request_kustomization(world, name, token)
        found.append(round(ended[0] - began, 4))
        await world.clock.sleep(_PAUSE)
    return found
