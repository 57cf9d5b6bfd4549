"""Private keys that ask for more work than anybody has time for."""

import base64

import pytest
from asyncssh.asn1 import ObjectIdentifier, der_encode
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from plugins.clouds.jwt import signed
from plugins.clouds.private_keys import BadKey, private_key

KEY = rsa.generate_private_key(65537, 2048)
AES = ObjectIdentifier("2.16.840.1.101.3.4.1.42"), bytes(16)


def pem(content: bytes, name: str = "ENCRYPTED PRIVATE KEY") -> bytes:
    body = base64.encodebytes(content).decode()
    return f"-----BEGIN {name}-----\n{body}-----END {name}-----\n".encode()


def encrypted(derivation: str, parameters: tuple[object, ...]) -> bytes:
    """A key whose passphrase is derived in that way."""
    scheme = ObjectIdentifier("1.2.840.113549.1.5.13")
    derived = ObjectIdentifier(derivation), parameters
    return pem(der_encode(((scheme, (derived, AES)), bytes(64))))


def pbkdf2(iterations: int) -> bytes:
    sha = ObjectIdentifier("1.2.840.113549.2.9"), None
    return encrypted("1.2.840.113549.1.5.12", (bytes(8), iterations, sha))


def pkcs12_pbe(iterations: int) -> bytes:
    """The older scheme, which a key of PEM may name as well."""
    scheme = ObjectIdentifier("1.2.840.113549.1.12.1.3"), (bytes(8), iterations)
    return pem(der_encode((scheme, bytes(64))))


def scrypt(cost: int, size: int) -> bytes:
    return encrypted("1.3.6.1.4.1.11591.4.11", (bytes(8), cost, size, 1))


SCRYPT_ID = bytes.fromhex("06092b06010401da47040b")
HARMLESS = der_encode(((ObjectIdentifier("1.2.3"), (1, 1)), bytes(6)))  # no rest in base64


@pytest.mark.parametrize(
    "key",
    [
        pbkdf2(2**31),
        pkcs12_pbe(2**31),
        scrypt(2**40, 8),
        scrypt(2**20, 2**20),
        b"no key\n" + pbkdf2(2**31),
        pbkdf2(1) + pbkdf2(2**31),
    ],
    ids=["PBKDF2", "PKCS 12", "scrypt", "scrypt, wide", "later", "second"],
)
async def test_a_key_that_asks_for_hours_is_refused_at_once(key: bytes) -> None:
    """A thread cannot be ended: some forty such Secrets would leave the engine without one."""
    with pytest.raises(BadKey, match=r"rounds to try a passphrase.*openssl pkcs8 -topk8 -iter"):
        await signed({}, key, password=b"x")


@pytest.mark.parametrize(
    "key",
    [
        pem(b"0\x82\xff"),
        pem(b""),
        pem(b"\x30" * 3000),
        b"x" * 20_000,
        encrypted("1.2.840.113549.1.5.12", (SCRYPT_ID, 2**31, 0)),
        pbkdf2(2**31).replace(b"-\n", b"-\n" + base64.b64encode(HARMLESS) + b": abcd\n\n", 1),
    ],
    ids=["cut off", "nothing", "nested", "too long", "no number of rounds", "a header"],
)
def test_what_cannot_be_judged_is_not_opened(key: bytes) -> None:
    with pytest.raises(BadKey, match=r"damaged|too long"):
        private_key(key, b"x")


def test_a_key_with_a_passphrase_is_opened() -> None:
    content = KEY.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2")
    )

    assert private_key(content, b"hunter2").private_numbers() == KEY.private_numbers()
    for password, why in ((b"", "it is encrypted"), (b"wrong", "it is damaged")):
        with pytest.raises(BadKey, match=why) as refused:
            private_key(content, password)
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_without_a_passphrase_is_opened(form: PrivateFormat) -> None:
    content = KEY.private_bytes(Encoding.PEM, form, NoEncryption())

    assert private_key(content).key_size == 2048


def test_another_kind_of_key_is_refused() -> None:
    content = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )

    with pytest.raises(BadKey, match="not an RSA key"):
        private_key(content)
