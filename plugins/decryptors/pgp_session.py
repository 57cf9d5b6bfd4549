"""The session key of an OpenPGP message, by a private key, whether or not that has expired.

What gpg, sops and Sequoia make is known: RSA, ECDH, X25519 and X448.
Source: RFC 9580 sections 5.1, 5.5 and 11; RFC 4880 section 5.1; RFC 6637 sections 7 and 8.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from pysequoia.packet import Packet

from plugins.decryptors.pgp_packets import Bytes

_RSA: Final = (1, 2)
_ECDH: Final = 18
_X25519: Final = 25
_X448: Final = 26
_AES: Final = {7: 16, 8: 24, 9: 32}  # {algorithm: bytes of its key}
_HASHES: Final = {8: "sha256", 9: "sha384", 10: "sha512"}
_CURVE25519: Final = bytes.fromhex("2b060104019755010501")
_CURVES: Final[Mapping[bytes, type[ec.EllipticCurve]]] = {
    bytes.fromhex("2a8648ce3d030107"): ec.SECP256R1,
    bytes.fromhex("2b81040022"): ec.SECP384R1,
    bytes.fromhex("2b81040023"): ec.SECP521R1,
    bytes.fromhex("2b2403030208010107"): ec.BrainpoolP256R1,
    bytes.fromhex("2b240303020801010b"): ec.BrainpoolP384R1,
    bytes.fromhex("2b240303020801010d"): ec.BrainpoolP512R1,
}
_MAX_BITS: Final = 8_192
"""Of an RSA key: a key says itself how long its use takes, and a thread cannot be ended."""


class Unknown(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """It is of a kind that is not known here."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What the content is sealed with.  cipher: its algorithm, 0 where the content names it."""

    cipher: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A session key sealed for one key.  recipient: how it names that, "" if it does not."""

    version: int
    recipient: str
    algorithm: int
    fields: bytes

    @classmethod
    def of(cls, body: bytes) -> "Sealed":
        """As the packet's body says.  Raises ValueError, Unknown."""
        data = Bytes(body)
        version = data.number(1)
        if version == 3:
            name = data.take(8)
        elif version == 6:
            name = data.short()[1:]
        else:
            raise Unknown(f"session keys of version {version} are not known")
        recipient = name.hex().upper() if any(name) else ""
        return cls(version, recipient, data.number(1), data.rest())

    def is_for(self, fingerprint: str) -> bool:
        """Whether it is for the key of that fingerprint."""
        if not self.recipient:
            return False
        name = fingerprint.upper()
        return name.endswith(self.recipient) or name.startswith(self.recipient)


def session_key(sealed: Sealed, subkey: Packet) -> SessionKey:
    """The key of the message.  Raises ValueError, Unknown, InvalidUnwrap."""
    secret = Bytes(subkey.body)
    version = secret.number(1)
    if version not in (4, 6):
        raise Unknown(f"keys of version {version} are not known")
    secret.take(4)  # when it was made
    if secret.number(1) != sealed.algorithm:
        raise ValueError("the message is for a key of another kind")
    if version == 6:
        secret.take(4)  # the length of what is public
    fields, fingerprint = Bytes(sealed.fields), bytes.fromhex(subkey.fingerprint or "")
    named = sealed.version == 3
    if sealed.algorithm in _RSA:
        return _checked(_by_rsa(fields, secret), named)
    if sealed.algorithm == _ECDH:
        return _checked(_by_ecdh(fields, secret, fingerprint), named)
    exchange = _EXCHANGES.get(sealed.algorithm)
    if exchange is None:
        raise Unknown(f"public-key algorithm {sealed.algorithm} is not known")
    return exchange.opened(fields, secret, named)


def _checked(plain: bytes, named: bool) -> SessionKey:
    """Of [cipher,] key and checksum.  Raises ValueError, Unknown."""
    cipher, key, check = plain[0] if named and plain else 0, plain[int(named) : -2], plain[-2:]
    if cipher and cipher not in _AES:
        raise Unknown("the message is encrypted with another cipher than AES")
    if sum(key) % 65536 != int.from_bytes(check) or len(key) != _AES.get(cipher, len(key)):
        raise ValueError("the session key is damaged")
    return SessionKey(cipher, key)


def _by_rsa(sealed: Bytes, secret: Bytes) -> bytes:
    n, e = secret.integer(), secret.integer()
    if n.bit_length() > _MAX_BITS:
        raise ValueError(f"the key has more than {_MAX_BITS} bits")
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


def _by_ecdh(sealed: Bytes, secret: Bytes, fingerprint: bytes) -> bytes:
    curve = secret.short()
    secret.integer()  # the public point
    parameters = secret.short()  # 1, hash, cipher of the wrapping key
    _in_plain_text(secret)
    if len(parameters) != 3 or parameters[1] not in _HASHES or parameters[2] not in _AES:
        raise Unknown("the key's derivation parameters are not known")
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
    if curve == _CURVE25519:
        private = X25519PrivateKey.from_private_bytes(scalar.to_bytes(32)[::-1])
        return private.exchange(X25519PublicKey.from_public_bytes(point[1:]))
    if curve not in _CURVES:
        raise Unknown("the key's curve is not known")
    named = _CURVES[curve]()
    public = ec.EllipticCurvePublicKey.from_encoded_point(named, point)
    return ec.derive_private_key(scalar, named).exchange(ec.ECDH(), public)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One of the two kinds of RFC 9580.  size: bytes of a public key; wrap: of what wraps."""

    name: bytes
    size: int
    wrap: int
    digest: hashes.HashAlgorithm
    shared: Callable[[bytes, bytes], bytes]

    def opened(self, sealed: Bytes, secret: Bytes, named: bool) -> SessionKey:
        """The session key.  Raises ValueError, Unknown, InvalidUnwrap."""
        public = secret.take(self.size)
        _in_plain_text(secret)
        point, wrapped = sealed.take(self.size), Bytes(sealed.short())
        cipher = wrapped.number(1) if named else 0
        if cipher and cipher not in _AES:
            raise Unknown("the message is encrypted with another cipher than AES")
        known = point + public + self.shared(secret.take(self.size), point)
        derive = HKDF(self.digest, self.wrap, None, b"OpenPGP " + self.name).derive
        return SessionKey(cipher, aes_key_unwrap(derive(known), wrapped.rest()))


def _by_25519(scalar: bytes, point: bytes) -> bytes:
    private = X25519PrivateKey.from_private_bytes(scalar)
    return private.exchange(X25519PublicKey.from_public_bytes(point))


def _by_448(scalar: bytes, point: bytes) -> bytes:
    private = X448PrivateKey.from_private_bytes(scalar)
    return private.exchange(X448PublicKey.from_public_bytes(point))


_EXCHANGES: Final = {
    _X25519: _Exchange(b"X25519", 32, 16, hashes.SHA256(), _by_25519),
    _X448: _Exchange(b"X448", 56, 32, hashes.SHA512(), _by_448),
}


def _in_plain_text(secret: Bytes) -> None:
    if secret.number(1):
        raise ValueError("secret key material is encrypted")
