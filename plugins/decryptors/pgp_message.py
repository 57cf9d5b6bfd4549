"""OpenPGP messages opened within bounds, also by a subkey that expired, as gpg, and so Flux, does.

pysequoia opens more kinds of them, but unpacks what is compressed without an end, and nothing
sealed for an expired key.
Source: RFC 9580 sections 5.6 to 5.13; RFC 4880 section 5.13; draft-koch-librepgp section 5.16.
"""

import bz2
import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESOCB3
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap
from pysequoia.packet import Packet

from plugins.decryptors.pgp_packets import Bytes, packet_of, packets_of
from plugins.decryptors.pgp_session import Sealed, SessionKey, Unknown, session_key

_SESSION_KEY: Final = 1
_SEALED: Final = 18
_COMPRESSED: Final = 8
_LITERAL: Final = 11
_SEALED_BY_GNUPG: Final = 20
_CONTENTS: Final = (_SEALED, _SEALED_BY_GNUPG)
_AROUND: Final = (_SESSION_KEY, 3, 10, 21)
"""What may stand beside: other session keys, marker, padding."""
_DAMAGED: Final = (
    ValueError, IndexError, ArithmeticError, OSError, EOFError, zlib.error, InvalidUnwrap,
    InvalidTag,
)  # fmt: skip
_AES: Final = {7: 16, 8: 24, 9: 32}  # {algorithm: bytes of its key}
_Aead: TypeAlias = type[AESOCB3] | type[AESGCM]
_OCB: Final = 2
_AEADS: Final[Mapping[int, tuple[_Aead, int]]] = {_OCB: (AESOCB3, 15), 3: (AESGCM, 12)}
# {mode: (how, bytes of its nonce)}
_TAG: Final = 16  # bytes
_LARGEST_OF_GNUPG: Final = 56  # of a piece, as the packet says it
_MAX_WAYS: Final = 16
"""Pairs of a sealed session key and a key with that name; an attempt with RSA may take 0.1 s."""
_MAX_BYTES: Final = 64 * 1024
"""Of a message's content; a data key has 32."""


class TooLarge(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """What the message holds becomes too large."""

    def __init__(self) -> None:
        super().__init__(
            f"what it holds unpacks to more than {_MAX_BYTES // 1024} KiB, and a data key has 32 "
            "bytes: it is no data key; encrypt the file anew with sops"
        )


class Unopened(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """The message cannot be opened, and by nothing else either."""


def opened(message: bytes, keys: Iterable[Packet]) -> bytes:
    """The content of a message, opened by the first of the keys that it names.

    message: not armored.  Raises TooLarge; Unopened; Unknown if another program may open it.
    """
    try:
        packets = list(packets_of(message))
        if any(tag not in (*_AROUND, *_CONTENTS) for tag, _ in packets):
            raise Unopened("the message is none that is encrypted")
        sealed = [Sealed.of(body) for tag, body in packets if tag == _SESSION_KEY]
        ways = [(each, key) for key in keys for each in sealed if _names(each, key)]
        if not ways and all(each.recipient for each in sealed):
            raise Unopened("the message is for other keys")
        contents = [packet for packet in packets if packet[0] in _CONTENTS]
        if not ways or len(contents) != 1:
            raise Unknown("the message is of a kind that is not known")
        return _by_one(ways[:_MAX_WAYS], contents[0])
    except _DAMAGED as error:
        raise Unopened("the message is damaged") from error


def _names(sealed: Sealed, key: Packet) -> bool:
    return sealed.is_for(key.fingerprint or "")


def _by_one(ways: Iterable[tuple[Sealed, Packet]], content: tuple[int, bytes]) -> bytes:
    """By the first of them that opens it.  Raises Unknown, Unopened, and what is of _DAMAGED."""
    problem: Exception = ValueError("there is no key")
    for sealed, key in ways:
        try:
            return _literal(_unsealed(content, session_key(sealed, key)))
        except (*_DAMAGED, UnsupportedAlgorithm, Unknown) as error:
            problem = Unknown(str(error)) if isinstance(error, UnsupportedAlgorithm) else error
    raise problem


def _unsealed(content: tuple[int, bytes], session: SessionKey) -> bytes:
    """The packets inside.  Raises ValueError, InvalidTag, Unknown, Unopened."""
    tag, body = content
    data = Bytes(body)
    if tag == _SEALED_BY_GNUPG:
        return _by_gnupg(data, session)
    version = data.number(1)
    if version == 1 and session.cipher:
        return _checked(data.rest(), session.key)
    if version == 2 and not session.cipher:
        return _authentic(data, session.key)
    raise Unknown("the message has no integrity protection of a kind that is known")


def _checked(sealed: bytes, key: bytes) -> bytes:
    """What has its digest at its end.  Raises ValueError."""
    decryptor = Cipher(AES(key), CFB(bytes(16))).decryptor()
    plain = decryptor.update(sealed) + decryptor.finalize()
    body, digest = plain[:-20], plain[-20:]
    known = hashlib.sha1(body, usedforsecurity=False).digest()  # the format's own
    if len(body) < 20 or body[-2:] != b"\xd3\x14" or not hmac.compare_digest(digest, known):
        raise ValueError("the message was changed")
    return body[18:-2]


def _authentic(data: Bytes, session: bytes) -> bytes:
    """What is sealed in pieces, each with a tag.  Raises ValueError, InvalidTag, Unknown."""
    cipher, mode, size = data.number(1), data.number(1), data.number(1)
    if cipher not in _AES or mode not in _AEADS or size > 16:
        raise Unknown("the message is encrypted with a cipher that is not known")
    about = bytes((0xC0 | _SEALED, 2, cipher, mode, size))
    make, nonce_bytes = _AEADS[mode]
    count = _AES[cipher]
    derive = HKDF(hashes.SHA256(), count + nonce_bytes - 8, data.take(32), about).derive
    derived = derive(session)
    key, start = make(derived[:count]), derived[count:]
    return _joined(data.rest(), key, size, lambda number: (start + number.to_bytes(8), about))


def _by_gnupg(data: Bytes, session: SessionKey) -> bytes:
    """The same in the packet of GnuPG 2.3 and later.  Raises ValueError, InvalidTag, Unopened.

    Source: draft-koch-librepgp, section 5.16.
    """
    version, cipher, mode, size = (data.number(1) for _ in range(4))
    if version != 1 or cipher not in _AES or mode != _OCB or size > _LARGEST_OF_GNUPG:
        raise Unopened(
            "the message is sealed in a way of GnuPG that is not known (known is OCB with AES): "
            "set `rfc4880` in gpg.conf and encrypt the file anew with sops"
        )
    if session.cipher != cipher:
        raise ValueError("the session key is for another cipher")
    about = bytes((0xC0 | _SEALED_BY_GNUPG, version, cipher, mode, size))
    make, nonce_bytes = _AEADS[mode]
    start = data.number(nonce_bytes)

    def place(number: int) -> tuple[bytes, bytes]:
        return (start ^ number).to_bytes(nonce_bytes), about + number.to_bytes(8)

    return _joined(data.rest(), make(session.key), size, place)


def _joined(
    sealed: bytes, aead: AESOCB3 | AESGCM, size: int, place: Callable[[int], tuple[bytes, bytes]]
) -> bytes:
    """The pieces' content.  size: theirs, as the packet says it.  Raises InvalidTag.

    place: the nonce of a piece, and what is known beside it, by its number.
    """
    step = (1 << (size + 6)) + _TAG
    content, end = sealed[:-_TAG], sealed[-_TAG:]
    pieces: list[bytes] = []
    for at in range(0, len(content), step):
        nonce, about = place(len(pieces))
        pieces.append(aead.decrypt(nonce, content[at : at + step], about))
    plain = b"".join(pieces)
    nonce, about = place(len(pieces))
    aead.decrypt(nonce, end, about + len(plain).to_bytes(8))
    return plain


def _literal(packets: bytes, depth: int = 0) -> bytes:
    """The literal data in the first packet, compressed or not.  Raises ValueError, TooLarge."""
    tag, content = packet_of(Bytes(packets))
    body = Bytes(content)
    if tag == _COMPRESSED and depth < 2:
        inflate = _INFLATES.get(body.number(1))
        if inflate is None:
            raise ValueError("the compression is not known")
        unpacked = inflate(body.rest())
        if len(unpacked) > _MAX_BYTES:
            raise TooLarge
        return _literal(unpacked, depth + 1)
    if tag != _LITERAL:
        raise ValueError("there is no literal data")
    body.take(1)
    body.short()
    body.take(4)
    found = body.rest()
    if not found:
        raise ValueError("the message is empty")
    return found


def _inflated(data: bytes, window: int) -> bytes:
    return zlib.decompressobj(window).decompress(data, _MAX_BYTES + 1)


_INFLATES: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    0: bytes,
    1: lambda data: _inflated(data, -15),
    2: lambda data: _inflated(data, 15),
    3: lambda data: bz2.BZ2Decompressor().decompress(data, _MAX_BYTES + 1),
}
