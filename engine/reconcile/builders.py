"""Where builds run: in processes of their own, within bounds, the most urgent build first.

Each tenant gets its share of them, and one that has none need not wait until somebody's build,
which perhaps hangs, has ended: a further process is started for it (the fourth law of Lines).
A build that hangs, takes too much or takes its process down fails alone; the next one gets a new
process.  `builder.py` is what runs in them.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import anyio
from anyio import to_thread
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from engine.api.duration import format_duration
from engine.errors import BuildStopped
from engine.reconcile.builder import HEADER, Job, answer_in, job_of
from engine.render import Memory, Remotes, Rendered, Request
from engine.render.decrypt_cache import DecryptedFiles
from engine.render.explanation import Places
from engine.runtime import Priority
from engine.runtime.fairness import FairLimiter
from engine.settings import Settings
from engine.source.tree import Tree

IDLE = 30.0  # seconds: what a commit concerns is built by then, and 35 MB are given back


class Builders(Protocol):
    """Renders without holding up the event loop."""

    async def build(
        self,
        tree: Tree,
        request: Request,
        priority: Priority,
        remotes: Remotes | None = None,
        *,
        tenant: str = "",
    ) -> Rendered:
        """What `render` gives.  Raises what that raises, and BuildStopped.

        tenant: whose build it is; each gets its share.
        """
        ...

    async def places(self, job: Job, priority: Priority, tenant: str = "") -> Places:
        """Where the fields stand that the job wants.  Raises what `build` raises."""
        ...

    def statistics(self) -> "Statistics":
        """Counts at this moment."""
        ...


class InThread:
    """Builds one at a time in a thread of this process, without bounds on time and memory."""

    def __init__(self, cache_bytes: int) -> None:
        self._limiter = anyio.CapacityLimiter(1)
        self._memory, self._decrypt = Memory.of(cache_bytes), DecryptedFiles(cache_bytes // 4)

    async def build(
        self,
        tree: Tree,
        request: Request,
        priority: Priority,
        remotes: Remotes | None = None,
        *,
        tenant: str = "",
    ) -> Rendered:
        """What `render` gives.  Raises what that raises."""
        return cast("Rendered", await self._done(Job(tree, request, remotes)))

    async def places(self, job: Job, priority: Priority, tenant: str = "") -> Places:
        """Where the fields stand that the job wants.  Raises what `render` raises."""
        return cast("Places", await self._done(job))

    async def _done(self, job: Job) -> Rendered | Places:
        do = partial(job.done, self._memory, self._decrypt)
        return await to_thread.run_sync(do, limiter=self._limiter)

    def statistics(self) -> "Statistics":
        """Counts at this moment."""
        now = self._limiter.statistics()
        return Statistics(0, now.borrowed_tokens, now.tasks_waiting)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many builds at once; of each its seconds and memory, and what its process remembers.

    most: there are up to two more while a tenant would have to wait for another one's.

    0: no bound on time or memory.  idle: seconds after which a process that has nothing to do ends;
    one stays.
    """

    most: int
    seconds: float
    memory_bytes: int
    cache_bytes: int
    idle: float = IDLE


@dataclass(frozen=True, slots=True)
class Statistics:
    """Builds and their processes at one moment."""

    idle: int  #: processes
    building: int
    waiting: int  #: builds that no process is free for


class _Died(BuildStopped, reason="BuildFailed"):
    """The process ended in the middle of a build, or before it."""


class Processes:
    """Builder processes: started when one is needed, kept for the next build.

    Who waits holds nothing but its tree's name: what is sent is made when its turn has come.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._idle: list[Process] = []  # the one that stays is the last, else the one used last
        self._lasting: Process | None = None
        self._starting = anyio.Lock()
        self._limiter = FairLimiter(bounds.most)

    async def build(
        self,
        tree: Tree,
        request: Request,
        priority: Priority,
        remotes: Remotes | None = None,
        *,
        tenant: str = "",
    ) -> Rendered:
        """What `render` gives.  Raises what that raises, and BuildStopped.

        Cancelled, it kills the process.
        """
        return cast("Rendered", await self._done(Job(tree, request, remotes), priority, tenant))

    async def places(self, job: Job, priority: Priority, tenant: str = "") -> Places:
        """Where the fields stand that the job wants, within the bounds of a build.

        Raises what `build` raises.
        """
        return cast("Places", await self._done(job, priority, tenant))

    async def _done(self, job: Job, priority: Priority, tenant: str) -> Rendered | Places:
        async with self._limiter.held(priority, tenant):
            if self._idle:
                with suppress(_Died):  # perhaps it was dead before it was asked
                    # The one that stays, as the others end sooner, or has most in memory.
                    return await self._by(self._idle.pop(), job)
            return await self._by(await self._started(), job)

    async def start(self) -> None:
        """Have a process ready before the first build; returns before it is."""
        self._idle.append(await self._started())

    async def close(self) -> None:
        """Kill every process."""
        with anyio.CancelScope(shield=True):
            while self._idle:
                await _end(self._idle.pop())

    async def _by(self, process: Process, job: Job) -> Rendered | Places:
        """The job, done by that process."""
        is_whole, request = False, job.request
        try:
            with anyio.fail_after(self._bounds.seconds or None):
                answer = await _asked(process, job_of(job))
            is_whole = True
            return answer_in(answer)
        except TimeoutError:
            raise self._too_slow(request) from None
        except MemoryError:  # a new process gives back what this one has taken
            is_whole = False
            raise self._too_large(request) from None
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            raise await _died(process, request) from None
        finally:
            if is_whole:
                await self._rest(process)
            else:
                await self._discard(process)

    async def _rest(self, process: Process) -> None:
        """Keeps a process for the next build, and buries those that have ended of themselves."""
        ended = [each for each in self._idle if each.returncode is not None]
        self._idle = [each for each in self._idle if each.returncode is None]
        # Taken from the end: first the one that stays, then the one used last.
        place = len(self._idle) - (self._lasting in self._idle)
        self._idle.insert(len(self._idle) if process is self._lasting else place, process)
        for each in ended:
            await self._discard(each)

    async def _discard(self, process: Process) -> None:
        """Ends a process; another one is to stay if it was the one that does."""
        if process is self._lasting:
            self._lasting = None
        await _end(process)

    async def _started(self) -> Process:
        async with self._starting:  # so that just one of them stays
            with anyio.CancelScope(shield=True):  # half opened, nobody would end it
                process = await self._opened(0.0 if self._lasting is None else self._bounds.idle)
            self._lasting = self._lasting or process
        return process

    async def _opened(self, idle: float) -> Process:
        """idle: seconds without a build after which it ends, 0: it stays."""
        bounds = map(str, (self._bounds.memory_bytes, self._bounds.cache_bytes, idle))
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        return await anyio.open_process(
            # -P: modules are looked for where this process finds them, nowhere else.
            [sys.executable, "-P", "-m", "engine.reconcile.builder_program", *bounds],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # Ctrl-C goes to a whole group: what is in flight goes on
        )

    def _too_slow(self, request: Request) -> BuildStopped:
        return BuildStopped(
            f"kustomize build failed: {_path(request)} was not built in "
            f"{format_duration(self._bounds.seconds)}, the limit of --build-timeout "
            "(LOCKSTEP_BUILD_TIMEOUT): split it into several Kustomizations, or raise the limit"
        )

    def _too_large(self, request: Request) -> BuildStopped:
        return BuildStopped(
            f"kustomize build failed: {_path(request)} takes more than "
            f"{self._bounds.memory_bytes / 2**20:g} MiB of memory to build, the limit of "
            "--build-memory-bytes (LOCKSTEP_BUILD_MEMORY_BYTES): split it into several "
            "Kustomizations, or raise the limit"
        )

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        idle = sum(each.returncode is None for each in self._idle)
        return Statistics(idle, self._limiter.taken, self._limiter.waiting)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Processes {self.statistics()}>"


async def _asked(process: Process, job: bytes) -> bytes:
    """The answer to a job."""
    await cast("ByteSendStream", process.stdin).send(job)
    answers = BufferedByteReceiveStream(cast("ByteReceiveStream", process.stdout))
    (size,) = HEADER.unpack(await answers.receive_exactly(HEADER.size))
    return await answers.receive_exactly(size)


async def _end(process: Process) -> None:
    """Kill a process; returns once it is gone."""
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            process.kill()
        await process.aclose()


async def _died(process: Process, request: Request) -> _Died:
    status = await process.wait()
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    return _Died(
        f"kustomize build failed: the process that built {_path(request)} ended with {how}; the "
        "next try gets a new one.  SIGKILL may mean that the memory of the machine, or of the pod, "
        "does not suffice for --concurrent-builds (and two more) times --build-memory-bytes"
    )


def _path(request: Request) -> str:
    return f"'{request.path or '.'}'"


@asynccontextmanager
async def open_builders(settings: Settings) -> AsyncIterator[Builders]:
    """What the settings ask for, while inside; nothing is left of it afterwards."""
    if not settings.concurrent_builds:
        yield InThread(settings.build_cache_bytes)
        return
    processes = Processes(
        Bounds(
            most=settings.concurrent_builds,
            seconds=settings.build_timeout,
            memory_bytes=settings.build_memory_bytes,
            cache_bytes=settings.build_cache_bytes,
        )
    )
    try:
        await processes.start()
        yield processes
    finally:
        await processes.close()
