"""Private RSA keys as people keep them: PEM, with a passphrase or without.

How much work a passphrase is to try, the key itself says, and nobody can end a thread that tries
it: one that asks for hours is refused before.
Source: RFC 5958 (EncryptedPrivateKeyInfo), RFC 8018 (PBES2, PBKDF2), RFC 7914 (scrypt).
"""

import binascii
import re
from math import prod
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from plugins.clouds.der import Damaged, first, integers

_MOST_BYTES: Final = 5 * 1024
"""Of a key; one of 8192 bits has 4.7 KiB.  To check a key takes the third power of its length."""
_MOST_ITERATIONS: Final = 10_000_000  # of PBKDF2, some 0.5 us each; OWASP advises 600000
_MOST_SCRYPT: Final = 2**19
"""Cost times block size times parallelism, at 128 bytes each; openssl takes 2^17."""
_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")
_ENCRYPTED: Final = re.compile(
    rb"-----BEGIN ENCRYPTED PRIVATE KEY-----(.*?)-----END ENCRYPTED PRIVATE KEY-----", re.DOTALL
)


class BadKey(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """What should be a private RSA key is none; the text never quotes it."""


def private_key(pem: bytes, password: bytes = b"") -> rsa.RSAPrivateKey:
    """The RSA key that a PEM holds.  Raises BadKey."""
    check_work(pem)
    try:
        key = load_pem_private_key(pem, password or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = "it is encrypted" if b"ENCRYPTED" in pem and not password else "it is damaged"
        raise BadKey(f"the private key cannot be read: {what}, or no PEM of an RSA key") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise BadKey("the private key is not an RSA key")
    return key


def check_work(pem: bytes) -> None:
    """Raises BadKey if it would take too long to try a passphrase, or to check the key."""
    if len(pem) > 2 * _MOST_BYTES:
        raise BadKey(f"the private key is too long: more than {2 * _MOST_BYTES} bytes of PEM")
    for match in _ENCRYPTED.finditer(pem):
        try:
            _check_rounds(first(first(_decoded(match[1]))))
        except (binascii.Error, Damaged):
            raise BadKey("the private key cannot be read: it is damaged") from None


def _decoded(text: bytes) -> bytes:
    """The body of PEM.  Raises binascii.Error for more than base64: others may skip headers."""
    return binascii.a2b_base64(b"".join(text.split()), strict_mode=True)


def _check_rounds(algorithm: bytes) -> None:
    """The same of how a key is made of a passphrase.  algorithm: DER.  Raises BadKey, Damaged."""
    numbers = list(integers(algorithm))
    if min(numbers, default=1) < 1:
        raise Damaged
    if _SCRYPT in algorithm:
        asked, most = prod(numbers), _MOST_SCRYPT
    else:
        asked, most = max(numbers, default=0), _MOST_ITERATIONS
    if asked > most:
        raise BadKey(
            f"the private key asks for {asked} rounds to try a passphrase, more than the {most} "
            f"allowed: write it anew with `openssl pkcs8 -topk8 -iter 600000`"
        )
