"""Certificates with their keys in one file, and such that ask for more work than there is time."""

from typing import Final

import pytest
from asyncssh.asn1 import ObjectIdentifier, TaggedDERObject, der_encode
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from plugins.clouds.pkcs12 import as_pem
from plugins.clouds.private_keys import BadKey
from tests.support.clouds.authority import packed, self_signed

PASSWORD: Final = b"hunter2"
BUILDER = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(2048)
OLD = BUILDER.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
NEW = BUILDER.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
KINDS: Final[dict[str, KeySerializationEncryption]] = {
    "old": OLD.hmac_hash(hashes.SHA1()).build(PASSWORD),
    "new": NEW.hmac_hash(hashes.SHA256()).build(PASSWORD),
    "newest": BestAvailableEncryption(PASSWORD),
}
DATA = ObjectIdentifier("1.2.840.113549.1.7.1")
SHROUDED = ObjectIdentifier("1.2.840.113549.1.12.10.1.2")
PBES1, PBES2 = (
    ObjectIdentifier("1.2.840.113549.1.12.1.3"),
    ObjectIdentifier("1.2.840.113549.1.5.13"),
)
PBKDF2, SCRYPT = (
    ObjectIdentifier("1.2.840.113549.1.5.12"), ObjectIdentifier("1.3.6.1.4.1.11591.4.11")
)  # fmt: skip
HOURS: Final = 2**31
SHA = (ObjectIdentifier("1.3.14.3.2.26"), None)


def explicit(content: object) -> TaggedDERObject:
    return TaggedDERObject(0, content)


def file(algorithm: object, rounds_of_mac: int = 1) -> bytes:
    """A file whose key is encrypted in that way; what is in there is none."""
    bag = (SHROUDED, explicit((algorithm, bytes(64))))
    safe = der_encode(((DATA, explicit(der_encode((bag,)))),))
    return der_encode((3, (DATA, explicit(safe)), ((SHA, bytes(20)), bytes(8), rounds_of_mac)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_a_password_is_read(kind: str) -> None:
    certificate, key = self_signed("app")
    content = packed("app", KINDS[kind])

    assert as_pem(content, PASSWORD) == key + certificate
    for password, why in ((b"", "it has a password"), (b"wrong", "its password is another one")):
        with pytest.raises(BadKey, match=why):
            as_pem(content, password)


def test_a_file_without_a_password_is_read() -> None:
    certificate, key = self_signed("app")

    assert as_pem(packed("app", NoEncryption()), b"") == key + certificate


@pytest.mark.parametrize(
    "content",
    [
        file((PBES1, (bytes(8), HOURS))),
        file((PBES2, ((PBKDF2, (bytes(8), HOURS)), SHA))),
        file((PBES2, ((SCRYPT, (bytes(8), 2**20, 2**10, 1)), SHA))),
        file((PBES1, (bytes(8), 1)), rounds_of_mac=HOURS),
    ],
    ids=["old", "PBKDF2", "scrypt", "its MAC"],
)
def test_a_file_that_asks_for_hours_is_refused_at_once(content: bytes) -> None:
    """A thread cannot be ended."""
    with pytest.raises(BadKey, match=r"rounds to try a passphrase.*openssl pkcs12 -export -iter"):
        as_pem(content, PASSWORD)


@pytest.mark.parametrize(
    "content",
    [b"", b"0\x80" + bytes(9), b"\x30" * 3_000, packed("app", NoEncryption())[:-9], bytes(20_000)],
    ids=["nothing", "no DER", "nested", "cut off", "too long"],
)
def test_what_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(BadKey, match=r"cannot be read|too long"):
        as_pem(content, PASSWORD)
