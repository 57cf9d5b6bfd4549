"""Which servers are trusted: `known_hosts` as OpenSSH writes it, and what is said of others."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from engine.source.failures import AuthenticationFailed, GitError
from engine.source.ssh_hosts import trusted
from tests.support.ssh_git import (
    CLIENT,
    HOST,
    STRANGER,
    SshGit,
    known_hosts,
    serve_asyncssh,
)
from tests.unit.source.conftest import Fetcher

RSA = asyncssh.generate_private_key("ssh-rsa")


def hashed(host: str) -> str:
    """The host as `ssh-keygen -H` writes it."""
    salt = b"0123456789abcdef0123"
    digest = hmac.new(salt, host.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


Lines = Callable[[SshGit], bytes]


def at(hosts: str, key: asyncssh.SSHKey = HOST) -> Lines:
    """A line of `known_hosts`; PORT stands for the server's."""
    return lambda server: known_hosts(key, hosts.replace("PORT", str(server.port)))


@pytest.mark.parametrize(
    "lines",
    [
        at("[127.0.0.1]:PORT"),
        at("127.0.0.1"),  # as OpenSSH, where nothing is said of the port
        at("other.example.com,[127.0.0.1]:PORT"),
        at("[127.0.0.*]:PORT"),
        lambda server: known_hosts(HOST, hashed(f"[127.0.0.1]:{server.port}")),
        lambda server: (
            b"# ours\n\n" + at("[127.0.0.1]:PORT", STRANGER)(server) + server.known_hosts
        ),
        lambda server: server.known_hosts.replace(b"\n", b"\r\n"),
        lambda server: server.known_hosts.rstrip() + b" a comment\n",
    ],
    ids=("plain", "other-port", "list", "wildcard", "hashed", "several", "crlf", "comment"),
)
async def test_a_known_key_is_trusted(lines: Lines, served: Path, fetcher: Fetcher) -> None:
    async with serve_asyncssh(served) as server:
        found = await fetcher(server, server.credentials(known=lines(server)))

    assert found.tree.read("a.yaml") == b"1"


NEW = (
    "the host key of '127.0.0.1:PORT' is not known: it offers ssh-ed25519 "
    f"{HOST.get_fingerprint()}, and 'known_hosts' has no entry for '[127.0.0.1]:PORT': compare it "
    "with what the host's operator publishes, then add the line '[127.0.0.1]:PORT "
    f"{HOST.export_public_key().decode().strip()}' (key 'known_hosts' of the Secret named by "
    "spec.secretRef)"
)
CHANGED = (
    "the host key of '127.0.0.1:PORT' is not the one that is known: it offers ssh-ed25519 "
    f"{HOST.get_fingerprint()}, and 'known_hosts' has ssh-ed25519 {STRANGER.get_fingerprint()}: "
    "somebody may be in between"
)
REVOKED = "the host key of '127.0.0.1:PORT' must not be used: it is revoked in 'known_hosts'"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (lambda _: b"# nothing\n", NEW),
        (at("github.com"), NEW),
        (at("github.com,"), NEW),
        (at("[127.0.0.1]:1"), NEW),
        (at("!127.0.0.1,*.1"), NEW),
        (lambda _: known_hosts(HOST, hashed("github.com")), NEW),
        (at("@cert-authority *"), NEW),
        (at("[127.0.0.1]:PORT", STRANGER), CHANGED),
        (at("127.0.0.1", STRANGER), CHANGED),
        (at("[127.0.0.1]:PORT", RSA), "and 'known_hosts' has ssh-rsa "),
        (lambda server: server.known_hosts + at("@revoked *")(server), REVOKED),
        (lambda server: server.known_hosts + at("@revoked 127.0.0.1")(server), REVOKED),
        (lambda server: at("127.0.0.1")(server) + at("@revoked [127.0.0.1]:PORT")(server), REVOKED),
    ],
    ids=(
        *("nothing", "other-host", "empty-name", "port", "negated", "hashed", "authority"),
        *("changed", "changed-other-port", "changed-type"),
        *("revoked-everywhere", "revoked-host", "revoked-port"),
    ),
)
async def test_cve_2025_23390_a_key_that_is_not_known_ends_it_before_the_login(
    lines: Lines, problem: str, served: Path, fetcher: Fetcher
) -> None:
    async with serve_asyncssh(served) as server:
        with pytest.raises(AuthenticationFailed) as caught:
            await fetcher(server, server.credentials(known=lines(server)))

        assert problem.replace("PORT", str(server.port)) in str(caught.value)
        assert not server.logins


async def test_a_server_with_several_keys_shows_the_one_that_is_known(
    served: Path, fetcher: Fetcher
) -> None:
    async with serve_asyncssh(served, host_key=HOST) as first:
        both = [HOST, RSA]
        async with serve_asyncssh(served, server_host_keys=both) as server:
            known = at("[127.0.0.1]:PORT", RSA)(server)
            found = await fetcher(server, first.credentials(known=known))

    assert found.tree.read("a.yaml") == b"1"


@pytest.mark.parametrize(
    ("authority", "names", "problem"),
    [
        (STRANGER, ["127.0.0.1"], ""),
        (CLIENT, ["127.0.0.1"], "is signed by an authority that is not known (ssh-ed25519 SHA256:"),
        (STRANGER, ["elsewhere"], "a certificate that is for another host or not valid now"),
    ],
)
async def test_an_authority_speaks_for_the_hosts_whose_keys_it_signed(
    authority: asyncssh.SSHKey, names: list[str], problem: str, served: Path, fetcher: Fetcher
) -> None:
    certificate = authority.generate_host_certificate(HOST, "host", principals=names)
    async with serve_asyncssh(served, server_host_keys=[(HOST, certificate)]) as server:
        login = server.credentials(known=at("@cert-authority *", STRANGER)(server))
        if not problem:
            assert (await fetcher(server, login)).tree.read("a.yaml") == b"1"
            return
        with pytest.raises(AuthenticationFailed) as caught:
            await fetcher(server, login)

        assert problem in str(caught.value)
        assert not server.logins


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        ("GitHub.com", "github.com", 22),
        ("[github.com]:22", "github.com", 22),
        ("[2001:db8::1]:2222", "2001:db8::1", 2222),
        ("2001:db8::1", "2001:db8::1", 22),
    ],
)
def test_a_host_may_be_written_in_several_ways(line: str, host: str, port: int) -> None:
    found = trusted(known_hosts(HOST, line), host, port)

    assert [key.get_fingerprint() for key in found.keys] == [HOST.get_fingerprint()]


@pytest.mark.parametrize(
    "text",
    ["github.com", known_hosts(HOST, "|1|x|y").decode().strip(), "@s3cret x ssh-ed25519 AAAA"],
    ids=("cut-off", "hash", "marker"),
)
def test_a_line_that_cannot_be_read_is_numbered_and_not_quoted(text: str) -> None:
    with pytest.raises(GitError, match=r"line 2 of 'known_hosts' .* cannot be read") as caught:
        trusted(f"# ours\n{text}\n".encode(), "github.com", 22)

    assert text not in str(caught.value)


def test_a_megabyte_of_known_hosts_is_not_read() -> None:
    with pytest.raises(GitError, match="more than 128 KiB of known hosts"):
        trusted(known_hosts(HOST, "github.com") * 5_000, "github.com", 22)
