"""What GnuPG 2.3 and later make for keys of their own: pieces in OCB, each with a tag."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESOCB3
from pysequoia import ArmorKind, CipherSuite, Tsk, armor

from engine.plugin import KeyRing, KeyUnavailable
from engine.sops import MasterKey
from plugins.decryptors.pgp import open_key
from tests.support.openpgp import (
    SESSION,
    compressed,
    deflated,
    literal,
    packet,
    session_packet,
)
from tests.support.sops import GnuPg

NO_CONTEXT: Final[Any] = None  # it needs none: no network, no clock
DATA: Final = b"0123456789abcdef0123456789abcdef"
START: Final = bytes(range(100, 115))
AES256, OCB, EAX = 9, 2, 1


@cache
def key() -> Tsk:
    return Tsk.generate("anna <anna@example.com>", cipher_suite=CipherSuite.RSA2k)


def ring() -> KeyRing:
    return KeyRing({"anna.asc": str(key()).encode()})


def pieces(content: bytes, size: int, mode: int = OCB, total: int | None = None) -> bytes:
    """The body of the packet.  total: how many bytes it says that there are, else as many."""
    head, step = bytes((1, AES256, mode, size)), 1 << (size + 6)
    about, way = bytes((0xC0 | 20,)) + head, AESOCB3(SESSION)

    def nonce(number: int) -> bytes:
        return (int.from_bytes(START) ^ number).to_bytes(15)

    parts = [content[at : at + step] for at in range(0, len(content), step)]
    sealed = [
        way.encrypt(nonce(number), part, about + number.to_bytes(8))
        for number, part in enumerate(parts)
    ]
    end = about + len(parts).to_bytes(8) + (len(content) if total is None else total).to_bytes(8)
    return head + START + b"".join(sealed) + way.encrypt(nonce(len(parts)), b"", end)


def message(body: bytes) -> MasterKey:
    public = key().extract_certificate()
    text = armor(session_packet(public, AES256) + packet(20, body), ArmorKind.Message)
    return MasterKey("pgp", public.fingerprint.upper(), text)


@pytest.mark.parametrize("size", [0, 16], ids=["pieces of 64 bytes", "one piece"])
@pytest.mark.parametrize("is_compressed", [True, False])
async def test_what_gnupg_seals_for_its_own_keys_is_opened(size: int, is_compressed: bool) -> None:
    content = literal(DATA * 3)
    body = pieces(compressed(deflated(content)) if is_compressed else content, size)

    assert await open_key(message(body), ring(), NO_CONTEXT) == DATA * 3


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
def test_gnupg_opens_what_these_tests_make(tmp_path: Path) -> None:
    gnupg = GnuPg(tmp_path)
    tmp_path.chmod(0o700)
    try:
        gnupg.run("--import", content=str(key()).encode())
        for size in (0, 16):
            sealed = message(pieces(literal(DATA * 3), size)).encrypted
            assert gnupg.run("--decrypt", content=sealed.encode()) == DATA * 3
    finally:
        gnupg.stop()


@pytest.mark.parametrize("what", ["a bit", "the order", "the end", "the length"])
async def test_what_was_changed_is_refused(what: str) -> None:
    body = pieces(literal(DATA * 3), 0)
    changed = {
        "a bit": body[:30] + bytes((body[30] ^ 1,)) + body[31:],
        "the order": body[:19] + body[99:] + body[19:99],
        "the end": body[:99] + body[-16:],
        "the length": pieces(literal(DATA * 3), 0, total=1),
    }

    with pytest.raises(KeyUnavailable, match="the message is damaged; tried the keys"):
        await open_key(message(changed[what]), ring(), NO_CONTEXT)


@pytest.mark.parametrize("mode", [EAX, 9])
async def test_of_another_mode_the_error_says_what_to_do(mode: int) -> None:
    body = pieces(literal(DATA), 0, mode)

    with pytest.raises(KeyUnavailable) as refused:
        await open_key(message(body), ring(), NO_CONTEXT)

    assert "known is OCB with AES): set `rfc4880` in gpg.conf and encrypt" in str(refused.value)
