"""Git servers over ssh for tests: asyncssh's own, and OpenSSH's sshd where it is installed."""

import contextlib
import os
import pwd
import shlex
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import asyncssh
from anyio import to_thread

from engine.source.author import create_repository
from engine.source.credentials import Credentials
from engine.source.git_protocol import Mark, Packets
from engine.source.upload_pack import advertise, answer

SSHD = os.environ.get("SSHD_BIN") or shutil.which(
    "sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
)
ME = pwd.getpwuid(os.getuid()).pw_name

# Made once: a key of RSA takes a second.
CLIENT = asyncssh.generate_private_key("ssh-ed25519")
STRANGER = asyncssh.generate_private_key("ssh-ed25519")
HOST = asyncssh.generate_private_key("ssh-ed25519")


@dataclass
class SshGit:
    """A server; what it was asked stands in the lists, if it is one that can tell."""

    folder: Path
    host_key: asyncssh.SSHKey
    port: int = 0
    user: str = "git"
    commands: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    """Users whose authentication began."""
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    closed: anyio.Event = field(default_factory=anyio.Event)
    """Set once a connection was closed."""

    def url(self, name: str = "fleet.git", user: str = "") -> str:
        return f"ssh://{user or self.user}@127.0.0.1:{self.port}{self.folder / name}"

    @property
    def known_hosts(self) -> bytes:
        return known_hosts(self.host_key, f"[127.0.0.1]:{self.port}")

    def credentials(self, key: asyncssh.SSHKey = CLIENT, known: bytes | None = None) -> Credentials:
        known = self.known_hosts if known is None else known
        return Credentials(identity=identity_of(key), known_hosts=known)


@cache
def identity_of(key: asyncssh.SSHKey) -> bytes:
    """Its file, always the same bytes, as in a Secret: OpenSSH's form has random ones in it."""
    return key.export_private_key()


Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[SshGit]]


def known_hosts(key: asyncssh.SSHKey, hosts: str) -> bytes:
    return f"{hosts} {key.export_public_key().decode()}".encode()


class Server(asyncssh.SSHServer):
    """Notes who comes and goes."""

    def __init__(self, told: SshGit) -> None:
        self._told = told

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._told.connections.append(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._told.closed.set()

    def begin_auth(self, username: str) -> bool:
        self._told.logins.append(username)
        return True


@asynccontextmanager
async def serve_asyncssh(
    folder: Path,
    authorized: Sequence[asyncssh.SSHKey] = (CLIENT,),
    host_key: asyncssh.SSHKey = HOST,
    version: int = 2,
    **options: Any,
) -> AsyncIterator[SshGit]:
    """asyncssh's server, with our own Git behind it; version: the highest that it speaks.

    server: another class than `Server`.
    """
    told = SshGit(folder, host_key)
    if "server" in options:
        options["server_factory"] = partial(options.pop("server"), told)
    lines = b"".join(key.export_public_key() for key in authorized).decode()
    options = {
        "process_factory": partial(_serve, told, version),
        "server_host_keys": [host_key],
        "server_factory": partial(Server, told),
        **options,
    }
    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        authorized_client_keys=asyncssh.import_authorized_keys(lines),
        encoding=None,
        **options,
    )
    told.port = listener.get_port()
    try:
        yield told
    finally:
        listener.close()
        for connection in told.connections:
            connection.abort()
        for connection in told.connections:
            await connection.wait_closed()
        await listener.wait_closed()


async def _serve(told: SshGit, highest: int, process: asyncssh.SSHServerProcess[bytes]) -> None:
    told.commands.append(process.command or "")
    program, path = shlex.split(process.command or "x x")
    if program != "git-upload-pack" or not await anyio.Path(path, "HEAD").exists():
        process.stderr.write(f"fatal: '{path}' does not appear to be a git repository\n".encode())
        process.exit(128)
        return
    asked = process.env.get("GIT_PROTOCOL", "")
    version = 2 if asked == "version=2" and highest == 2 else 0
    with contextlib.suppress(asyncssh.Error, OSError):
        await talk(Path(path), version, process)
        process.exit(0)


async def talk(path: Path, version: int, process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Answer as `git-upload-pack` does."""
    service = await to_thread.run_sync(advertise, path, version)
    process.stdout.write(service.partition(Mark.FLUSH.value)[2])
    packets, request, is_empty = Packets(), b"", True
    while data := await process.stdin.read(65536):
        for item in packets.feed(data):
            request += item.value if isinstance(item, Mark) else _packet(item)
            if item is Mark.FLUSH and is_empty:
                return
            is_empty = False
            if item == b"done\n" if version == 0 else item is Mark.FLUSH:
                process.stdout.write(await to_thread.run_sync(answer, path, request, version))
                request, is_empty = b"", True
                if version == 0:
                    return


def _packet(content: bytes) -> bytes:
    return b"%04x%s" % (len(content) + 4, content)


_CONFIG = """
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel ERROR
{more}
"""


@asynccontextmanager
async def serve_openssh(
    folder: Path,
    authorized: Sequence[asyncssh.SSHKey] = (CLIENT,),
    host_key: asyncssh.SSHKey = HOST,
    version: int = 2,
    more: str = "",
) -> AsyncIterator[SshGit]:
    """OpenSSH's sshd with the real git behind it, a process for each connection."""
    assert SSHD
    if version == 2:
        more = f"AcceptEnv GIT_PROTOCOL\n{more}"
    config = _configure(folder.parent / f"sshd-{version}", authorized, host_key, more)
    told = SshGit(folder, host_key, user=ME)
    processes: list[subprocess.Popen[bytes]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        told.port = listener.getsockname()[1]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_accept, listener, [SSHD, "-i", "-e", "-f", str(config)], processes)
            try:
                yield told
            finally:
                tasks.cancel_scope.cancel()
    for process in processes:
        process.terminate()
        await to_thread.run_sync(process.wait)


def _configure(
    own: Path, authorized: Sequence[asyncssh.SSHKey], host_key: asyncssh.SSHKey, more: str
) -> Path:
    own.mkdir()
    (own / "host").write_bytes(host_key.export_private_key())
    (own / "host").chmod(0o600)
    (own / "authorized").write_bytes(b"".join(key.export_public_key() for key in authorized))
    (own / "config").write_text(_CONFIG.format(folder=own, more=more))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return own / "config"


async def _accept(
    listener: socket.socket, command: list[str], processes: list[subprocess.Popen[bytes]]
) -> None:
    while True:
        await anyio.wait_readable(listener)
        connection, _ = listener.accept()
        processes.append(_spawn(command, connection))


def _spawn(command: list[str], connection: socket.socket) -> subprocess.Popen[bytes]:
    with connection:
        connection.setblocking(True)
        return subprocess.Popen(
            command,
            stdin=connection.fileno(),
            stdout=connection.fileno(),
            stderr=subprocess.DEVNULL,
        )


SERVERS: dict[str, Serve] = {
    "asyncssh": serve_asyncssh,
    "asyncssh, version 0": partial(serve_asyncssh, version=0),
}
if SSHD and shutil.which("git-upload-pack"):
    SERVERS |= {
        "openssh": serve_openssh,
        "openssh, version 0": partial(serve_openssh, version=0),
    }


def repository(folder: Path, name: str = "fleet.git") -> Path:
    """An empty repository below a folder that a server is to serve."""
    create_repository(folder / name)
    return folder / name
