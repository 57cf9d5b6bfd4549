"""Fetch what a local build names by URL, into a folder that is gone when the build is done."""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import anyio
from anyio import to_thread

from engine.cli import steps
from engine.cli.own_keys import OwnOpening
from engine.errors import BuildFailed
from engine.reconcile.remotes import Fetch, masked_failure
from engine.render import Lacking, Needs, Remotes
from engine.render.inputs import Inputs
from engine.settings import Settings
from engine.source.bases import Bases
from engine.source.depot import limits_of
from engine.source.git import Tools
from engine.source.store import Store
from engine.source.stores import Stores
from engine.source.transport import open_session, without_secrets

TIMEOUT = 300.0
"""Seconds that each round of fetching may take where no Kustomization says how long."""

T = TypeVar("T")


def completed(
    build: Callable[[Remotes], T], timeout: float = TIMEOUT, opening: OwnOpening | None = None
) -> T:
    """What `build` gives once it lacks nothing.  Raises what it raises.

    timeout: seconds of each round of fetching; a base that names further ones makes another.
    opening: opens the data keys that it lacks.
    """
    got = Remotes()
    try:
        return build(got)
    except Lacking as lacking:
        needs = lacking.needs
    with TemporaryDirectory() as folder, closing(Stores(Path(folder))) as stores:
        try:
            while True:
                got = anyio.run(_fetched, needs, _Fetched(got, opening), stores, timeout)
                try:
                    return build(got)
                except Lacking as lacking:
                    needs = lacking.needs
        except BuildFailed as failure:
            raise masked_failure(failure, got) from None


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What there is so far, and what opens data keys."""

    got: Remotes
    opening: OwnOpening | None


async def _fetched(needs: Needs, so_far: _Fetched, stores: Stores, timeout: float) -> Remotes:  # noqa: ASYNC109 - of the fetch, not of this call
    settings = Settings()

    async def store_of(url: str) -> Store:
        return await to_thread.run_sync(stores.of, url)

    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        opening = None
        if so_far.opening is not None:
            opening = await stack.enter_async_context(so_far.opening.at_work())
        workers = anyio.CapacityLimiter(settings.concurrent_fetches)
        tools = Tools(session, workers, environment=os.environ, store_of=stores.of)
        bases = Bases(store_of, tools, limits_of(settings))
        fetch = Fetch(bases, timeout, "the limit of this command", so_far.got, opening)
        await fetch.bring(needs)
    return fetch.got


def warn_of_moving(inputs: Inputs) -> None:
    """Say which URLs name no commit: the next build may be another one."""
    for url in sorted(frozenset().union(*inputs.moving)):
        steps.warning(
            f"{without_secrets(url)} may be something else the next time: name a commit (?ref=) "
            "to keep it, and to have it looked up once only"
        )
