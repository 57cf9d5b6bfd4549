"""Certificates with their keys in one file, and such that ask for more work than there is time."""

from pathlib import Path
from typing import Any, Final

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

from plugins.clouds import limited
from plugins.clouds.pkcs12 import as_pem
from plugins.clouds.private_keys import BadKey
from tests.support.audit import STARTS, audited
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
PBES1, OF_PKCS5, PBES2 = (
    ObjectIdentifier("1.2.840.113549.1.12.1.3"),
    ObjectIdentifier("1.2.840.113549.1.5.10"),
    ObjectIdentifier("1.2.840.113549.1.5.13"),
)
PBKDF2 = ObjectIdentifier("1.2.840.113549.1.5.12")
HOURS: Final = 2**31 - 1
SHA1, SHA256 = (
    (ObjectIdentifier("1.3.14.3.2.26"), None),
    (ObjectIdentifier("1.2.840.113549.2.9"), None),
)
AES = ObjectIdentifier("2.16.840.1.101.3.4.1.42"), bytes(16)
NO_CONTEXT: Final[Any] = None  # it needs none: no network, no clock


def explicit(content: object) -> TaggedDERObject:
    return TaggedDERObject(0, content)


def file(algorithm: object, *mac: object) -> bytes:
    """A file whose key is encrypted in that way; what is in there is none."""
    bag = (SHROUDED, explicit((algorithm, bytes(64))))
    safe = der_encode(((DATA, explicit(der_encode((bag,)))),))
    return der_encode((3, (DATA, explicit(safe)), *mac))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_with_a_password_is_read(kind: str) -> None:
    certificate, key = self_signed("app")
    content = packed("app", KINDS[kind])

    assert await as_pem(content, PASSWORD, NO_CONTEXT) == key + certificate
    for password, why in ((b"", "it has a password"), (b"wrong", "its password is another one")):
        with pytest.raises(BadKey, match=why):
            await as_pem(content, password, NO_CONTEXT)


async def test_a_file_without_a_password_is_read() -> None:
    certificate, key = self_signed("app")

    assert await as_pem(packed("app", NoEncryption()), b"", NO_CONTEXT) == key + certificate


async def test_file_and_password_are_seen_by_nobody_else() -> None:
    with audited(*STARTS) as started:
        await as_pem(packed("app", KINDS["newest"]), PASSWORD, NO_CONTEXT)

    ((_, arguments),) = started
    named = [Path(word).name for word in arguments[1]][1:]
    assert named == ["-P", "limited_child.py", str(limited.CPU_SECONDS), "pkcs12_child.py"]
    assert PASSWORD.decode() not in repr(arguments)


@pytest.mark.parametrize(
    "content",
    [
        file((PBES1, (bytes(8), HOURS))),
        file((OF_PKCS5, (bytes(8), HOURS))),
        file((PBES2, ((PBKDF2, (bytes(8), HOURS, SHA256)), AES))),
        file((PBES1, (bytes(8), 1)), ((SHA1, bytes(20)), bytes(8), HOURS)),
    ],
    ids=["old", "older", "PBKDF2", "its MAC"],
)
async def test_a_file_that_asks_for_hours_is_given_up(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it asks for can be hidden where only its password leads."""
    monkeypatch.setattr(limited, "CPU_SECONDS", 1)

    with pytest.raises(BadKey, match=r"too much time.*openssl pkcs12 -export -iter"):
        await as_pem(content, PASSWORD, NO_CONTEXT)


@pytest.mark.parametrize(
    "content",
    [b"", b"0\x80" + bytes(9), b"\x30" * 3_000, packed("app", NoEncryption())[:-9], bytes(20_000)],
    ids=["nothing", "no DER", "nested", "cut off", "too long"],
)
async def test_what_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(BadKey, match=r"cannot be read|too long"):
        await as_pem(content, PASSWORD, NO_CONTEXT)
