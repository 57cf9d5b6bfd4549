"""Start a real Kubernetes control plane: etcd, API server, controllers and, if wanted, pods.

`async with start() as plane` gives one on free ports of this machine, with its own folder, keys
and certificates, and leaves nothing behind.  *plain* runs no pods; *alive* adds the scheduler and
kwok, which plays nodes whose pods become ready at once, on paper.

Never: a shared or remote cluster.  Needs no program but those of tests/controlplane/build.py.
"""

import base64
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import aiohttp
import anyio
from anyio import to_thread
from anyio.abc import Process

from tests.controlplane.build import program
from tests.support.apiserver import ApiServer, kubeconfig

MORTAL = Path(__file__).with_name("mortal.py")
STAGES = Path(__file__).parents[1] / "controlplane/stages.yaml"
NODES = 3
START_WITHIN = 120.0  # seconds; about 10 on a quiet machine, but tests share theirs
POLL = 0.05  # seconds between two looks while starting
TAIL = 25  # lines of each log in an error

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class ControlPlaneError(RuntimeError):
    """The control plane did not come up; the message ends with what its programs logged."""


@dataclass(frozen=True)
class ControlPlane(ApiServer):
    """A running control plane."""

    logs: Path
    "The folder with `<program>.log` and, if asked for, `audit.log` (a JSON event a line)."
    processes: Mapping[str, int]
    "{program: process id}, to measure them."

    def audit_events(self) -> list[dict[str, Any]]:
        """What was asked of the API server so far, oldest first, as audit.k8s.io/v1 Events.

        Empty unless started with `audit`.
        """
        log = self.logs / "audit.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@asynccontextmanager
async def start(*, alive: bool = False, audit: bool = False) -> AsyncIterator[ControlPlane]:
    """A control plane that answers and whose controllers run; ended with all it wrote on exit.

    audit: log every request, for counting them.
    Raises ControlPlaneError if a program ends or is not ready in time, BuildError without programs.
    """
    names = ["etcd", "kube-apiserver", "kube-controller-manager"]
    names += ["kube-scheduler", "kwok"] if alive else []
    programs = {name: await to_thread.run_sync(program, name) for name in names}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lockstep-")))
        launch = Launch(folder, programs, stack, stack.enter_context(reserved_port()))
        plane = await launch.ready(alive, audit)
        yield plane


@dataclass(slots=True)
class Launch:
    """The start of one control plane, step by step."""

    folder: Path
    programs: Mapping[str, Path]
    stack: AsyncExitStack
    port: int
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    started: dict[str, Process] = field(default_factory=dict)

    async def ready(self, alive: bool, audit: bool) -> ControlPlane:
        try:
            with anyio.fail_after(START_WITHIN):
                return await self.start_all(alive, audit)
        except TimeoutError as error:
            raise self.failure(f"not ready within {START_WITHIN:.0f} s") from error

    async def start_all(self, alive: bool, audit: bool) -> ControlPlane:
        await self.start_api_server(audit)
        plane = await self.serving()
        await self.start_controllers(plane, alive)
        async with plane.session() as session:
            # The controllers make it, and no pod is admitted in a namespace that has none.
            await self.found(session, "/api/v1/namespaces/default/serviceaccounts/default")
            if alive:
                await self.start_nodes(session)
        return replace(plane, processes={name: p.pid for name, p in self.started.items()})

    async def start_api_server(self, audit: bool) -> None:
        """etcd and the API server at once; the latter waits for the former."""
        store = f"unix://{self.folder}/etcd.sock"  # a socket file cannot be taken by others
        await self.run(
            "etcd",
            f"--data-dir={self.folder}/etcd",
            f"--listen-client-urls={store}",
            "--advertise-client-urls=http://localhost:2379",  # must be said, is not used
            f"--listen-peer-urls=unix://{self.folder}/peer.sock",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        self.folder.joinpath("tokens.csv").write_text(
            f'{self.token},admin,admin,"system:masters"\n'
        )
        self.folder.joinpath("service-account.key").write_text(signing_key())
        options = [
            f"--etcd-servers={store}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",  # it refuses to publish a loopback address
            f"--secure-port={self.port}",
            "--permit-port-sharing",  # with the socket that reserves the port
            f"--cert-dir={self.folder}",  # where it keeps the certificate that it makes
            f"--token-auth-file={self.folder}/tokens.csv",
            "--authorization-mode=RBAC",
            "--allow-privileged",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={self.folder}/service-account.key",
            f"--service-account-key-file={self.folder}/service-account.key",
        ]
        if audit:
            policy = self.folder / "audit-policy.yaml"
            policy.write_text(json.dumps(AUDIT_POLICY))
            options += [
                f"--audit-policy-file={policy}",
                f"--audit-log-path={self.folder}/audit.log",
                "--audit-log-mode=blocking",  # what was asked is there when one looks
            ]
        await self.run("kube-apiserver", *options)

    async def serving(self) -> ControlPlane:
        """The control plane once /readyz says so, with its kubeconfig written."""
        ca = self.folder / "apiserver.crt"
        plane = ControlPlane(
            name="real",
            url=f"https://127.0.0.1:{self.port}",
            token=self.token,
            ca=ca,
            kubeconfig=self.folder / "kubeconfig.yaml",
            logs=self.folder,
            processes={},
        )
        while not ca.exists() or not ca.read_bytes().endswith(b"-----\n"):
            await self.pause()
        async with plane.session() as session:
            await self.found(session, "/readyz")
        content = kubeconfig(plane.url, self.token, ca.read_bytes())
        plane.kubeconfig.write_text(json.dumps(content, indent=1))
        return plane

    async def start_controllers(self, plane: ControlPlane, alive: bool) -> None:
        access = f"--kubeconfig={plane.kubeconfig}"
        await self.run(
            "kube-controller-manager",
            access,
            "--leader-elect=false",
            "--secure-port=0",
            f"--service-account-private-key-file={self.folder}/service-account.key",
            f"--root-ca-file={plane.ca}",
            "--node-monitor-grace-period=1000h",  # the nodes send no heartbeats
        )
        if alive:
            await self.run("kube-scheduler", access, "--leader-elect=false", "--secure-port=0")
            await self.run(
                "kwok",
                access,
                f"--config={STAGES}",
                "--manage-all-nodes",
                "--node-lease-duration-seconds=0",
            )

    async def start_nodes(self, session: aiohttp.ClientSession) -> None:
        """Nodes on which the scheduler will place pods."""
        for number in range(NODES):
            node = {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": f"node-{number}",
                    "labels": {
                        "kubernetes.io/hostname": f"node-{number}",
                        "kubernetes.io/os": "linux",
                    },
                },
            }
            async with session.post("/api/v1/nodes", json=node) as response:
                response.raise_for_status()
        while True:
            async with session.get("/api/v1/nodes") as response:
                nodes = (await response.json())["items"]
            # A node is tainted until its Ready condition is seen by the node controller.
            if not any(node["spec"].get("taints") for node in nodes):
                return
            await self.pause()

    async def run(self, name: str, *arguments: str) -> None:
        command = [str(self.programs[name]), *arguments]
        log = self.folder / f"{name}.log"
        self.started[name] = await self.stack.enter_async_context(running(command, log))

    async def found(self, session: aiohttp.ClientSession, path: str) -> None:
        """Return as soon as a GET of `path` succeeds."""
        while True:
            with suppress(aiohttp.ClientConnectionError):
                async with session.get(path) as response:
                    if response.ok:
                        return
            await self.pause()

    async def pause(self) -> None:
        for name, process in self.started.items():
            if process.returncode is not None:
                raise self.failure(f"{name} ended with {process.returncode}")
        await anyio.sleep(POLL)

    def failure(self, problem: str) -> ControlPlaneError:
        parts = [f"control plane: {problem}"]
        for name in self.started:
            text = self.folder.joinpath(f"{name}.log").read_text(errors="replace")
            parts.append(f"--- the end of {name}.log:\n" + "\n".join(text.splitlines()[-TAIL:]))
        return ControlPlaneError("\n".join(parts))


@asynccontextmanager
async def running(command: Sequence[str], log: Path) -> AsyncIterator[Process]:
    """A program that is killed on exit, or when this process dies.  What it says goes to `log`."""
    wrapper = [sys.executable, "-I", "-S", str(MORTAL), str(os.getpid())]
    with log.open("wb") as file:
        process = await anyio.open_process(
            [*wrapper, *command], stdin=DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()  # its data is thrown away, so there is nothing to finish
        with anyio.CancelScope(shield=True):
            await process.wait()


@contextmanager
def reserved_port() -> Iterator[int]:
    """A free TCP port that stays ours: the API server shares it, and nobody else is given it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def signing_key() -> str:
    """A new P-256 private key in PEM, with which tokens of ServiceAccounts are signed.

    RFC 5915 allows to leave the public key out, so that this is a random number in an envelope.
    """
    number = (1 + secrets.randbelow(2**255)).to_bytes(32, "big")  # below the order of the curve
    curve = bytes.fromhex("a00a06082a8648ce3d030107")  # [0] { OID prime256v1 }
    body = bytes.fromhex("020101") + b"\x04\x20" + number + curve
    text = base64.encodebytes(bytes([0x30, len(body)]) + body).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n"
