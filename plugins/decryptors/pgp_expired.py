"""OpenPGP messages to a subkey that expired: gpg, and so Flux, opens them; pysequoia does not.

Only what gpg makes for such keys is known: RSA and ECDH, AES, integrity by MDC.
Source: RFC 4880 sections 5.1, 5.5.3, 5.7, 5.13, 13; RFC 6637 sections 7 and 8.
"""

import bz2
import hashlib
import hmac
import zlib
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
from pysequoia.packet import Packet, PacketPile, Tag

_RSA: Final = (1, 2)
_ECDH: Final = 18
_AES: Final = {7: 16, 8: 24, 9: 32}  # {algorithm: bytes of its key}
_HASHES: Final = {8: "sha256", 9: "sha384", 10: "sha512"}
_X25519: Final = bytes.fromhex("2b060104019755010501")
_CURVES: Final[Mapping[bytes, type[ec.EllipticCurve]]] = {
    bytes.fromhex("2a8648ce3d030107"): ec.SECP256R1,
    bytes.fromhex("2b81040022"): ec.SECP384R1,
    bytes.fromhex("2b81040023"): ec.SECP521R1,
}
_COMPRESSED: Final = 8
_LITERAL: Final = 11
_DAMAGED: Final = (
    ValueError, IndexError, ArithmeticError, OSError, EOFError, zlib.error, InvalidUnwrap,
)  # fmt: skip
_MAX_BYTES: Final = 64 * 1024
"""Of a message's content; a data key has 32."""


def decrypted(message: bytes, subkey: Packet) -> bytes:
    """The content of a message to the subkey.  Raises RuntimeError, as pysequoia does."""
    packets = list(PacketPile.from_bytes(message))
    sealed = [packet.body for packet in packets if packet.tag == Tag.SEIP]
    if len(sealed) != 1 or sealed[0][:1] != b"\1":
        _refuse("the message has no integrity protection of a kind that is known")
    key_id = bytes.fromhex((subkey.fingerprint or "")[-16:])
    for packet in packets:
        if packet.tag == Tag.PKESK and packet.body[:1] == b"\3" and packet.body[1:9] == key_id:
            try:
                session = _session_key(_Bytes(packet.body[9:]), subkey)
                return _content(_verified(sealed[0][1:], session))
            except _DAMAGED as error:
                raise RuntimeError("the message is damaged") from error
    raise RuntimeError("No key to decrypt message")


class _Bytes:
    """Reads the fields of a packet."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, count: int) -> bytes:
        """So many bytes.  Raises ValueError."""
        if len(self._data) < count:
            raise ValueError("a packet ends too soon")
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count))

    def integer(self) -> int:
        """A multiprecision integer."""
        return int.from_bytes(self.take((self.number(2) + 7) // 8))

    def short(self) -> bytes:
        """A field after one byte that is its length."""
        return self.take(self.number(1))

    def rest(self) -> bytes:
        return self.take(len(self._data))


def _session_key(sealed: _Bytes, subkey: Packet) -> bytes:
    """The key of the message.  Raises ValueError."""
    secret = _Bytes(subkey.body)
    if secret.number(1) != 4:
        _refuse("the subkey is not of version 4")
    secret.take(4)
    algorithm = secret.number(1)
    if sealed.number(1) != algorithm:
        raise ValueError("the message is for a key of another kind")
    if algorithm in _RSA:
        plain = _by_rsa(sealed, secret)
    elif algorithm == _ECDH:
        plain = _by_ecdh(sealed, secret, bytes.fromhex(subkey.fingerprint or ""))
    else:
        _refuse(f"public-key algorithm {algorithm} is not known")
    size = _AES.get(plain[0] if plain else 0)
    if size is None:
        _refuse("the message is encrypted with another cipher than AES")
    key, check = plain[1 : 1 + size], plain[1 + size : 3 + size]
    if sum(key) % 65536 != int.from_bytes(check):
        raise ValueError("the session key is damaged")
    return key


def _by_rsa(sealed: _Bytes, secret: _Bytes) -> bytes:
    n, e = secret.integer(), secret.integer()
    _in_plain_text(secret)
    d, p, q = secret.integer(), secret.integer(), secret.integer()
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(e, n),
    )
    text = sealed.integer().to_bytes((n.bit_length() + 7) // 8)
    return numbers.private_key().decrypt(text, PKCS1v15())


def _by_ecdh(sealed: _Bytes, secret: _Bytes, fingerprint: bytes) -> bytes:
    curve = secret.short()
    secret.integer()  # the public point
    parameters = secret.short()  # 1, hash, cipher of the wrapping key
    _in_plain_text(secret)
    if len(parameters) != 3 or parameters[1] not in _HASHES or parameters[2] not in _AES:
        _refuse("the key's derivation parameters are not known")
    point = sealed.integer()
    shared = _shared(curve, secret.integer(), point.to_bytes((point.bit_length() + 7) // 8))
    context = (
        bytes((len(curve),))
        + curve
        + bytes((_ECDH, len(parameters)))
        + parameters
        + b"Anonymous Sender    "
        + fingerprint
    )
    digest = hashlib.new(_HASHES[parameters[1]], b"\0\0\0\1" + shared + context).digest()
    padded = aes_key_unwrap(digest[: _AES[parameters[2]]], sealed.short())
    return padded[: -padded[-1]]


def _shared(curve: bytes, scalar: int, point: bytes) -> bytes:
    """What both sides of the exchange know."""
    if curve == _X25519:
        private = X25519PrivateKey.from_private_bytes(scalar.to_bytes(32)[::-1])
        return private.exchange(X25519PublicKey.from_public_bytes(point[1:]))
    if curve not in _CURVES:
        _refuse("the key's curve is not known")
    named = _CURVES[curve]()
    public = ec.EllipticCurvePublicKey.from_encoded_point(named, point)
    return ec.derive_private_key(scalar, named).exchange(ec.ECDH(), public)


def _in_plain_text(secret: _Bytes) -> None:
    if secret.number(1):
        _refuse("secret key material is encrypted")


def _verified(sealed: bytes, key: bytes) -> bytes:
    """The packets inside, their integrity checked.  Raises ValueError."""
    decryptor = Cipher(AES(key), CFB(bytes(16))).decryptor()
    plain = decryptor.update(sealed) + decryptor.finalize()
    body, digest = plain[:-20], plain[-20:]
    known = hashlib.sha1(body, usedforsecurity=False).digest()  # the format's own
    if len(body) < 20 or body[-2:] != b"\xd3\x14" or not hmac.compare_digest(digest, known):
        raise ValueError("the message was changed")
    return body[18:-2]


def _content(packets: bytes, depth: int = 0) -> bytes:
    """The literal data in the first packet, compressed or not.  Raises ValueError."""
    tag, body = _first(packets)
    if tag == _COMPRESSED and depth < 2:
        inflate = _INFLATES.get(body.number(1))
        if inflate is None:
            raise ValueError("the compression is not known")
        return _content(inflate(body.rest()), depth + 1)
    if tag != _LITERAL:
        raise ValueError("there is no literal data")
    body.take(1)
    body.short()
    body.take(4)
    return body.rest()


def _first(data: bytes) -> tuple[int, _Bytes]:
    """(tag, body) of the first packet."""
    packets = _Bytes(data)
    head = packets.number(1)
    if head & 0x40:
        return head & 0x3F, _Bytes(_new_body(packets))
    kind = head & 3
    return (head >> 2) & 15, packets if kind == 3 else _Bytes(
        packets.take(packets.number(1 << kind))
    )


def _new_body(packets: _Bytes) -> bytes:
    """The body after a header of the new form, its parts joined."""
    body = b""
    while True:
        first = packets.number(1)
        if first < 192:
            return body + packets.take(first)
        if first < 224:
            return body + packets.take(((first - 192) << 8) + packets.number(1) + 192)
        if first == 255:
            return body + packets.take(packets.number(4))
        body += packets.take(1 << (first & 31))


def _inflated(data: bytes, window: int) -> bytes:
    return zlib.decompressobj(window).decompress(data, _MAX_BYTES)


_INFLATES: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    0: bytes,
    1: lambda data: _inflated(data, -15),
    2: lambda data: _inflated(data, 15),
    3: lambda data: bz2.BZ2Decompressor().decompress(data, _MAX_BYTES),
}


def _refuse(why: str) -> NoReturn:
    raise RuntimeError(why)
