"""The embedded API server: start it, get its address, stop it.

    async with serve() as server:
        ...  # server.url, server.kubeconfig()

It believes everybody, keeps objects in memory or in one SQLite file, and listens on loopback.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import anyio
from aiohttp import web

from engine.apiserver.api import Api
from engine.apiserver.controllers import Controller, Controllers
from engine.apiserver.definition_controller import DefinitionController
from engine.apiserver.deleting import Deleting
from engine.apiserver.garbage import GarbageController
from engine.apiserver.http import Http
from engine.apiserver.http import Statistics as HttpStatistics
from engine.apiserver.namespace_controller import NamespaceController
from engine.apiserver.namespaces import FIRST
from engine.apiserver.openapi import OpenAPI
from engine.apiserver.options import WriteOptions
from engine.apiserver.ownership import Ownership
from engine.apiserver.sqlite import SqliteJournal
from engine.apiserver.state import State
from engine.apiserver.store import Store, StoreStatistics
from engine.apiserver.writing import Target, Writing

_FLUSH_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts since the start."""

    requests: dict[str, int]
    watches: int
    store: StoreStatistics


@dataclass(slots=True)
class Embedded:
    """The server without HTTP: semantics for tests and simulation."""

    state: State
    api: Api
    controllers: Controllers
    definitions: DefinitionController


@dataclass(slots=True)
class Server:
    """A running server."""

    url: str
    embedded: Embedded
    http: Http

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig for it, as decoded YAML."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "embedded", "cluster": {"server": self.url}}],
            "users": [{"name": "admin", "user": {"token": "admin"}}],
            "contexts": [
                {"name": "embedded", "context": {"cluster": "embedded", "user": "admin"}}
            ],
            "current-context": "embedded",
        }

    def statistics(self) -> Statistics:
        """Counts now."""
        seen = self.http.statistics
        store = self.embedded.state.store.statistics()
        return Statistics(dict(seen.requests), len(self.http.watches), store)

    def __repr__(self) -> str:
        """Address and size."""
        return f"<Server {self.url} {self.embedded.state.store!r}>"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is started with.  window: changes of each resource that are remembered."""

    storage: Path | None = None
    window: int = 5000
    clock: Callable[[], float] = time.time  # noqa: TID251 - here wall time comes in
    random: Random | None = None
    workloads: bool = False


def embed(settings: Settings, journal: SqliteJournal | None = None) -> Embedded:
    """The semantics of a server with its first namespaces; nothing runs by itself."""
    store = Store(settings.window, journal)
    state = State(store, settings.clock, settings.random or SystemRandom())
    writing = Writing(state, Ownership(state.schemas))
    deleting = Deleting(state)
    definitions = DefinitionController(state, deleting, lambda _: None)
    definitions.load()
    followers: list[Controller] = [
        definitions,
        NamespaceController(state, writing, deleting),
        GarbageController(state, deleting),
    ]
    controllers = Controllers(store, followers)
    embedded = Embedded(state, Api(state, writing, deleting), controllers, definitions)
    _furnish(embedded, writing)
    return embedded


def _furnish(embedded: Embedded, writing: Writing) -> None:
    """The objects that every cluster has."""
    options = WriteOptions(manager="kube-apiserver")
    namespaces = embedded.state.resource("namespaces")
    for name in FIRST:
        _ensure(writing, Target(namespaces, "", name), {"metadata": {"name": name}}, options)
    service = {
        "metadata": {
            "name": "kubernetes",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]},
    }
    target = Target(embedded.state.resource("services"), "default", "kubernetes")
    _ensure(writing, target, service, options)
    embedded.controllers.settle()


def _ensure(writing: Writing, target: Target, body: Any, options: WriteOptions) -> None:
    if writing.state.store.get(target.key) is None:
        writing.create(target, body, options)


@asynccontextmanager
async def serve(
    host: str = "127.0.0.1", port: int = 0, settings: Settings | None = None
) -> AsyncIterator[Server]:
    """A server that runs inside the block.  port: 0 = a free one."""
    chosen = settings or Settings()
    journal = SqliteJournal(chosen.storage) if chosen.storage else None
    embedded = embed(chosen, journal)
    http = Http(embedded.api, OpenAPI(embedded.state.resources), HttpStatistics())
    embedded.definitions.gone = http.end_watches
    runner = web.ServerRunner(web.Server(http.handle, access_log=None), handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        address = runner.addresses[0]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_settle, embedded.controllers)
            if journal is not None:
                tasks.start_soon(_flush, journal)
            yield Server(f"http://{host}:{address[1]}", embedded, http)
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

