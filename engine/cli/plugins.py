"""What plugins are given by commands: as in the engine, for as long as the command runs."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from random import Random

from engine.cluster import Client
from engine.cluster.outbound import outbound
from engine.cluster.tokens import Tokens
from engine.plugin import Context, Plugin
from engine.runtime import SystemClock
from engine.settings import Settings
from engine.telemetry import Metrics


@asynccontextmanager
async def plugin_context(
    client: Client, settings: Settings, plugins: Plugin
) -> AsyncIterator[Context]:
    """A Context of this command; what it opens is closed on leaving."""
    clock, random = SystemClock(), Random()  # noqa: S311 - jitter
    size, duration = settings.token_cache_max_size, settings.token_cache_max_duration
    async with outbound(clock, random, os.environ) as http:
        yield Context(
            client=client,
            settings=settings,
            version=version("lockstep"),
            http=http,
            clock=clock,
            tokens=Tokens(clock, Metrics(), size, duration),
            environ=os.environ,
            identities=plugins.identities,
        )
