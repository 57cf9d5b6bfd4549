"""Private keys that ask for more work than anybody has time for."""

import base64

import asyncssh
import pytest
from asyncssh.asn1 import ObjectIdentifier, der_encode
from asyncssh.packet import String, UInt32

from engine.source.credentials import Credentials
from engine.source.failures import AuthenticationFailed, GitError
from engine.source.ssh_login import logged_in
from engine.source.ssh_passphrase import check_work
from engine.source.ssh_server import Algorithms, SshServer

KEY = asyncssh.generate_private_key("ssh-ed25519")


def pem(name: str, content: bytes) -> bytes:
    body = base64.encodebytes(content).decode()
    return f"-----BEGIN {name}-----\n{body}-----END {name}-----\n".encode()


def openssh(rounds: int) -> bytes:
    options = String(String(bytes(16)) + UInt32(rounds))
    head = b"openssh-key-v1\0" + String("aes256-ctr") + String("bcrypt") + options
    public = String(KEY.public_data)
    content = head + UInt32(1) + public + String(bytes(160))
    return pem("OPENSSH PRIVATE KEY", content)


def pkcs8(iterations: int) -> bytes:
    sha, aes = ObjectIdentifier("1.2.840.113549.2.9"), ObjectIdentifier("2.16.840.1.101.3.4.1.42")
    derived = ObjectIdentifier("1.2.840.113549.1.5.12"), (bytes(8), iterations, (sha, None))
    scheme = ObjectIdentifier("1.2.840.113549.1.5.13"), (derived, (aes, bytes(16)))
    return der_encode((scheme, bytes(64)))


HOSTILE = [
    openssh(2**32 - 1),
    b"a comment\n" + openssh(1001),
    pem("ENCRYPTED PRIVATE KEY", pkcs8(2**31)),
    pkcs8(2**40),
]


@pytest.mark.parametrize("identity", HOSTILE, ids=["bcrypt", "bcrypt, few", "PBKDF2", "DER"])
async def test_a_key_that_asks_for_hours_is_refused_at_once(identity: bytes) -> None:
    """A thread cannot be ended: forty such Secrets would leave the engine without one."""
    login = Credentials(password="x", identity=identity, known_hosts=b"h ssh-ed25519 AAAA")

    with pytest.raises(GitError, match=r"rounds to try a passphrase.*ssh-keygen -p") as caught:
        await logged_in(SshServer("192.0.2.1", 22, "git", login), Algorithms())

    assert caught.value.failure is AuthenticationFailed


@pytest.mark.parametrize(
    "identity",
    [
        openssh(1000),
        pkcs8(10_000_000),
        KEY.export_private_key("openssh"),
        KEY.export_private_key("pkcs8-pem"),
        asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_private_key("pkcs1-pem"),
        b"",
        b"no key",
        pem("OPENSSH PRIVATE KEY", b"openssh-key-v1\0\xff"),
        b"0" * 5000,
    ],
    ids=range(9),
)
def test_all_else_is_left_to_who_opens_it(identity: bytes) -> None:
    check_work(identity)
