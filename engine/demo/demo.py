"""The demo, put together: a folder, an API server, a Git server, an engine, and the story.

Whatever ends it, a signal too, nothing is left: everything runs in this process and in one folder.
"""

import logging
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from shlex import quote
from sysconfig import get_path
from tempfile import TemporaryDirectory

import anyio

from engine import app
from engine.apiserver import Server, serve
from engine.cluster import connected
from engine.cluster.connect import from_kubeconfig
from engine.cluster.endpoint import Endpoint
from engine.demo.fleet import KUSTOMIZATIONS
from engine.demo.news import Line, Tone, lines_of
from engine.demo.show import Show, columns, showing
from engine.demo.steps import STEPS, Step
from engine.demo.world import FOLLOWED, NotAsTold, World
from engine.objects.manifests import dump
from engine.objects.ref import Object
from engine.runtime import Clock, SystemClock
from engine.serve.git import serve_git
from engine.settings import Settings
from engine.source.author import create_repository
from engine.telemetry import logger, set_up_logging

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FREE = "127.0.0.1:0"
_GRACE = 5.0  # seconds for what is in flight when the story is over
_READS = ("get", "list", "watch")
_LOGGED = 10  # lines of the engine's log that are shown when something went wrong

_OPENING = """\
A Kubernetes API, a Git server and the engine run in this process; pods are ready on paper.
The repository holds the clusters staging and prod; this one is prod.  Seconds since the start:"""

_NOTE = """\
TIME is from the commit, edit or request until its last effect was seen.  REQUESTS are those of the
engine to the API server, but for the renewal of its Leases."""

_KEPT = """
It runs until Ctrl-C, which removes everything.  From another terminal:

  export PATH={programs}:$PATH
  export KUBECONFIG={folder}/kubeconfig
  kubectl get kustomizations,deployments -A
  lockstep get all -A

  kubectl -n shop scale deployment web --replicas=1      # an edit by hand
  kubectl -n shop get deployment web                     # is set back at once

The fleet is at {url} (to be cloned); push to its folder:

  git clone -c user.name=me -c user.email=me@example.com {folder}/repositories/fleet.git
  cd fleet && sed -i 's/count: 3/count: 5/' apps/prod/kustomization.yaml
  git commit -am 'More pods for web' && git push
  lockstep reconcile source git flux-system              # or wait for a minute

The real `flux` takes the same words: `flux get kustomizations`.
The log of the engine: {log}"""


@dataclass(frozen=True, slots=True)
class Demo:
    """How it is shown.

    keep: goes on after the story, until a signal.   verbose: the engine's log on standard error.
    steps: the story.
    """

    keep: bool = False
    verbose: bool = False
    steps: Sequence[Step] = STEPS


@dataclass(frozen=True, slots=True)
class Played:
    """A step that is over; requests: of the engine, by verb."""

    title: str
    seconds: float
    requests: Counter[str]


@dataclass(slots=True)
class _End:
    """How the story ended, None before its end; and the first signal, 0 if none came."""

    story: int | None = None
    signal: int = 0

    @property
    def status(self) -> int:
        """The exit status."""
        return 128 + self.signal if self.story is None else self.story


async def demo(options: Demo) -> int:
    """Shows everything; the exit status: 0 all came out as told, 1 it did not, 128 + a signal."""
    end, story = _End(), anyio.CancelScope()

    # Signals are received until the folder is removed: one that comes late changes nothing.
    with anyio.open_signal_receiver(*_SIGNALS) as signals:

        async def obey() -> None:
            async for each in signals:
                end.signal = end.signal or each
                story.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(obey)
            with story, TemporaryDirectory(prefix="lockstep-demo-") as folder:
                await _in_folder(Path(folder), options, end)
            tasks.cancel_scope.cancel()
    return end.status


async def _in_folder(folder: Path, options: Demo, end: _End) -> None:
    """Everything, in a folder that is there."""
    clock, log = SystemClock(), folder / "engine.log"
    with _logging(log, options), showing(clock, plain=options.verbose) as show:
        show.text(_OPENING)
        async with _world(folder, clock, show) as world:
            try:
                played = [await _played(step, options, world, show) for step in options.steps]
            except NotAsTold as problem:
                show.text(_complaint(problem, log))
                end.story = 1
                return
            show.text(summary(played))
            end.story = 0
            if options.keep:
                where = "standard error" if options.verbose else str(log)
                show.text(_kept(folder, world.url, where))
                await anyio.sleep_forever()


async def _played(step: Step, options: Demo, world: World, show: Show) -> Played:
    number = options.steps.index(step) + 1
    show.title(f"{number}. {step.title}")
    before = world.requests()
    told = await step.play(world, show)
    requests = world.requests() - before
    show.tell(Line("done", f"{told.seen}, after {told.seconds:.3f} s", Tone.GOOD))
    await show.pause()
    return Played(step.title, told.seconds, requests)


@asynccontextmanager
async def _world(folder: Path, clock: Clock, show: Show) -> AsyncIterator[World]:
    """A cluster with Flux's definitions, the repository, and an engine that starts."""
    repositories, state = folder / "repositories", app.State()
    create_repository(repositories / "fleet.git")
    async with (
        serve(workloads=True) as server,
        serve_git(repositories) as git,
        connected(_endpoint(server, folder), clock, Random()) as client,  # noqa: S311 - jitter
        anyio.create_task_group() as following,
    ):
        world = World(
            client, state, repositories / "fleet.git", git.repository_url("fleet.git"), clock
        )
        await world.furnish()

        def listen(obj: Object | None, before: Object | None) -> None:
            for line in lines_of(obj, before):
                show.tell(line)
            if (obj or before or {}).get("kind") == "Kustomization":
                show.state({name: world.kustomization(name) for name in KUSTOMIZATIONS})

        world.listen = listen
        for _, _, kind in FOLLOWED:
            following.start_soon(world.follow, kind)
        async with anyio.create_task_group() as running:
            stop = anyio.Event()
            running.start_soon(app.run, _settings(folder), client.endpoint, stop, state)
            yield world
            stop.set()
        following.cancel_scope.cancel()


def _endpoint(server: Server, folder: Path) -> Endpoint:
    """The server's, also as a kubeconfig in the folder."""
    config = server.kubeconfig()
    (folder / "kubeconfig").write_text(dump(config))
    return from_kubeconfig(config)


def _settings(folder: Path) -> Settings:
    return Settings(
        storage_path=str(folder / "storage"),
        storage_addr=_FREE,
        events_listen_addr=_FREE,
        metrics_addr=_FREE,
        health_addr=_FREE,
        receiver_addr=_FREE,
        graceful_shutdown_timeout=_GRACE,
        concurrent_builds=0,  # a process of its own would take longer to start than to build
    )


@contextmanager
def _logging(file: Path, options: Demo) -> Iterator[None]:
    """The engine's log in a file, or on standard error, while inside."""
    set_up_logging("info", "console")
    if options.verbose:
        yield
        return
    handler = logger.handlers[0]
    with file.open("w") as stream:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)
        try:
            yield
        finally:
            logger.removeHandler(handler)


def summary(played: Sequence[Played]) -> str:
    """Time and requests of each step, as a table with a note."""
    rows = [("STEP", "TIME", "REQUESTS", "READ", "WRITE")]
    for each in played:
        read = sum(each.requests[verb] for verb in _READS)
        total = each.requests.total()
        row = (each.title, f"{each.seconds:.3f} s", str(total), str(read), str(total - read))
        rows.append(row)
    return f"\n{columns(rows)}\n\n{_NOTE}"


def _kept(folder: Path, url: str, log: str) -> str:
    programs = quote(get_path("scripts"))  # where `lockstep` is, and `make setup` puts `kubectl`
    return _KEPT.format(folder=quote(str(folder)), url=url, log=log, programs=programs)


def _complaint(problem: NotAsTold, log: Path) -> str:
    text = f"\nNot as told: {problem}"
    if not log.exists():
        return text
    return "\n".join([text, "The engine logged last:", *log.read_text().splitlines()[-_LOGGED:]])
