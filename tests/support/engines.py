"""Start, freeze, kill and await engines that are processes of their own."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.support.fleet import Fleet

MORTAL = Path(__file__).with_name("mortal.py")
LINE = 65536  # bytes, the longest line that is told
POLL = 0.02  # seconds between two looks at a log

REQUEST_TIMEOUT = 2.0  # seconds; a Lease must outlast it by a second and some renewals
TERMS = {
    "leader_election_lease_duration": 10.0,  # a machine that is busy for some seconds loses none
    "leader_election_renew_deadline": 8.0,
    "leader_election_retry_period": 0.5,
}
SHORT: dict[str, Any] = {  # where somebody waits for a Lease to run out
    **TERMS,
    "leader_election_lease_duration": 5.0,
    "leader_election_renew_deadline": 4.0,
}
TAKEOVER = 5.0 + REQUEST_TIMEOUT  # seconds until a dead engine's SHORT Lease may be used by others


@dataclass(eq=False)
class EngineProcess:
    """An engine; status: of its end, negative after a signal, as subprocess gives it."""

    log: Path
    pid: int = 0
    started: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)
    status: int = 0

    def send(self, sig: signal.Signals) -> None:
        os.kill(self.pid, sig)

    async def end(self, sig: signal.Signals) -> int:
        """The status of its end after that signal."""
        if not self.ended.is_set():
            self.send(sig)
        await self.ended.wait()
        return self.status

    async def says(self, text: str) -> str:
        """The first line of its log that holds the text, once it is there."""
        while True:
            was_over = self.ended.is_set()
            for line in self.said().splitlines():
                if text in line:
                    return line
            if was_over:
                raise AssertionError(f"it ended without {text!r}: {self.said()[-3000:]}")
            await anyio.sleep(POLL)

    async def ready(self) -> None:
        """Returns once it has its Leases and knows every object."""
        await self.says("ready: every object is known")

    def said(self) -> str:
        """All of its log."""
        return self.log.read_text() if self.log.exists() else ""

    async def address(self, served: str) -> str:
        """`host:port` of `health`, `metrics` or `artifacts`."""
        line = await self.says(f"serving {served} on ")
        return line.partition(f"serving {served} on ")[2].partition('"')[0]

    @property
    def has_lost_its_lease(self) -> bool:
        """It ended because it could not renew in time, as on a machine that is very busy."""
        return self.status == 1 and "another engine holds a Lease" in self.said()


class Engines:
    """The server that forks engines, one for all tests; made by `engine_processes`."""

    def __init__(self, server: Process) -> None:
        self._server = server
        self._running: dict[int, EngineProcess] = {}
        self._lock = anyio.Lock()
        self._starting = EngineProcess(Path())
        self.count = 0

    async def start(
        self, fleet: Fleet, *, kill_at: int = 0, kubeconfig: Path | None = None, **settings: Any
    ) -> EngineProcess:
        """An engine that works on the fleet's namespace; kill_at: see `engine_process.Order`."""
        wanted = {
            "runtime_namespace": fleet.namespace,
            "watch_all_namespaces": False,
            "storage_path": str(fleet.folder / "storage"),
            "storage_addr": "127.0.0.1:0",
            "events_listen_addr": "127.0.0.1:0",
            "metrics_addr": "127.0.0.1:0",
            "health_addr": "127.0.0.1:0",
            "receiver_addr": "127.0.0.1:0",
            "request_timeout": REQUEST_TIMEOUT,
            **TERMS,
            **fleet.settings,
            **settings,
        }
        assert self._server.stdin is not None
        async with self._lock:
            self.count += 1
            self._starting = EngineProcess(fleet.folder / f"engine-{self.count}.log")
            order = {
                "settings": wanted,
                "kubeconfig": str(kubeconfig or fleet.server.kubeconfig),
                "log": str(self._starting.log),
                "kill_at": kill_at,
            }
            await self._server.stdin.send(json.dumps(order).encode() + b"\n")
            await self._starting.started.wait()
            return self._starting

    async def listen(self) -> None:
        """Take note of what the server tells, for ever."""
        assert self._server.stdout is not None
        lines = BufferedByteReceiveStream(self._server.stdout)
        while True:
            news = json.loads(await lines.receive_until(b"\n", LINE))
            if "started" in news:
                engine = self._starting
                engine.pid = news["started"]
                self._running[engine.pid] = engine
                engine.started.set()
            else:
                engine = self._running.pop(news["ended"])
                engine.status = news["status"]
                engine.ended.set()

    async def end_all(self) -> None:
        """Kill what still runs."""
        for engine in list(self._running.values()):
            await engine.end(signal.SIGKILL)


@asynccontextmanager
async def engine_processes() -> AsyncIterator[Engines]:
    """Engines that live no longer than the block."""
    parent = str(os.getpid())
    program = [sys.executable, "-m", "tests.support.engine_process"]
    command = [sys.executable, str(MORTAL), parent, *program]
    # A session of its own: Ctrl-C goes to a whole group, and tests end their engines themselves.
    started = anyio.open_process(command, stdin=PIPE, stderr=None, start_new_session=True)
    async with await started as server:
        engines = Engines(server)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engines.listen)
            try:
                yield engines
                with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                    await engines.end_all()
            finally:
                tasks.cancel_scope.cancel()
        server.kill()
