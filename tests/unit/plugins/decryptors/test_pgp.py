"""Data keys that OpenPGP keys open."""

from typing import Any, Final

import pytest
from pysequoia import CipherSuite, Tsk

from engine.plugin import KeyRing, KeyUnavailable
from engine.sops import MasterKey
from plugins.decryptors.pgp import held, open_key, seal_key

DATA = b"0123456789abcdef0123456789abcdef"
NO_CONTEXT: Final[Any] = None  # it needs none: no network, no clock


def ring(**values: str | bytes) -> KeyRing:
    encoded = {
        f"{name}.asc": value if isinstance(value, bytes) else value.encode()
        for name, value in values.items()
    }
    return KeyRing(encoded)


def generated(name: str, **options: Any) -> Tsk:
    return Tsk.generate(f"{name} <{name}@example.com>", **options)


def fingerprint(key: Tsk) -> str:
    return key.extract_certificate().fingerprint


async def sealed(key: Tsk) -> MasterKey:
    public = str(key.extract_certificate())
    return await seal_key(DATA, fingerprint(key), ring(public=public), NO_CONTEXT)


@pytest.mark.parametrize("suite", [CipherSuite.Cv25519, CipherSuite.RSA2k, CipherSuite.P256])
async def test_a_key_opens_what_is_sealed_for_it(suite: CipherSuite) -> None:
    mine = generated("anna", cipher_suite=suite)

    key = await sealed(mine)

    assert await open_key(key, ring(anna=str(mine)), NO_CONTEXT) == DATA
    assert (key.kind, key.recipient) == ("pgp", fingerprint(mine).upper())
    assert key.encrypted.startswith("-----BEGIN PGP MESSAGE-----")


@pytest.mark.parametrize("armored", [True, False])
async def test_one_value_may_hold_several_keys(armored: bool) -> None:
    keys = [generated(name) for name in ("anna", "ben", "cleo")]
    texts = [str(key) if armored else bytes(key) for key in keys]
    together = "\n".join(map(str, texts)).encode() if armored else b"".join(map(bytes, keys))
    all_of_them = ring(team=together)

    for key in keys:
        assert await open_key(await sealed(key), all_of_them, NO_CONTEXT) == DATA
    assert {fingerprint(key).upper() for key in keys} <= held(all_of_them)


async def test_the_error_names_recipient_and_what_was_tried_and_no_key() -> None:
    mine, theirs = generated("anna"), generated("ben")
    key = await sealed(theirs)

    with pytest.raises(KeyUnavailable) as refused:
        await open_key(key, ring(anna=str(mine), broken="no key"), NO_CONTEXT)

    text = str(refused.value)
    assert f"OpenPGP key '{fingerprint(theirs).upper()}'" in text
    assert f"tried the keys {fingerprint(mine).upper()}" in text
    assert "'broken.asc' of the decryption Secret is no OpenPGP key" in text
    assert "\n" not in text


async def test_a_public_key_alone_opens_nothing() -> None:
    mine = generated("anna")
    public = ring(anna=str(mine.extract_certificate()))

    with pytest.raises(KeyUnavailable, match="has no OpenPGP private key"):
        await open_key(await sealed(mine), public, NO_CONTEXT)

    assert held(public) == frozenset()


async def test_nothing_is_sealed_for_a_key_that_is_not_there() -> None:
    with pytest.raises(KeyUnavailable, match="'ABC' is not there: give its public key"):
        await seal_key(DATA, "ABC", ring(), NO_CONTEXT)


@pytest.mark.parametrize("text", ["", "nonsense", "x" * 16_385])
async def test_a_sealed_key_that_is_none_is_refused(text: str) -> None:
    mine = generated("anna")
    key = MasterKey("pgp", fingerprint(mine).upper(), text)

    with pytest.raises(KeyUnavailable, match="OpenPGP key"):
        await open_key(key, ring(anna=str(mine)), NO_CONTEXT)
