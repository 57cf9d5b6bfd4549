"""Where a benchmark takes place: an API server that counts, a Git server, an engine to measure."""

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import anyio
from anyio.abc import Process

from benchmarks.meter import Requests, Seen, Usage, agent_of, resource_title, seen_in, tally, usage
from benchmarks.workload import NAMESPACE, TARGET_NAMESPACE, Workload
from engine.apiserver import serve
from engine.apiserver.http import api
from engine.apiserver.http.requests import wanted
from engine.cluster import Client, Resource, connected
from engine.cluster.connect import from_kubeconfig
from engine.cluster.watch import EventType, Watch
from engine.installation import install_crds
from engine.objects.ref import Object
from engine.runtime import SystemClock
from engine.serve.git import serve_git
from tests.support.apiserver import ApiServer, api_server_of
from tests.support.controlplane import ControlPlane, running, start

SERVERS = ("real", "embedded")
ENGINE = "lockstep"  # the engine's user agent
_OWN = "benchmark"  # ours
_TAIL = 30  # lines of the engine's log in an error
_STOP_WITHIN = 15.0  # seconds; then the engine is killed
_QUIET = 1.5  # seconds without a request after which the engine has finished
_NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)


class EngineEnded(RuntimeError):  # noqa: N818 - what happened
    """The engine ended by itself; the message ends with what it logged."""


@dataclass(slots=True)
class World:
    """A cluster of its own, empty but for Flux's definitions, and the repositories beside it."""

    server: ApiServer
    client: Client
    git_url: str
    folder: Path
    arguments: Sequence[str]
    profile: str
    log: Path
    seen: Callable[[], list[Seen]]
    clock: SystemClock = field(default_factory=SystemClock)
    processes: dict[str, int] = field(default_factory=dict)
    """{name: process id} of what is measured, ended ones included."""

    @property
    def repositories(self) -> Path:
        """The folder of the bare repositories."""
        return self.folder / "repositories"

    async def furnish(self, workload: Workload) -> str:
        """The commit of the workload, once everything is there that a user creates."""
        for name in (NAMESPACE, TARGET_NAMESPACE):
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            await self.client.create(_NAMESPACES, namespace)
        commit = workload.commit(self.repositories)
        for obj in workload.custom_objects(self.git_url):
            resource = await self.client.resource(obj["apiVersion"], obj["kind"])
            await self.client.create(resource, obj)
        return commit

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[None]:
        """An engine in a process of its own, asked to stop on leaving.

        What is inside is cancelled, and EngineEnded raised, if it ends by itself.
        """
        command = self._command()
        async with running(command, self.log) as process, anyio.create_task_group() as tasks:
            self.processes["engine"] = process.pid
            tasks.start_soon(_watched, process, self.log)
            yield
            tasks.cancel_scope.cancel()
            process.terminate()
            with anyio.move_on_after(_STOP_WITHIN, shield=True):
                await process.wait()
        del self.processes["engine"]

    def _command(self) -> list[str]:
        profiled = ["-m", "cProfile", "-o", self.profile] if self.profile else []
        settings = {
            "kubeconfig": self.server.kubeconfig,
            "runtime-namespace": NAMESPACE,
            "storage-path": self.folder / "storage",
            "storage-addr": "127.0.0.1:0",
            "metrics-addr": "127.0.0.1:0",
            "health-addr": "127.0.0.1:0",
        }
        flags = [f"--{name}={value}" for name, value in settings.items()]
        return [sys.executable, *profiled, "-m", "engine", "run", *flags, *self.arguments]

    async def objects(
        self, api_version: str, kind: str, namespace: str, name: str = ""
    ) -> AsyncGenerator[Object, None]:
        """Each object of a kind (or the one of that name) as it is, and at each change."""
        resource = await self.client.resource(api_version, kind)
        selector = f"metadata.name={name}" if name else ""
        watch = Watch(
            self.client, resource, self.clock, Random(0), namespace, {"field_selector": selector}
        )
        async with aclosing(watch.events()) as events:
            async for event in events:
                if event.type in (EventType.ADDED, EventType.MODIFIED):
                    yield event.obj

    def usages(self) -> dict[str, Usage]:
        """What each process used so far."""
        return {name: usage(pid) for name, pid in self.processes.items()}

    def requests(self, began_at: float, ended_at: float) -> Requests:
        """What was asked of the API server between two instants, seconds since 1970."""
        return tally(self.seen(), began_at, ended_at)

    async def quiet(self) -> float:
        """The instant (since 1970) of the engine's last request, once none came for a while.

        Leases do not count: they are renewed for ever.
        """
        while True:
            asked = [
                each.at
                for each in self.seen()
                if each.agent == ENGINE and "leases" not in each.what
            ]
            silence = self.clock.wall() - max(asked, default=0.0)
            if silence >= _QUIET:
                return max(asked, default=0.0)
            await self.clock.sleep(_QUIET - silence)


@asynccontextmanager
async def world(
    server: str, arguments: Sequence[str], profile: str, log: str
) -> AsyncIterator[World]:
    """A new World, gone on leaving; server: one of SERVERS.

    arguments: further ones of `lockstep run`.   profile: file for cProfile's figures, "" for none.
    log: file for what the engine logs, "" for one that goes with the rest.
    """
    with TemporaryDirectory(prefix="lockstep-") as path:
        folder = Path(path)
        (folder / "repositories").mkdir()
        async with (
            _server(server, folder) as (api_server, processes, seen),
            serve_git(folder / "repositories") as git,
        ):
            endpoint = from_kubeconfig(api_server.kubeconfig)
            endpoint = replace(endpoint, headers={**endpoint.headers, "User-Agent": _OWN})
            async with connected(endpoint, SystemClock(), Random(0)) as client:
                await install_crds(client)
                log_file = Path(log) if log else folder / "engine.log"
                yield World(
                    api_server,
                    client,
                    git.url,
                    folder,
                    arguments,
                    profile,
                    log_file,
                    seen,
                    processes=dict(processes),
                )


@asynccontextmanager
async def _server(
    name: str, folder: Path
) -> AsyncIterator[tuple[ApiServer, Mapping[str, int], Callable[[], list[Seen]]]]:
    """The API server, its processes, and how to know what was asked of it."""
    if name == "real":
        async with start(audit=True) as plane:
            yield plane, plane.processes, lambda: _audited(plane)
        return
    async with serve() as server:
        own = server.embedded.api
        counted = CountingApi(*(getattr(own, part.name) for part in fields(own)))
        server.http.api = counted
        yield api_server_of(name, server.kubeconfig(), folder), {}, lambda: list(counted.seen)


def _audited(plane: ControlPlane) -> list[Seen]:
    return seen_in(plane.audit_events())


@dataclass(slots=True)
class CountingApi(api.Api):
    """The embedded API server's, with a note of each request for a resource."""

    seen: list[Seen] = field(default_factory=list)
    clock: SystemClock = field(default_factory=SystemClock)

    def respond(self, request: api.Request) -> api.Answer | api.Observe:
        """As Api."""
        asked = wanted(request.method, request.path, request.query, self.state.resources)
        title = resource_title(asked.resource.plural, asked.resource.group, asked.subresource)
        dry = "dry-run-" if request.query.get("dryRun") else ""
        agent = agent_of(request.headers.get("User-Agent", ""))
        self.seen.append(Seen(self.clock.wall(), agent, f"{dry}{asked.verb} {title}"))
        return api.Api.respond(self, request)


async def _watched(process: Process, log: Path) -> None:
    """Raises EngineEnded as soon as the process has ended."""
    status = await process.wait()
    tail = _last_lines(log)
    raise EngineEnded("\n".join([f"the engine ended with status {status}; its log ends:", *tail]))


def _last_lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-_TAIL:]
