"""Servers that mean harm, or are broken: what they send is bounded, and described."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import TypeAlias

import anyio
import asyncssh
import pytest
from anyio.abc import SocketStream
from yarl import URL

from engine.source import ssh_login
from engine.source.credentials import Credentials
from engine.source.failures import AuthenticationFailed, GitError, GitOperationFailed
from engine.source.git import GitRequest, fetch
from engine.source.git_pack import Limits
from engine.source.git_protocol import Mark, packet
from engine.source.git_refs import Reference
from engine.source.ssh import GitSsh
from engine.source.ssh_pool import SshConnections
from engine.source.ssh_server import SshServer
from tests.support.ssh_git import CLIENT, HOST, Server, SshGit, known_hosts, serve_asyncssh, talk
from tests.unit.source.conftest import Fetcher

MiB = 1024 * 1024
ONE = "1" * 40
Process: TypeAlias = "asyncssh.SSHServerProcess[bytes]"
SERVICE = packet("version 2\n") + packet("ls-refs\n") + packet("fetch\n") + Mark.FLUSH.value


@asynccontextmanager
async def saying(words: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """The port of a server that speaks on its own, and then hangs up."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            with suppress(anyio.BrokenResourceError):
                await words(stream)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def told(fetcher: Fetcher, words: Callable[[SocketStream], Awaitable[None]]) -> str:
    async with saying(words) as port:
        login = Credentials(
            identity=CLIENT.export_private_key(), known_hosts=known_hosts(HOST, "127.0.0.1")
        )
        with pytest.raises(GitOperationFailed) as caught:
            await fetcher.fetch(f"ssh://git@127.0.0.1:{port}/x", login)
        return str(caught.value).replace(str(port), "PORT").partition("/x': ")[2]


async def test_a_server_of_another_protocol(fetcher: Fetcher) -> None:
    async def http(stream: SocketStream) -> None:
        await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert await told(fetcher, http) == (
        "'127.0.0.1:PORT' closed the connection before the login: it is no ssh server, or does not "
        "let this address in"
    )


async def test_an_old_ssh_server(fetcher: Fetcher) -> None:
    async def old(stream: SocketStream) -> None:
        await stream.send(b"SSH-1.5-old\r\n")
        await stream.receive()

    assert await told(fetcher, old) == (
        "what answers at '127.0.0.1:PORT' does not speak ssh (Unsupported SSH version): check the "
        "port"
    )


async def test_a_greeting_without_end_is_cut_off(fetcher: Fetcher) -> None:
    async def greet(stream: SocketStream) -> None:
        while True:
            await stream.send(b"Welcome to the machine!\r\n" * 4096)

    assert "does not speak ssh (Too many banner lines): check the port" in await told(
        fetcher, greet
    )


async def test_a_line_without_end_is_cut_off(fetcher: Fetcher) -> None:
    async def shout(stream: SocketStream) -> None:
        while True:
            await stream.send(b"a" * 65536)

    assert "does not speak ssh (Banner line too long): check the port" in await told(fetcher, shout)


async def test_nobody_at_the_port(fetcher: Fetcher) -> None:
    server = SshGit(Path("/x"), HOST, port=1)

    with pytest.raises(GitOperationFailed) as caught:
        await fetcher(server)

    assert str(caught.value).endswith(
        "cannot reach '127.0.0.1:1': connection refused: nothing listens there, or a firewall "
        "rejects it"
    )


async def test_a_host_that_has_no_address(fetcher: Fetcher) -> None:
    login = SshGit(Path("/x"), HOST).credentials(known=known_hosts(HOST, "git.invalid"))

    with pytest.raises(GitOperationFailed, match=r"cannot reach 'git\.invalid:22': the name"):
        await fetcher.fetch("ssh://git@git.invalid/x", login)


async def test_what_a_server_says_before_it_refuses_a_login_is_shown_in_part(
    served: Path, fetcher: Fetcher
) -> None:
    class Talkative(Server):
        def begin_auth(self, username: str) -> bool:
            for _ in range(100):
                self._told.connections[-1].send_auth_banner("\x1b[31mKeys\n expire" + "!" * 20_000)
            return True

    async with serve_asyncssh(served, authorized=[], server=Talkative) as server:
        with pytest.raises(AuthenticationFailed) as caught:
            await fetcher(server)

    assert "(it says: ?[31mKeys expire!!!" in str(caught.value)
    assert len(str(caught.value)) < 2000


async def test_complaints_of_megabytes_are_shown_in_part(served: Path, fetcher: Fetcher) -> None:
    async def complain(process: Process) -> None:
        process.stderr.write(b"ERROR: Repository not found.\n\x1b]0;x\x07")
        for _ in range(64):
            process.stderr.write(b"#" * 65536)
            await process.stderr.drain()
        process.exit(1)

    async with serve_asyncssh(served, process_factory=complain) as server:
        with pytest.raises(GitOperationFailed) as caught:
            await fetcher(server)

    assert "the server says: ERROR: Repository not found. ?]0;x?###" in str(caught.value)
    assert len(str(caught.value)) < 1500


async def test_complaints_do_not_hold_up_what_is_asked_for(served: Path, fetcher: Fetcher) -> None:
    async def both(process: Process) -> None:
        process.stderr.write(b"#" * 4 * MiB)
        await talk(served / "fleet.git", 2, process)
        process.exit(0)

    async with serve_asyncssh(served, process_factory=both) as server:
        found = await fetcher(server)

    assert found.tree.read("a.yaml") == b"1"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (b"Welcome, git!\n", "the server sends text where Git's protocol should begin ('Welcome"),
        (b"000", "the server ended 'git-upload-pack' without a word, status 0"),
        (b"", "the server ended 'git-upload-pack' without a word, status 0"),
        (packet("ERR go away\n"), "the server ended 'git-upload-pack' without a word"),
        (b"fff1" + b"x" * 65536, "the server sends text where Git's protocol should begin"),
        (b"00ffversion 2\n", "the server ended 'git-upload-pack' without a word"),
        (packet("version 2\n") + b"0003", "the server sends text where Git's protocol"),
        (packet("ERR go away\n") + Mark.FLUSH.value, "the server reports: go away"),
        (packet("nonsense HEAD\0x\n") + Mark.FLUSH.value, "a ref that cannot be read"),
    ],
)
async def test_packets_that_lie_are_described(
    words: bytes, problem: str, served: Path, fetcher: Fetcher
) -> None:
    async def say(process: Process) -> None:
        process.stdout.write(words)
        process.exit(0)

    async with serve_asyncssh(served, process_factory=say) as server:
        with pytest.raises(GitOperationFailed, match=problem.replace("(", r"\(")):
            await fetcher(server)


def endless(start: bytes, again: bytes) -> Callable[[Process], Awaitable[None]]:
    """A command that says the one once and the other for ever, however often it is asked."""

    async def serve(process: Process) -> None:
        try:
            process.stdout.write(start)
            while True:
                process.stdout.write(again)
                await process.stdout.drain()
        except (asyncssh.Error, OSError):
            process.exit(1)

    return serve


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (b"", packet(f"{ONE} refs/heads/main\n") * 1000),
        (packet("version 2\n"), packet("x" * 1000) * 100),
        (SERVICE, packet(f"{ONE} refs/heads/main\n") * 1000),
    ],
)
async def test_refs_without_end_are_cut_off(
    start: bytes, again: bytes, served: Path, ssh: SshConnections
) -> None:
    async def ask(server: SshGit) -> None:
        async with aclosing(GitSsh(ssh, URL(server.url()), server.credentials())) as transport:
            await transport.advertisement(MiB)
            await transport.ask(b"0000", 2, MiB)

    async with serve_asyncssh(served, process_factory=endless(start, again)) as server:
        with pytest.raises(GitError, match="sent more than the 1048576 bytes allowed"):
            await ask(server)

    assert ssh.statistics().open == 0


async def test_a_pack_without_end_is_cut_off(served: Path, fetcher: Fetcher) -> None:
    refs = packet(f"{ONE} refs/heads/main\n") + Mark.FLUSH.value
    pack = SERVICE + refs + packet("packfile\n")
    content = b"%04x\1" % 10005 + b"P" * 10_000

    async with serve_asyncssh(served, process_factory=endless(pack, content)) as server:
        request = GitRequest(
            server.url(), Reference("main"), server.credentials(), limits=Limits(pack_bytes=MiB)
        )
        with pytest.raises(GitOperationFailed, match="sent more than the 1048576 bytes allowed"):
            await fetch(request, fetcher.stores.of(request.url), fetcher.tools)

    assert not list(fetcher.folder.glob("stores/*/objects/pack/*"))


async def test_a_connection_that_breaks_in_the_middle_is_called_so(
    served: Path, fetcher: Fetcher
) -> None:
    async def breaks(process: Process) -> None:
        process.stdout.write(SERVICE[:20])
        await process.stdout.drain()
        process.channel.get_connection().abort()

    async with serve_asyncssh(served, process_factory=breaks) as server:
        with pytest.raises(GitOperationFailed) as caught:
            await fetcher(server)

    assert f"the connection to '127.0.0.1:{server.port}' broke: the server, a proxy" in str(
        caught.value
    )


async def test_a_server_that_takes_the_login_and_no_command(served: Path, fetcher: Fetcher) -> None:
    async with serve_asyncssh(served, process_factory=None) as server:
        with pytest.raises(GitOperationFailed, match="runs no commands after the login"):
            await fetcher(server)


async def test_who_gives_up_during_a_login_hangs_up(fetcher: Fetcher, ssh: SshConnections) -> None:
    greeted, gone = anyio.Event(), anyio.Event()

    async def silent(stream: SocketStream) -> None:
        await stream.receive()
        greeted.set()
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                await stream.receive()
        gone.set()

    async with saying(silent) as port:
        login = Credentials(
            identity=CLIENT.export_private_key(), known_hosts=known_hosts(HOST, "127.0.0.1")
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetcher.fetch, f"ssh://git@127.0.0.1:{port}/x", login)
            await greeted.wait()
            tasks.cancel_scope.cancel()

        await gone.wait()
    assert ssh.statistics().open == 0


def test_a_login_that_takes_too_long_is_told_from_a_host_that_does_not_answer() -> None:
    server = SshServer("h", 22, "git", Credentials(identity=CLIENT.export_private_key()))
    client = ssh_login._prepared(server)

    assert ssh_login._explained(TimeoutError(), server, client) == (
        "cannot reach 'h:22': it does not react: a firewall or network policy may drop what is sent"
    )
    client.is_connected = True
    assert ssh_login._explained(TimeoutError(), server, client) == (
        "'h:22' accepts connections, but no login came about within 30s: the server is slow, "
        "overloaded or no ssh server"
    )


@pytest.mark.parametrize("seed", range(20))
async def test_nonsense_instead_of_a_handshake_is_no_bug_of_ours(
    seed: int, fetcher: Fetcher
) -> None:
    random = Random(seed)

    async def nonsense(stream: SocketStream) -> None:
        await stream.send(b"SSH-2.0-x\r\n")
        kind = random.choice([0, 20, 21, 31, 50, 52, 80, 255])
        body = bytes([random.randrange(16), kind]) + random.randbytes(random.randrange(4, 300))
        await stream.send(len(body).to_bytes(4, "big") + body + bytes(random.randrange(64)))
        await stream.send(random.randbytes(random.randrange(5000)))

    text = await told(fetcher, nonsense)

    assert "127.0.0.1:PORT'" in text
    assert "--ssh-" not in text or "no algorithm in common" in text
