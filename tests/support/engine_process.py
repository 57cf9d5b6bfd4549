"""Engines as processes that can be killed at any await; forked, so that a start costs 20 ms.

`python -m tests.support.engine_process` has everything imported and waits for orders on stdin, a
JSON object a line (see `Order`).  On stdout it tells `{"started": PID}` and, once a process has
ended, `{"ended": PID, "status": as subprocess gives it}`.
"""

import asyncio
import faulthandler
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar
from dataclasses import dataclass
from pathlib import Path
from select import select
from typing import Any, TypeVarTuple, Unpack

import anyio

from engine import app
from engine.cli.problems import line_of, unwrapped
from engine.cli.run import serve
from engine.cluster import Resource
from engine.cluster.connect import from_kubeconfig
from engine.objects.ref import Ref
from engine.reconcile.lifecycle import Story, lifecycle
from engine.reconcile.run import Engine
from engine.runtime import Requeue, Turn
from engine.settings import Settings
from engine.telemetry import set_up_logging
from tests.support.mortal import die_with

Arguments = TypeVarTuple("Arguments")
IN_RUN: ContextVar[bool] = ContextVar("in_run", default=False)


@dataclass(frozen=True)
class Order:
    """One engine to start.

    kill_at: SIGKILL itself when work of its runs is resumed for that time, counted from the first
    run that was asked for by hand; 0: never, only count.
    """

    settings: dict[str, Any]
    kubeconfig: str
    log: str
    kill_at: int


class Injector(asyncio.SelectorEventLoop):
    """Counts how often a run, or a task of one, goes on after an await; may end the process there.

    Each resumption goes through `call_soon`, with the context that the run marked.
    """

    kill_at = 0
    counted = 0
    is_armed = False

    def call_soon(
        self,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        if self.is_armed and context is not None and context.get(IN_RUN):
            self.counted += 1
            if self.counted == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().call_soon(callback, *args, context=context)

    def show(self) -> None:
        """Writes where each task waits: for an engine that hangs."""
        for task in asyncio.all_tasks(self):
            sys.stderr.write(f"{task.get_name()}\n")
            for frame in awaited(task.get_coro()):
                sys.stderr.write(f"  {frame}\n")

    async def lifecycle(
        self, turn: Turn[Ref], story: Story, resource: Resource, engine: Engine
    ) -> Requeue:
        """The engine's own, marked for `call_soon`."""
        IN_RUN.set(True)
        self.is_armed = self.is_armed or "a manual request" in turn.reasons
        return await lifecycle(turn, story, resource, engine)


def awaited(coroutine: Any) -> Iterator[str]:
    """The chain of what a coroutine waits for, a line each."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            yield f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def work(order: Order) -> int:
    """Runs an engine in this process as `lockstep run` does; the exit status."""
    log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.enable()
    set_up_logging("debug", "json")
    endpoint = from_kubeconfig(Path(order.kubeconfig))
    loop = Injector()
    loop.kill_at = order.kill_at
    signal.signal(signal.SIGUSR1, lambda *_: loop.show())
    # The only seam that knows where a run begins:
    app.lifecycle = loop.lifecycle  # type: ignore[attr-defined] # imported there for its own use
    try:
        return anyio.run(
            serve,
            Settings(**order.settings),
            endpoint,
            backend_options={"loop_factory": lambda: loop},
        )
    except Exception as problem:
        sys.stdout.write(f"Error: {line_of(unwrapped(problem))}\n")
        return 1
    finally:
        sys.stdout.write(f"resumed {loop.counted} times\n")


def fork(order: Order) -> int:
    """The id of a new process that carries the order out."""
    server = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        die_with(server)
        status = work(order)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def tell(**news: int) -> None:
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


def reap() -> None:
    """Tells of every process that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        tell(ended=pid, status=os.waitstatus_to_exitcode(status))


def main() -> None:
    """Carries out orders until stdin ends."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    buffer = b""
    while True:
        ready, _, _ = select([0, reader], [], [])
        if reader in ready:
            os.read(reader, 4096)
            reap()
        if 0 in ready:
            piece = os.read(0, 65536)
            if not piece:
                return
            *lines, buffer = (buffer + piece).split(b"\n")
            for line in lines:
                tell(started=fork(Order(**json.loads(line))))


if __name__ == "__main__":
    main()
