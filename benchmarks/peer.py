"""Who is measured: our engine, or a peer that a command starts; builds nothing.

A peer is any set of Flux-compatible controllers.  Its command runs in a shell, in the foreground
until SIGTERM, with what it needs in the environment (see `Place.environment`).
"""

import os
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workload import NAMESPACE

OURS = "lockstep"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an engine is to work."""

    kubeconfig: Path
    git_url: str
    storage: Path

    def environment(self) -> dict[str, str]:
        """What a peer's command is told: LOCKSTEP_… are settings of our engine, so not those."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "GIT_URL": self.git_url,
            "STORAGE": str(self.storage),
            "RUNTIME_NAMESPACE": NAMESPACE,
        }


@dataclass(frozen=True, slots=True)
class Ours:
    """Our engine.  arguments: further ones of `lockstep run`.   profile: file, "" for none."""

    arguments: Sequence[str] = ()
    profile: str = ""
    name: str = OURS

    def command(self, place: Place) -> list[str]:
        """The program to start, then its arguments."""
        program = ["benchmarks.profiled", self.profile] if self.profile else ["engine"]
        settings = {
            "kubeconfig": place.kubeconfig,
            "runtime-namespace": NAMESPACE,
            "storage-path": place.storage,
            "storage-addr": "127.0.0.1:0",
            "events-listen-addr": "127.0.0.1:0",
            "metrics-addr": "127.0.0.1:0",
            "health-addr": "127.0.0.1:0",
            "receiver-addr": "127.0.0.1:0",
        }
        flags = [f"--{name}={value}" for name, value in settings.items()]
        return [sys.executable, "-m", *program, "run", *flags, *self.arguments]

    def stop(self, pid: int) -> None:
        """Asks it to end; it ends its workers itself."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another engine."""

    name: str
    shell_command: str

    def command(self, place: Place) -> list[str]:
        """The program to start, then its arguments."""
        told = [f"{name}={value}" for name, value in place.environment().items()]
        return [_program("env"), *told, _program("sh"), "-c", self.shell_command]

    def stop(self, pid: int) -> None:
        """Asks the shell and all that it started to end: a shell does not pass signals on."""
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)


Competitor = Ours | Peer


def peer_of(text: str) -> Peer:
    """The peer of `NAME=COMMAND`.  Raises ValueError with what is wrong."""
    name, _, command = (part.strip() for part in text.partition("="))
    if not name or not command:
        raise ValueError(f"{text!r} is not NAME=COMMAND")
    if not re.fullmatch(r"[A-Za-z0-9.]+", name):
        raise ValueError(f"{name!r} is part of a file's name: letters, digits and dots only")
    if name == OURS:
        raise ValueError(f"{OURS!r} is our engine's name; call the peer something else")
    return Peer(name, command)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not in PATH")
    return found
