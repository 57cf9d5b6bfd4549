"""Tells of definitions that have changed: another schema may show other values of an object."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from random import Random

from engine.cluster.client import Client, Query
from engine.cluster.errors import Forbidden, TooManyWatches
from engine.cluster.resource import DEFINITIONS
from engine.cluster.watch import EventType, Watch
from engine.runtime.clock import Clock

SELDOM = 300.0  # seconds between two tries to watch what may not be watched


async def redefined(client: Client, clock: Clock, random: Random) -> AsyncGenerator[str, None]:
    """The name, `<plural>.<group>`, of each definition whose spec changes, for ever."""
    generations: dict[str, int] = {}
    is_synced = False
    query: Query = {"metadata_only": True}
    watch = Watch(client, DEFINITIONS, clock, random, "", query)
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type is EventType.SYNCED:
                is_synced = True
            elif isinstance(event.problem, Forbidden | TooManyWatches):
                await clock.sleep(SELDOM * random.uniform(0.5, 1.0))
            elif event.obj:
                metadata = event.obj["metadata"]
                name, generation = metadata["name"], metadata.get("generation", 0)
                is_new = generations.get(name) != generation
                generations[name] = generation
                if is_new and is_synced:
                    yield name
