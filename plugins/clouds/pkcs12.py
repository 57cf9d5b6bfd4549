"""A certificate and its private key in one file, as Windows and Azure's portal give them (.pfx).

How much work its password is to try, the file itself says: one that asks for hours is refused
before.  Source: RFC 7292; RFC 9879 (its newer MAC).
"""

from collections.abc import Iterator
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from plugins.clouds.der import OBJECT, Damaged, first, inside, items
from plugins.clouds.private_keys import BadKey, check_rounds

_MOST_BYTES: Final = 12 * 1024
"""Of a file; a key of 4096 bits with a chain of three has 8 KiB."""
_BY_PASSWORD: Final = (
    bytes.fromhex("2a864886f70d010c01"),  # pkcs-12PbeIds
    bytes.fromhex("2a864886f70d01050d"),  # PBES2
)


def as_pem(content: bytes, password: bytes) -> bytes:
    """The key, not encrypted, its certificate and those that follow.  Raises BadKey."""
    _check_work(content)
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(content, password or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = "its password is another one" if password else "it has a password"
        raise BadKey(f"the PKCS#12 file cannot be read: {what}, or it is damaged") from None
    if key is None or certificate is None:
        raise BadKey("the PKCS#12 file has no private key with its certificate")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem + b"".join(each.public_bytes(Encoding.PEM) for each in (certificate, *others))


def _check_work(content: bytes) -> None:
    """Raises BadKey if it would take too long to try its password."""
    if len(content) > _MOST_BYTES:
        raise BadKey(f"the PKCS#12 file is too long: it has more than {_MOST_BYTES} bytes")
    try:
        for algorithm in _algorithms(content):
            check_rounds(algorithm, "PKCS#12 file", "openssl pkcs12 -export")
    except Damaged:
        raise BadKey(
            "the PKCS#12 file cannot be read: it is damaged, or no DER: write it anew with "
            "`openssl pkcs12 -export`"
        ) from None


def _algorithms(content: bytes) -> Iterator[bytes]:
    """How its MAC and all that is encrypted in it are made of the password.  Raises Damaged."""
    yield from [part for _, part in items(first(content))][2:]
    for sequence in inside(content):
        tag, name = next(items(sequence)) if sequence else (0, b"")
        if tag == OBJECT and name.startswith(_BY_PASSWORD):
            yield sequence
