"""Data keys that age identities open."""

import subprocess
from pathlib import Path
from typing import Any, Final

import pyrage
import pytest
from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pyrage.x25519 import Identity

from engine.plugin import KeyRing, KeyUnavailable
from engine.sops import MasterKey
from plugins.decryptors.age import held, open_key, seal_key

DATA = b"0123456789abcdef0123456789abcdef"
NO_CONTEXT: Final[Any] = None  # it needs none: no network, no clock


def ring(**values: str) -> KeyRing:
    return KeyRing({f"{name}.agekey": value.encode() for name, value in values.items()})


async def sealed(recipient: str) -> MasterKey:
    return await seal_key(DATA, recipient, KeyRing(), NO_CONTEXT)


async def test_an_identity_opens_what_is_sealed_for_it() -> None:
    one, other = Identity.generate(), Identity.generate()
    key = await sealed(str(other.to_public()))
    both = ring(keys=f"# created: today\n\n{one}\n{other}\n")

    assert await open_key(key, both, NO_CONTEXT) == DATA
    assert held(both) == {str(one.to_public()), str(other.to_public())}
    assert key.encrypted.startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
async def test_an_ssh_key_opens_what_is_sealed_for_it(kind: str, tmp_path: Path) -> None:
    private, public = await to_thread.run_sync(ssh_key, tmp_path, kind)
    key = await sealed(public)

    assert await open_key(key, ring(ssh=private), NO_CONTEXT) == DATA
    assert {each.split()[1] for each in held(ring(ssh=private))} == {public.split()[1]}


async def test_an_ssh_key_may_be_in_the_old_form() -> None:
    private = await to_thread.run_sync(generate_private_key, 65537, 2048)
    text = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    key = await sealed(public.decode())

    assert await open_key(key, ring(ssh=text.decode()), NO_CONTEXT) == DATA


async def test_an_ssh_key_with_a_passphrase_is_refused_with_the_way_out(tmp_path: Path) -> None:
    private, public = await to_thread.run_sync(ssh_key, tmp_path, "ed25519", "long enough")
    key = await sealed(public)

    with pytest.raises(KeyUnavailable, match="SSH key with a passphrase: store it without one"):
        await open_key(key, ring(ssh=private), NO_CONTEXT)


async def test_more_identities_than_anybody_has_are_not_tried() -> None:
    mine = Identity.generate()
    many = ring(a=f"{mine}\n" * 1000, b=str(Identity.generate()))
    broken = ring(a="AGE-SECRET-KEY-1BROKEN\n" * 5000, b=str(mine))

    assert held(many) == {str(mine.to_public())}
    with pytest.raises(KeyUnavailable, match=r"line 5 of .*; and 996 more lines") as refused:
        await open_key(await sealed(str(mine.to_public())), broken, NO_CONTEXT)
    assert len(str(refused.value)) < 1000


async def test_an_ssh_key_that_is_too_long_is_not_looked_at() -> None:
    long = f"-----BEGIN RSA PRIVATE KEY-----\n{'A' * 20_000}\n-----END RSA PRIVATE KEY-----\n"
    key = await sealed(str(Identity.generate().to_public()))

    with pytest.raises(KeyUnavailable, match="too long for an SSH key"):
        await open_key(key, ring(ssh=long), NO_CONTEXT)


async def test_the_error_names_recipient_and_what_was_tried_and_no_key() -> None:
    mine, theirs = Identity.generate(), Identity.generate()
    key = await sealed(str(theirs.to_public()))

    with pytest.raises(KeyUnavailable) as refused:
        await open_key(key, ring(a=str(mine), b="AGE-SECRET-KEY-1BROKEN"), NO_CONTEXT)

    text = str(refused.value)
    assert f"age key '{theirs.to_public()}'" in text
    assert f"tried the identities of {mine.to_public()}" in text
    assert "line 1 of 'b.agekey' of the decryption Secret is no age identity" in text
    assert str(mine) not in text
    assert "BROKEN" not in text


@pytest.mark.parametrize(
    ("identity", "problem"),
    [
        ("AGE-SECRET-KEY-PQ-1ABC", "is a post-quantum identity, which is not supported"),
        ("AGE-PLUGIN-YUBIKEY-1ABC", "names an age plugin"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nabc", "is no SSH private key that age knows"),
    ],
)
async def test_an_identity_that_cannot_be_used_says_why(identity: str, problem: str) -> None:
    key = await sealed(str(Identity.generate().to_public()))

    with pytest.raises(KeyUnavailable, match=problem):
        await open_key(key, ring(a=identity), NO_CONTEXT)


async def test_one_bad_identity_does_not_stop_a_good_one() -> None:
    good = Identity.generate()
    key = await sealed(str(good.to_public()))

    assert await open_key(key, ring(a="nonsense", b=str(good)), NO_CONTEXT) == DATA


@pytest.mark.parametrize(
    ("recipient", "problem"),
    [
        ("age1pq1abc", "post-quantum recipients are not supported"),
        ("age1yubikey1qabc", "recipients of age plugins are not supported"),
        ("age1nonsense", "is no age recipient"),
        ("ssh-rsa nonsense", "is no age recipient"),
    ],
)
async def test_nothing_is_sealed_for_an_unknown_recipient(recipient: str, problem: str) -> None:
    with pytest.raises(KeyUnavailable, match=problem):
        await sealed(recipient)


@pytest.mark.parametrize("text", ["", "nonsense", "x" * 100_000, "age-encryption.org/v1\n-> X"])
async def test_a_sealed_key_that_is_none_is_refused(text: str) -> None:
    key = MasterKey("age", "age1x", text)

    with pytest.raises(KeyUnavailable, match="age key 'age1x'"):
        await open_key(key, ring(a=str(Identity.generate())), NO_CONTEXT)


def ssh_key(folder: Path, kind: str, passphrase: str = "") -> tuple[str, str]:
    path = folder / "id"
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True)
    return path.read_text(), path.with_suffix(".pub").read_text()


async def test_a_data_key_sealed_for_hundreds_is_not_tried() -> None:
    """Each of a thousand identities was tried on each: minutes, in which nobody had a turn."""
    people = [Identity.generate().to_public() for _ in range(40)]
    sealed = pyrage.encrypt(b"k" * 32, people, armored=True).decode()
    identities = "\n".join(str(Identity.generate()) for _ in range(1000))
    ring = KeyRing({"many.agekey": identities.encode()})

    with pytest.raises(KeyUnavailable, match="sealed for more than 8 at once"):
        await open_key(MasterKey("age", "age1x", sealed), ring, NO_CONTEXT)
    with pytest.raises(KeyUnavailable, match="no age file"):
        await open_key(MasterKey("age", "age1x", sealed * 10), ring, NO_CONTEXT)


async def test_the_last_of_many_identities_opens() -> None:
    mine, others = Identity.generate(), range(120)
    texts = [*(str(Identity.generate()) for _ in others), str(mine)]
    sealed = pyrage.encrypt(b"k" * 32, [mine.to_public()], armored=True).decode()
    ring = KeyRing({"many.agekey": "\n".join(texts).encode()})

    for name in (str(mine.to_public()), "age1other"):
        assert await open_key(MasterKey("age", name, sealed), ring, NO_CONTEXT) == b"k" * 32
