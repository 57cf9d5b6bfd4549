"""OpenPGP data that unpacks to a million times its size costs neither memory nor time."""

import hashlib
import resource
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import Camellia
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from pysequoia import ArmorKind, CipherSuite, Tsk, armor

from engine.plugin import KeyRing, KeyUnavailable
from engine.sops import MasterKey
from plugins.decryptors.pgp import held, open_key
from tests.support.openpgp import (
    SESSION,
    compressed,
    deflated,
    literal,
    packet,
    session_packet,
)

NO_CONTEXT: Final[Any] = None  # it needs none: no network, no clock
MEBIBYTE: Final = 2**20
UNPACKED: Final = 512 * MEBIBYTE
CIPHERS: Final[dict[str, tuple[int, Callable[[bytes], Any]]]] = {
    "one that is opened here": (9, AES),
    "one that is opened by a child": (13, Camellia),
}


def bomb() -> bytes:
    """Packets of some kilobytes that unpack to UNPACKED."""
    way = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = way.compress(b"\xcb\xff" + UNPACKED.to_bytes(4) + b"b\0\0\0\0\0")
    head += way.flush(zlib.Z_FULL_FLUSH)
    piece = way.compress(bytes(MEBIBYTE)) + way.flush(zlib.Z_FULL_FLUSH)  # may be repeated
    return compressed(deflated(compressed(head + piece * 512 + way.flush())))


def sealed(key: Tsk, content: bytes, cipher: str) -> MasterKey:
    """The packets sealed for the key's subkey for encryption, as gpg does."""
    public = key.extract_certificate()
    algorithm, make = CIPHERS[cipher]
    plain = bytes(18) + content + b"\xd3\x14"
    plain += hashlib.sha1(plain, usedforsecurity=False).digest()
    encryptor = Cipher(make(SESSION), CFB(bytes(16))).encryptor()
    body = b"\1" + encryptor.update(plain) + encryptor.finalize()
    message = session_packet(public, algorithm) + packet(18, body)
    return MasterKey("pgp", public.fingerprint.upper(), armor(message, ArmorKind.Message))


@cache
def rsa() -> tuple[Tsk, KeyRing]:
    key = Tsk.generate("anna <anna@example.com>", cipher_suite=CipherSuite.RSA2k)
    return key, KeyRing({"anna.asc": str(key).encode()})


def peak() -> int:
    """The most bytes that this process or a child of it ever had."""
    both = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return max(resource.getrusage(which).ru_maxrss for which in both) * 1024


@pytest.mark.parametrize("cipher", CIPHERS)
async def test_a_message_of_each_cipher_is_opened(cipher: str) -> None:
    key, ring = rsa()
    content = literal(bytes(32))

    for each in (content, compressed(deflated(content))):
        assert await open_key(sealed(key, each, cipher), ring, NO_CONTEXT) == bytes(32)


@pytest.mark.parametrize("cipher", CIPHERS)
async def test_a_message_that_unpacks_without_end_is_refused(cipher: str) -> None:
    key, ring = rsa()
    message = sealed(key, bomb(), cipher)
    before = peak()

    with pytest.raises(KeyUnavailable) as refused:
        await open_key(message, ring, NO_CONTEXT)

    assert peak() - before < UNPACKED // 2
    assert f"OpenPGP key '{message.recipient}'" in str(refused.value)
    assert "encrypt the file anew with sops" in str(refused.value)


@pytest.mark.parametrize("armored", [True, False])
async def test_a_key_file_that_unpacks_without_end_is_refused(armored: bool) -> None:
    key, ring = rsa()
    content = literal(bytes(32))
    text = armor(bomb(), ArmorKind.SecretKey).encode() if armored else bomb()
    both = KeyRing({**ring.values, "bomb.asc": text})
    before = peak()

    assert len(held(both)) == len(held(ring)) > 0
    message = sealed(key, content, "one that is opened here")
    assert await open_key(message, both, NO_CONTEXT) == bytes(32)
    with pytest.raises(KeyUnavailable, match="packet of kind 8, which is no part of a key"):
        await open_key(message, KeyRing({"bomb.asc": text}), NO_CONTEXT)
    assert peak() - before < UNPACKED // 2


async def test_a_message_that_is_not_encrypted_is_not_unpacked() -> None:
    _, ring = rsa()
    text = armor(bomb(), ArmorKind.Message)
    before = peak()

    with pytest.raises(KeyUnavailable, match="the message is none that is encrypted"):
        await open_key(MasterKey("pgp", "A", text), ring, NO_CONTEXT)

    assert peak() - before < UNPACKED // 2


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_secret_full_of_beginnings_holds_nobody_up(end: bytes) -> None:
    """It is looked at by the event loop itself."""
    text = (b"-----BEGIN PGP PRIVATE KEY BLOCK-----" + end) * 25_000

    assert held(KeyRing({"a.asc": text})) == frozenset()


async def test_of_too_many_keys_the_rest_is_not_tried() -> None:
    key, ring = rsa()
    body = b"\4" + bytes(4) + b"\1" + b"\0\x10\xff\xff" + b"\0\2\3"
    many = packet(6, body) + packet(14, body) * 1_990
    both = KeyRing({**ring.values, "b.asc": many, "c.asc": many})
    message = sealed(key, literal(bytes(32)), "one that is opened here")

    assert await open_key(message, both, NO_CONTEXT) == bytes(32)
    with pytest.raises(KeyUnavailable, match="more than 2000 packets of keys in all"):
        await open_key(message, KeyRing({"b.asc": many, "c.asc": many}), NO_CONTEXT)
