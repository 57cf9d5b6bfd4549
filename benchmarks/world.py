"""Where a benchmark takes place: an API server that counts, a Git server, an engine to measure."""

import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from math import inf
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TypeVar

import anyio
from anyio.abc import Process

from benchmarks.audit import AuditLog, CountingApi
from benchmarks.manifests import Manifest
from benchmarks.meter import OWN, Requests, Seen, is_engine, tally
from benchmarks.peer import Competitor, Place
from benchmarks.process import Usage, resident, usage, usage_alone
from benchmarks.scrape import EVERYBODY, ClientCheck, Served, checked
from benchmarks.workload import NAMESPACE, TARGET_NAMESPACE, Workload
from engine.apiserver import serve
from engine.cluster import Client, connected
from engine.cluster.connect import from_kubeconfig
from engine.cluster.watch import EventType, Watch
from engine.installation import install_crds
from engine.objects.ref import Object
from engine.runtime import SystemClock
from engine.serve.git import serve_git
from tests.support.apiserver import ApiServer, api_server_of
from tests.support.controlplane import running, start

SERVERS = ("real", "embedded")
ENGINE = "engine"  # how its processes are called in results
IN_FLIGHT = 16  # requests of ours, when there are many to send
_TAIL = 30  # lines of the engine's log in an error
_STOP_WITHIN = 15.0  # seconds; then the engine is killed
_QUIET = 1.5  # seconds without a request after which the engine has finished
_LOOK = 0.25  # seconds between two looks at the engine's memory

Item = TypeVar("Item")


class EngineEnded(RuntimeError):  # noqa: N818 - what happened
    """The engine ended by itself; the message ends with what it logged."""


@dataclass(slots=True)
class World:
    """A cluster of its own, empty but for Flux's definitions, and the repositories beside it."""

    server: ApiServer
    client: Client
    git_url: str
    folder: Path
    competitor: Competitor
    log: Path
    seen: Callable[[], list[Seen]]
    processes: Mapping[str, int]
    """{name: process id} of the control plane; empty: it is in this process."""
    clock: SystemClock = field(default_factory=SystemClock)
    engine_pid: int = 0
    """0: none runs."""
    engine_peak: int = 0
    """Most bytes that the engine and its children were seen to hold."""
    checks: dict[str, ClientCheck] = field(default_factory=dict)
    """{HTTP method: counts} of the engine's last life; empty where it tells none."""
    served: Served | None = None
    """What the API server's metrics said at the beginning; None: it has none."""

    @property
    def repositories(self) -> Path:
        """The folder of the bare repositories."""
        return self.folder / "repositories"

    async def furnish(self, workload: Workload, names: Iterable[str] | None = None) -> str:
        """The commit of the workload, once everything is there that a user creates.

        names: of the Kustomizations to create, None: of all that the repository has.
        """
        for name in (NAMESPACE, TARGET_NAMESPACE):
            await self.create_namespace(name)
        commit = workload.commit(self.repositories)
        for obj in (*workload.surroundings(), workload.source(self.git_url)):
            await self.create(obj)
        await self.create_kustomizations(workload, workload.names if names is None else names)
        return commit

    async def create_kustomizations(self, workload: Workload, names: Iterable[str]) -> None:
        """Creates them as fast as the API server takes them."""
        await fan_out([workload.kustomization(name) for name in names], self.create)

    async def create_namespace(self, name: str) -> None:
        """Creates an empty namespace."""
        await self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    async def create(self, obj: Manifest) -> None:
        """Creates one object."""
        resource = await self.client.resource(obj["apiVersion"], obj["kind"])
        await self.client.create(resource, obj)

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[None]:
        """An engine in a process of its own, asked to stop on leaving.

        What is inside is cancelled, and EngineEnded raised, if it ends by itself.
        """
        place = Place(self.server.kubeconfig, self.git_url, self.folder / "storage")
        began_at = self.clock.wall()
        async with running(self.competitor.command(place), self.log) as process:
            self.engine_pid = process.pid
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_watched, process, self.log)
                    tasks.start_soon(self._weigh)
                    yield
                    self.checks = await checked(self.log, self.seen, began_at, self.clock)
                    if self.served:
                        counts = await self.served.since(self.seen, self.clock)
                        self.checks[EVERYBODY] = counts
                    tasks.cancel_scope.cancel()
                self.competitor.stop(process.pid)
                with anyio.move_on_after(_STOP_WITHIN):
                    await self._ended(process)
            finally:
                self.engine_pid = 0
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    async def _ended(self, process: Process) -> None:
        """Returns once nothing is left of the process and of those that it started."""
        await process.wait()
        with suppress(ProcessLookupError):
            while True:
                os.killpg(process.pid, 0)
                await self.clock.sleep(0.05)

    async def _weigh(self) -> None:
        while True:
            self.engine_peak = max(self.engine_peak, resident(self.engine_pid))
            await self.clock.sleep(_LOOK)

    async def objects(
        self,
        api_version: str,
        kind: str,
        namespace: str,
        name: str = "",
        told: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[Object, None]:
        """Each object of a kind (or the one of that name) as it is, and at each change.

        told: called once all that exists has been given, and again after each break.
        """
        resource = await self.client.resource(api_version, kind)
        selector = f"metadata.name={name}" if name else ""
        watch = Watch(
            self.client, resource, self.clock, Random(0), namespace, {"field_selector": selector}
        )
        async with aclosing(watch.events()) as events:
            async for event in events:
                if event.type in (EventType.ADDED, EventType.MODIFIED):
                    yield event.obj
                elif event.type is EventType.SYNCED:
                    told()

    def usages(self) -> dict[str, Usage]:
        """What each process used so far."""
        found = {name: usage(pid) for name, pid in self.processes.items()}
        if not found:
            found["API server and benchmark"] = usage_alone(os.getpid())
        if self.engine_pid:
            used = usage(self.engine_pid)
            found[ENGINE] = Usage(used.cpu, self.engine_peak or used.peak_bytes)
        return found

    def requests(self, began_at: float, ended_at: float) -> Requests:
        """What was asked of the API server between two instants, seconds since 1970."""
        return tally(self.seen(), began_at, ended_at)

    async def quiet(self, since: float = 0.0, within: float = inf) -> float:
        """The instant (since 1970) of the engine's last request, once none came for a while.

        since: it must have asked for something after that.   within: seconds after which it is
        taken as it is, for one that is never quiet.   Leases do not count: they are renewed for
        ever.
        """
        end = self.clock.monotonic() + within
        while True:
            asked = (e.at for e in self.seen() if is_engine(e.agent) and "leases" not in e.what)
            last = max(asked, default=0.0)
            silence = self.clock.wall() - last
            if (silence >= _QUIET and last >= since) or self.clock.monotonic() >= end:
                return last
            await self.clock.sleep(max(_QUIET - silence, _LOOK))


async def fan_out(
    items: Iterable[Item], function: Callable[[Item], Awaitable[object]], width: int = IN_FLIGHT
) -> None:
    """Calls the function with each item, so many at a time."""
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await function(item)

    async with anyio.create_task_group() as tasks:
        for _ in range(width):
            tasks.start_soon(work)


@dataclass(slots=True)
class Arena:
    """Makes worlds for one competitor; log: file for what it says, "" for one that goes away."""

    server: str
    competitor: Competitor
    log: str = ""
    kubernetes: str = ""
    """Version of the API server, once there was one."""

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        """A new World, gone on leaving."""
        with TemporaryDirectory(prefix="lockstep-") as path:
            folder = Path(path)
            (folder / "repositories").mkdir()
            async with (
                _server(self.server, folder) as (api_server, processes, seen),
                serve_git(folder / "repositories") as git,
            ):
                endpoint = from_kubeconfig(api_server.kubeconfig)
                endpoint = replace(endpoint, headers={**endpoint.headers, "User-Agent": OWN})
                async with connected(endpoint, SystemClock(), Random(0)) as client:
                    self.kubernetes = (await client.document("/version"))["gitVersion"]
                    await install_crds(client)
                    yield World(
                        api_server,
                        client,
                        git.url,
                        folder,
                        self.competitor,
                        Path(self.log) if self.log else folder / "engine.log",
                        seen,
                        processes,
                        served=await Served.now(api_server, SystemClock()) if processes else None,
                    )


@asynccontextmanager
async def _server(
    name: str, folder: Path
) -> AsyncIterator[tuple[ApiServer, Mapping[str, int], Callable[[], list[Seen]]]]:
    """The API server, its processes, and how to know what was asked of it."""
    if name == "real":
        async with start(audit=True) as plane:
            log = AuditLog(plane.logs / "audit.log")
            try:
                yield plane, plane.processes, log.seen
            finally:
                log.close()
        return
    async with serve(workloads=True) as server:
        own = server.embedded.api
        counted = CountingApi(*(getattr(own, part.name) for part in fields(own)))
        server.http.api = counted
        yield api_server_of(name, server.kubeconfig(), folder), {}, counted.seen


async def _watched(process: Process, log: Path) -> None:
    """Raises EngineEnded as soon as the process has ended."""
    status = await process.wait()
    raise EngineEnded(f"the engine ended with status {status}; its log ends:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])
