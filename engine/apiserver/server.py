"""The embedded API server on a port: start it, get its address, stop it.

Everybody may do everything, except who brings a token that is not one of its own.
It keeps objects in memory or in one SQLite file, and listens on loopback.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from aiohttp import web

from engine.apiserver.controllers.controllers import Controllers
from engine.apiserver.embedded import Embedded, Surroundings, embed
from engine.apiserver.http.application import Http
from engine.apiserver.http.openapi import OpenAPI
from engine.apiserver.storage.sqlite import SqliteJournal
from engine.apiserver.storage.store import StoreStatistics

_FLUSH_SECONDS = 0.05  # what a crash may lose


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts since the start.  requests: by HTTP method; watches: open now."""

    requests: dict[str, int]
    watches: int
    store: StoreStatistics


@dataclass(slots=True)
class Server:
    """A running server."""

    url: str
    embedded: Embedded
    http: Http

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig for it, as decoded YAML; its token is good while this process lives."""
        token = self.embedded.api.tokens.admin
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "embedded", "cluster": {"server": self.url}}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "admin"}}],
            "current-context": "embedded",
        }

    def statistics(self) -> Statistics:
        """Counts now."""
        store = self.embedded.state.store.statistics()
        return Statistics(dict(self.http.requests), len(self.http.watches), store)

    def __repr__(self) -> str:
        """Address and size."""
        return f"<Server {self.url} {self.embedded.state.store!r}>"


@asynccontextmanager
async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    storage: Path | None = None,
    *,
    workloads: bool = False,
    surroundings: Surroundings | None = None,
) -> AsyncIterator[Server]:
    """A server that runs inside the block.

    port: 0 = a free one.   storage: a SQLite file that is made if missing; None = memory only.
    workloads: Deployments and the like become ready on paper as soon as they are written.
    """
    journal = SqliteJournal(storage) if storage else None
    embedded = embed(surroundings, journal=journal, workloads=workloads)
    http = Http(embedded.api, OpenAPI(embedded.state.resources))
    embedded.definitions.gone = http.end_watches
    runner = web.ServerRunner(
        web.Server(http.handle, access_log=None), handle_signals=False, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        url = f"http://{host}:{runner.addresses[0][1]}"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_settle, embedded.controllers)
            if journal is not None:
                tasks.start_soon(_flush, journal)
            yield Server(url, embedded, http)
            tasks.cancel_scope.cancel()
    finally:
        http.end_watches()
        await runner.cleanup()
        if journal is not None:
            journal.close()


async def _settle(controllers: Controllers) -> None:
    """Run the controllers whenever something changed."""
    awake = asyncio.Event()
    controllers.wake = awake.set
    while True:
        controllers.settle()
        awake.clear()
        await awake.wait()


async def _flush(journal: SqliteJournal) -> None:
    """Make changes durable in batches, off the event loop."""
    while True:
        await anyio.sleep(_FLUSH_SECONDS)
        if journal.pending:
            await anyio.to_thread.run_sync(journal.flush)
