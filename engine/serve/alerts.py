"""Serves Alerts with the means of an engine, and listens for the events of other controllers."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from engine.dispatch import Dispatch, Supplies, open_dispatch
from engine.objects.ref import Ref
from engine.plugin import Context
from engine.reconcile.run import Engine
from engine.serve.events import taking_events


@asynccontextmanager
async def serving_alerts(
    engine: Engine, folder: Path, serves: Callable[[str, str], None]
) -> AsyncIterator[Dispatch]:
    """What takes events, while inside; `serve` of it is still to be run.

    folder: of its journal.   serves: told of the address that is listened on.
    """
    settings = engine.settings
    with open_dispatch(folder, _supplies(engine)) as dispatch:
        if not settings.events_listen_addr:
            yield dispatch
            return
        receive, ready = dispatch.courier.receive, dispatch.directory.settled
        address = settings.events_listen_addr
        async with taking_events(address, receive, ready, engine.metrics) as served:
            serves("events", served)
            yield dispatch


def _supplies(engine: Engine) -> Supplies:
    def context(provider: Ref) -> Context:
        return Context(
            client=engine.client,
            settings=engine.settings,
            version=version("lockstep"),
            http=engine.http,
            clock=engine.clock,
            tokens=engine.tokens,
            environ=os.environ,
            asker=provider,
            identities=engine.plugins.identities,
        )

    return Supplies(
        client=engine.client,
        clock=engine.clock,
        settings=engine.settings,
        plugins=engine.plugins,
        series=engine.metrics,
        context=context,
        emit=engine.recorder.emit,
        lookup=engine.mirror.get,
    )
