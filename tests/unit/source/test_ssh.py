"""Git over ssh: fetching, logging in, and staying logged in."""

import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import asyncssh
import pytest
from yarl import URL

from engine.source.author import commit_files
from engine.source.failures import (
    AuthenticationFailed,
    EmptyGitRepository,
    GitOperationFailed,
    URLInvalid,
)
from engine.source.ssh import upload_pack
from engine.source.ssh_pool import SshConnections
from engine.source.ssh_server import Algorithms
from engine.source.transport import secrets_in, without_secrets
from tests.support.ssh_git import (
    CLIENT,
    SERVERS,
    STRANGER,
    SshGit,
    repository,
    serve_asyncssh,
)
from tests.unit.source.conftest import Fetcher

# OpenSSH's own server is a process for each connection.
EACH = [
    pytest.param(name, marks=pytest.mark.slow) if name.startswith("openssh") else name
    for name in SERVERS
]


@pytest.fixture(params=EACH)
async def server(request: pytest.FixtureRequest, served: Path) -> AsyncIterator[SshGit]:
    async with SERVERS[request.param](served) as found:
        yield found


async def test_a_branch_is_fetched_and_followed(server: SshGit, fetcher: Fetcher) -> None:
    first = await fetcher(server)
    second_id = commit_files(server.folder / "fleet.git", {"a.yaml": b"2"}, "x", committed_at=2)

    second = await fetcher(server)

    assert first.tree.read("a.yaml") == b"1"
    assert second.revision == f"main@sha1:{second_id}"
    assert second.tree.read("a.yaml") == b"2"


async def test_a_commit_that_is_no_tip_is_fetched_by_its_id(
    server: SshGit, fetcher: Fetcher
) -> None:
    folder = server.folder / "fleet.git"
    wanted = commit_files(folder, {"a.yaml": b"2"}, "x", committed_at=2)
    commit_files(folder, {"a.yaml": b"3"}, "x", committed_at=3)

    found = await fetcher(server, commit=wanted)

    assert found.revision == f"sha1:{wanted}"
    assert found.tree.read("a.yaml") == b"2"


async def test_an_idle_look_needs_no_new_login(
    server: SshGit, fetcher: Fetcher, ssh: SshConnections
) -> None:
    for _ in range(3):
        await fetcher(server)

    assert ssh.statistics().logins == 1
    assert ssh.statistics().idle == 1


async def test_a_repository_that_is_not_there_shows_what_the_server_says(
    server: SshGit, fetcher: Fetcher
) -> None:
    (server.folder / "fleet.git").rename(server.folder / "other.git")

    with pytest.raises(GitOperationFailed) as caught:
        await fetcher(server)

    url = server.url()
    assert str(caught.value).startswith(
        f"failed to checkout and determine revision: unable to clone '{url}': the server says: "
        f"fatal: '{server.folder}/fleet.git' does not appear to be a git repository"
    )
    assert "check the path in the URL" in str(caught.value)


async def test_a_key_that_is_not_authorized_is_named(server: SshGit, fetcher: Fetcher) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        await fetcher(server, server.credentials(STRANGER))

    assert (
        f"'127.0.0.1:{server.port}' does not let user '{server.user}' in with the key ssh-ed25519 "
        f"{STRANGER.get_fingerprint()}: add its public key to the repository's deploy keys, or "
        "correct 'identity' in the Secret named by spec.secretRef" in str(caught.value)
    )


async def test_an_empty_repository_is_called_so(server: SshGit, fetcher: Fetcher) -> None:
    repository(server.folder, "empty.git")

    with pytest.raises(EmptyGitRepository, match="git repository is empty: push a first commit"):
        await fetcher.fetch(server.url("empty.git"), server.credentials())


async def test_a_path_with_metacharacters_is_a_path(server: SshGit, fetcher: Fetcher) -> None:
    witness = fetcher.folder.name
    name = f'it\'s; touch {witness} $(touch {witness}) `touch {witness}` !x \\ "q" %.git'
    folder = repository(server.folder, name)
    commit_files(folder, {"a.yaml": b"q"}, "x", committed_at=1)

    url = server.url(name.replace("%", "%25"))
    found = await fetcher.fetch(url, server.credentials())

    assert found.tree.read("a.yaml") == b"q"
    assert not await anyio.Path(witness).exists()
    assert not await (await anyio.Path("~", witness).expanduser()).exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521", "ssh-rsa"]
)
@pytest.mark.parametrize("name", [name for name in SERVERS if "version" not in name])
async def test_every_type_of_key_logs_in(
    name: str, kind: str, served: Path, fetcher: Fetcher
) -> None:
    key = asyncssh.generate_private_key(kind)
    async with SERVERS[name](served, authorized=[key], host_key=key) as server:
        found = await fetcher(server, server.credentials(key))

    assert found.tree.read("a.yaml") == b"1"


async def test_blanks_around_a_key_do_no_harm(served: Path, fetcher: Fetcher) -> None:
    identity = b"\r\n  " + CLIENT.export_private_key().replace(b"\n", b"\r\n").rstrip()
    async with serve_asyncssh(served) as server:
        found = await fetcher(server, replace(server.credentials(), identity=identity))

    assert found.tree.read("a.yaml") == b"1"


@pytest.mark.parametrize(
    "form",
    [
        {"format_name": "pkcs8-pem"},
        pytest.param({"format_name": "openssh", "rounds": 50}, marks=pytest.mark.slow),
    ],
    ids=str,
)
async def test_a_passphrase_opens_the_key(
    form: dict[str, Any], served: Path, fetcher: Fetcher
) -> None:
    identity = CLIENT.export_private_key(**form, passphrase="s3cret")
    async with serve_asyncssh(served) as server:
        login = replace(server.credentials(), identity=identity, password="s3cret")
        found = await fetcher(server, login)
        with pytest.raises(AuthenticationFailed, match="no 'password' field was provided"):
            await fetcher(server, replace(login, password=""))
        with pytest.raises(AuthenticationFailed, match="'password' does not open 'identity'"):
            await fetcher(server, replace(login, password="wrong"))

    assert found.tree.read("a.yaml") == b"1"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"identity": b""}, "'identity' is required"),
        ({"known_hosts": b""}, "'known_hosts' is required"),
        ({"identity": b"s3cret"}, "is no private key: it must be the whole file"),
        ({"identity": CLIENT.export_public_key()}, "not the one that ends in .pub"),
        ({"identity": b"-----BEGIN (s3cret PRIVATE KEY-----\nAAAA\n"}, "is no private key"),
        ({"known_hosts": b"s3cret"}, "line 1 of 'known_hosts' in the Secret"),
    ],
)
async def test_a_secret_that_does_not_do_is_described_and_never_quoted(
    changes: dict[str, bytes], problem: str, served: Path, fetcher: Fetcher
) -> None:
    async with serve_asyncssh(served) as server:
        with pytest.raises(AuthenticationFailed) as caught:
            await fetcher(server, replace(server.credentials(), **changes))

        assert problem in str(caught.value)
        assert "s3cret" not in str(caught.value)
        assert not server.logins


async def test_what_the_machine_has_for_ssh_is_never_used(
    served: Path, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "home" / ".ssh"
    own.mkdir(parents=True)
    (own / "id_ed25519").write_bytes(CLIENT.export_private_key())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    async with serve_asyncssh(served) as server:
        (own / "known_hosts").write_bytes(server.known_hosts)
        (own / "config").write_text("Host *\n  StrictHostKeyChecking no\n  User root\n")
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(str(tmp_path / "agent"))
            agent.listen()
            agent.setblocking(False)
            with pytest.raises(AuthenticationFailed, match="does not let user 'git' in"):
                await fetcher(server, server.credentials(STRANGER))
            with pytest.raises(AuthenticationFailed, match=r"the host key of .* is not known"):
                await fetcher(server, server.credentials(known=b"# nothing\n"))

            with pytest.raises(BlockingIOError):
                agent.accept()


async def test_a_container_whose_user_has_no_name_can_log_in(
    served: Path, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    async with serve_asyncssh(served) as server:
        assert (await fetcher(server)).tree.read("a.yaml") == b"1"


async def test_a_connection_is_shared_only_by_who_has_the_same_credentials(
    served: Path, fetcher: Fetcher, ssh: SshConnections
) -> None:
    async with serve_asyncssh(served, authorized=[CLIENT, STRANGER]) as server:
        await fetcher(server)
        await fetcher(server, server.credentials(STRANGER))
        await fetcher(server, server.credentials(known=server.known_hosts + b"# other\n"))
        await fetcher(server)

        assert len(server.logins) == ssh.statistics().logins == 3


async def test_many_who_begin_at_once_log_in_once(
    served: Path, fetcher: Fetcher, ssh: SshConnections
) -> None:
    async with serve_asyncssh(served) as server:
        await fetcher(server)
        server.connections[0].abort()
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(fetcher, server)

        assert ssh.statistics().logins == 2
        assert ssh.statistics().open == 1


async def test_who_waits_for_a_login_that_fails_hears_why(
    served: Path, fetcher: Fetcher, ssh: SshConnections
) -> None:
    texts: list[str] = []

    async def try_it() -> None:
        with pytest.raises(AuthenticationFailed) as caught:
            await fetcher(server, server.credentials(STRANGER))
        texts.append(str(caught.value))

    async with serve_asyncssh(served) as server:
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(try_it)

        assert len(texts) == 8
        assert len(set(texts)) == 1
        assert ssh.statistics().logins < 8


async def test_a_connection_that_the_server_has_cut_is_opened_again(
    served: Path, fetcher: Fetcher, ssh: SshConnections
) -> None:
    async with serve_asyncssh(served) as server:
        await fetcher(server)
        server.connections[0].abort()

        found = await fetcher(server)

    assert found.tree.read("a.yaml") == b"1"
    assert ssh.statistics().logins == 2


async def test_a_connection_that_does_not_react_any_more_is_given_up(
    served: Path, fetcher: Fetcher
) -> None:
    async with SshConnections(patience=0.05) as ssh, serve_asyncssh(served) as server:
        fetcher.tools = replace(fetcher.tools, ssh=ssh)
        await fetcher(server)
        transport = server.connections[0]._transport
        assert transport
        transport.pause_reading()

        found = await fetcher(server)

        assert found.tree.read("a.yaml") == b"1"
        assert ssh.statistics().logins == 2
        assert ssh.statistics().open == 1


async def test_a_connection_that_nobody_uses_is_closed_in_time(
    served: Path, fetcher: Fetcher
) -> None:
    async with SshConnections(keep=0.001) as ssh, serve_asyncssh(served) as server:
        fetcher.tools = replace(fetcher.tools, ssh=ssh)
        await fetcher(server)

        await server.closed.wait()
        assert ssh.statistics().open == 0


async def test_who_gives_up_leaves_nothing_open(
    served: Path, fetcher: Fetcher, ssh: SshConnections
) -> None:
    begun = anyio.Event()

    async def hang(process: asyncssh.SSHServerProcess[bytes]) -> None:
        begun.set()
        await process.stdin.read()

    async with serve_asyncssh(served, process_factory=hang) as server:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetcher, server)
            await begun.wait()
            tasks.cancel_scope.cancel()

        assert ssh.statistics().open == 0
        await server.closed.wait()


@pytest.mark.parametrize(
    ("algorithms", "problem"),
    [
        (Algorithms(kex=("ecdh-sha2-nistp256",)), "no algorithm in common"),
        (Algorithms(host_keys=("ecdsa-sha2-nistp256",)), "no algorithm in common"),
        (Algorithms(kex=("none-such",)), "correct --ssh-kex-algos"),
        (Algorithms(host_keys=("none-such",)), "correct --ssh-kex-algos or --ssh-hostkey-algos"),
    ],
)
async def test_only_the_algorithms_that_are_allowed_are_used(
    algorithms: Algorithms, problem: str, served: Path, fetcher: Fetcher
) -> None:
    async with (
        SshConnections(algorithms) as ssh,
        serve_asyncssh(served, kex_algs=["curve25519-sha256"]) as server,
    ):
        fetcher.tools = replace(fetcher.tools, ssh=ssh)
        with pytest.raises(GitOperationFailed, match=problem):
            await fetcher(server)


async def test_allowed_algorithms_that_both_have_are_used(served: Path, fetcher: Fetcher) -> None:
    allowed = Algorithms(("curve25519-sha256",), ("ssh-ed25519",))
    async with SshConnections(allowed) as ssh, serve_asyncssh(served) as server:
        fetcher.tools = replace(fetcher.tools, ssh=ssh)
        assert (await fetcher(server)).tree.read("a.yaml") == b"1"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ssh://-oProxyCommand=touch@h/x", "strange user name '-oProxyCommand=touch'"),
        ("ssh://git@-oProxyCommand=x/y", "strange host name '-oproxycommand=x'"),
        ("ssh://git@h/", "the URL names no repository"),
        ("ssh://git@h", "the URL names no repository"),
        ("ssh://git@h/x%0Ay", "strange path '/x y'"),
        ("ssh://git@h/x%00y", r"strange path '/x\?y'"),
        ("ssh://git@h/x?y", "write them as %3F and %23"),
        ("ssh://git@h/x#y", "write them as %3F and %23"),
        ("ssh://gi%20t@h/x", "strange user name 'gi t'"),
        ("ssh://git@h;touch/x", "strange host name 'h;touch'"),
        (f"ssh://git@{'a' * 64}.com/x", "strange host name 'aaa"),
        ("ssh://", "invalid URL|cannot be fetched"),
    ],
)
async def test_cve_pysec_2017_12_a_url_that_could_be_an_option_is_refused(
    url: str, problem: str, fetcher: Fetcher, ssh: SshConnections
) -> None:
    with pytest.raises(URLInvalid, match=problem):
        await fetcher.fetch(url, SshGit(Path("/x"), CLIENT).credentials())

    assert ssh.statistics().logins == 0


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("ssh://git@h/org/repo.git", "git-upload-pack '/org/repo.git'"),
        ("ssh://h/~me/repo", "git-upload-pack '~me/repo'"),
        ("ssh://h/-x", "git-upload-pack '/-x'"),
        ("ssh://h/a%20b", "git-upload-pack '/a b'"),
        ("ssh://h/it's!", "git-upload-pack '/it'\\''s'\\!''"),
    ],
)
def test_a_path_is_quoted_as_git_does(url: str, command: str) -> None:
    assert upload_pack(URL(url)) == command


def test_the_user_of_an_ssh_url_is_shown_and_its_password_is_not() -> None:
    url = "ssh://git:s3cret@h/x"

    assert without_secrets(f"a {url} b ssh://git@h") == "a ssh://git:***@h/x b ssh://git@h"
    assert secrets_in(url) == ("s3cret",)
    assert secrets_in("ssh://git@h/x") == ()
