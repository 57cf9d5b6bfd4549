"""SIGKILL and restart converge: nothing wanted is deleted, nothing is left behind.

`make soak` widens both tests; LOCKSTEP_SEED repeats one run of the random one.
"""

import itertools
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from random import Random

import anyio
import pytest

from tests.cluster.conftest import NewNamespace
from tests.support import soak
from tests.support.apiserver import ApiServer
from tests.support.crash import World, folder_of, world_at
from tests.support.engines import Engines
from tests.support.fleet import fleet_at

SOAK = soak.SECONDS > 0
LANES = 3
KILLS = 10  # on each API server, at least
UNDER_LOAD = soak.SECONDS * soak.CRASHES  # seconds in which one kills, at least
TAKE_OVERS = 30  # of so many restarts one waits for the dead engine's Lease to run out
LIFE = 1.2  # seconds, the longest that an engine under load lives
CHECKS = 5  # of so many kills one waits until all is well before it


@pytest.mark.limit(1800 if SOAK else 400)
async def test_an_engine_killed_at_any_await_leaves_what_the_next_one_completes(
    api_server: ApiServer,
    new_namespace: NewNamespace,
    engines: Engines,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    first = 1 if SOAK or api_server.name == "real" else 2  # each await once, on one of the two
    numbers = itertools.count(first, 1 if SOAK else 2)
    killed: list[int] = []
    async with AsyncExitStack() as stack:
        lanes = []
        for index in range(LANES):
            folder = folder_of(tmp_path, f"lane-{index}")
            fleet = await stack.enter_async_context(
                fleet_at(api_server, await new_namespace(), folder)
            )
            lanes.append(await stack.enter_async_context(world_at(fleet, engines, ["app"])))
        async with anyio.create_task_group() as tasks:
            for world in lanes:
                tasks.start_soon(step_through, world, numbers, killed)

    record_property("awaits", len(killed))
    assert len(killed) > 30


async def step_through(world: World, numbers: "itertools.count[int]", killed: list[int]) -> None:
    """Kills at the next number until an engine has ended in order before its number came."""
    number = next(numbers)
    engine = await world.start(kill_at=number)
    while True:
        if await world.settled(engine):
            await world.check()
            world.change()
            await world.ask()
            if await world.survived(engine):
                await world.check()
                if await engine.end(signal.SIGTERM) == 0:
                    return
        if engine.has_lost_its_lease:
            engine = await world.start(kill_at=number)
            continue
        assert engine.status == -signal.SIGKILL, engine.said()[-3000:]
        killed.append(number)
        number = next(numbers)
        engine = await world.start(kill_at=number, takes_over=len(killed) % TAKE_OVERS == 0)


@pytest.mark.limit(240 + 2 * UNDER_LOAD)
async def test_an_engine_killed_at_random_under_load_loses_nothing(
    api_server: ApiServer, namespace: str, engines: Engines, tmp_path: Path
) -> None:
    seed = int(os.environ.get("LOCKSTEP_SEED") or secrets.randbelow(10**6))
    random = Random(seed)
    async with (
        fleet_at(api_server, namespace, tmp_path) as fleet,
        world_at(fleet, engines, ["one", "two", "three", "four", "five"], chained=True) as world,
    ):
        engine = await world.start()
        with told(f"LOCKSTEP_SEED={seed}"):
            end = time.monotonic() + UNDER_LOAD
            for number in itertools.count():
                if number >= KILLS and time.monotonic() >= end:
                    break
                if number % CHECKS == 0:
                    assert await world.survived(engine), engine.said()[-3000:]
                    await world.is_tidy()
                    await world.check()
                world.change()
                await world.ask()
                await anyio.sleep(random.uniform(0, LIFE))
                assert await engine.end(signal.SIGKILL) == -signal.SIGKILL, engine.said()[-3000:]
                engine = await world.start(takes_over=random.random() < 1 / TAKE_OVERS)
            assert await world.survived(engine), engine.said()[-3000:]
            await world.is_tidy()
            await world.check()
            assert await engine.end(signal.SIGTERM) == 0, engine.said()[-3000:]


@contextmanager
def told(how: str) -> Iterator[None]:
    """Says how to repeat what fails inside."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"repeat it with {how}")
        raise
