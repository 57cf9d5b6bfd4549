"""Data keys that OpenPGP keys open."""

from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from pysequoia import CipherSuite, Profile, Tsk

from engine.plugin import KeyRing, KeyUnavailable
from engine.sops import MasterKey
from plugins.clouds.limited import CHILDREN
from plugins.decryptors.pgp import held, open_key, seal_key
from tests.support.audit import STARTS, audited
from tests.support.contexts import asked_by
from tests.support.processes import until

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


@pytest.mark.parametrize("profile", [Profile.RFC4880, Profile.RFC9580], ids=["v4", "v6"])
@pytest.mark.parametrize("suite", ["Cv25519", "Cv448", "P256", "P384", "RSA2k"])
async def test_a_key_opens_what_is_sealed_for_it(suite: str, profile: Profile) -> None:
    mine = generated("anna", cipher_suite=getattr(CipherSuite, suite), profile=profile)

    with audited(*STARTS) as started:
        key = await sealed(mine)

        assert await open_key(key, ring(anna=str(mine)), NO_CONTEXT) == DATA
    assert (key.kind, key.recipient) == ("pgp", fingerprint(mine).upper())
    assert key.encrypted.startswith("-----BEGIN PGP MESSAGE-----")
    assert started == []  # no other program is wanted for these


async def test_a_key_of_a_rare_kind_opens_what_is_sealed_for_it_in_a_process_of_its_own() -> None:
    suite, profile = CipherSuite.MLDSA65_Ed25519, Profile.RFC9580
    mine, theirs = (
        generated(name, cipher_suite=suite, profile=profile) for name in ("anna", "ben")
    )

    key = await sealed(mine)

    with audited(*STARTS) as started:
        assert await open_key(key, ring(anna=str(mine)), NO_CONTEXT) == DATA
    ((_, arguments),) = started
    named = [Path(word).name for word in arguments[1]][1:]
    assert named == ["-P", "limited_child.py", "10", "pgp_child.py"]
    with pytest.raises(KeyUnavailable, match=f"tried the keys {fingerprint(theirs).upper()}"):
        await open_key(key, ring(ben=str(theirs)), NO_CONTEXT)


async def test_many_slow_messages_of_one_tenant_hold_up_no_other_tenant() -> None:
    """Each takes a process of its own, and there are few of these at a time."""
    mine = generated("anna", cipher_suite=CipherSuite.MLDSA65_Ed25519, profile=Profile.RFC9580)
    key, opened = await sealed(mine), list[str]()

    async def open_for(tenant: str) -> None:
        assert await open_key(key, ring(anna=str(mine)), asked_by(tenant)) == DATA
        opened.append(tenant)

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(open_for, "many")
        await until(lambda: CHILDREN.taken + CHILDREN.waiting + len(opened) == 8)
        tasks.start_soon(open_for, "one")

    assert opened.index("one") < 6  # last but one at best, if it had to wait for its turn


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
