"""How much work it is to try a passphrase on a private key: the key itself says so.

Nobody can end a thread that does it, so a key that asks for hours is refused before.
Source: openssh PROTOCOL.key (bcrypt_pbkdf), RFC 8018 (PBES2).
"""

import binascii
import re
from typing import Any

from asyncssh.asn1 import der_decode_partial
from asyncssh.packet import SSHPacket

from engine.source.failures import AuthenticationFailed, GitError

_MOST_ROUNDS = 1000
"""Of bcrypt, some 10 ms each: `ssh-keygen` takes 24, `-a 100` is often advised."""
_MOST_ITERATIONS = 10_000_000  # of PBKDF2, some 0.5 us each; OWASP advises 600000
_MAGIC = b"openssh-key-v1\0"
_BEGIN = re.compile(rb"(?m)^-----BEGIN (?:[^\n]* )?PRIVATE KEY-----[^\S\n]*$")


def check_work(identity: bytes) -> None:
    """Raises GitError if a passphrase would take too long; silent on what is no key."""
    try:
        rounds, most = _work(_content(identity))
    except (
        Exception
    ):  # the parsers raise whatever the bytes lead to; who opens it says what is wrong
        return
    if rounds > most:
        raise GitError(
            f"'identity' asks for {rounds} rounds to try a passphrase, more than the {most} "
            "allowed: write it anew with `ssh-keygen -p -a 100`",
            AuthenticationFailed,
        )


def _content(identity: bytes) -> bytes:
    """The first key in a file, as the library takes it."""
    if identity.startswith(b"0"):  # DER
        return identity
    begin = _BEGIN.search(identity)
    if begin is None:
        return b""
    body = identity[begin.end() :].partition(b"-----END")[0]
    lines = [line for line in body.splitlines() if b":" not in line]
    return binascii.a2b_base64(b"".join(lines))


def _work(content: bytes) -> tuple[int, int]:
    """(rounds, how many may be)."""
    if content.startswith(_MAGIC):
        packet = SSHPacket(content[len(_MAGIC) :])
        _cipher, _kind, options = (packet.get_string() for _ in range(3))
        if not options:
            return 0, _MOST_ROUNDS
        asked = SSHPacket(options)
        asked.get_string()  # the salt
        return asked.get_uint32(), _MOST_ROUNDS
    found: Any = der_decode_partial(content)[0]
    is_encrypted = len(found) == 2 and isinstance(found[1], bytes)
    return _largest(found[0]) if is_encrypted else 0, _MOST_ITERATIONS


def _largest(item: Any) -> int:
    """The largest number in what was decoded: of all that encryption takes, the iterations."""
    if isinstance(item, tuple):
        return max(map(_largest, item), default=0)
    return item if isinstance(item, int) else 0
