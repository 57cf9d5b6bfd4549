"""Rotations that must not happen, and what groups of keys become."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from engine.cli.secrets_keys import local_opening
from engine.custody.creation_rules import CreationRules
from engine.custody.recipients import Recipient
from engine.custody.rotation import Rotated, Sealer, Unrotatable, Wish, rotated
from engine.custody.survey import sealed_in
from engine.plugin import Context, KeyRing
from engine.sops import MasterKey
from plugins import PLUGIN
from plugins.decryptors import age, awskms
from tests.support.clouds.amazon import KEY, Amazon, static
from tests.support.clouds.world import world
from tests.support.custody import LOGIN, Repository
from tests.support.sealing import Person, Seal

ME, OTHER = Person(), Person()
MINE = Seal([ME], "^stringData$").yaml(LOGIN)


async def made(
    tmp_path: Path,
    content: bytes,
    wish: Wish,
    ring: KeyRing | None = None,
    by: Context | None = None,
    **seals: Any,
) -> Rotated | None:
    """What the rotation of `a.yaml` gives, with the key of ME; by: asks key services, too."""
    sealed = sealed_in(content, "a.yaml")
    assert sealed is not None
    opening = local_opening(ring or KeyRing({"me.agekey": ME.key_file}))
    if by is not None:
        opening = replace(opening, decryptors=PLUGIN.decryptors, context=by)
    if seals:
        opening = replace(opening, decryptors={"age": replace(age.DECRYPTOR, **seals)})
    now = datetime(2026, 11, 23, tzinfo=UTC)
    rules = CreationRules(tmp_path)
    return await rotated(
        sealed, content, wish, Sealer(opening, rules, lambda: now, secrets.token_bytes)
    )


def to(*people: Person) -> tuple[Recipient, ...]:
    return tuple(Recipient.of_text(person.recipient) for person in people)


async def test_what_a_plugin_sealed_wrongly_is_not_taken(tmp_path: Path) -> None:
    async def wrong(data_key: bytes, recipient: str, ring: KeyRing, ctx: Context) -> MasterKey:
        return await age.seal_key(data_key[::-1], recipient, ring, ctx)

    content = Seal([OTHER, ME], "^stringData$").yaml(LOGIN)

    with pytest.raises(Unrotatable, match="do not open what was sealed for them"):
        await made(tmp_path, content, Wish(to(ME), new_data_key=True), seal=wrong)


async def test_an_error_of_a_plugin_shows_no_data_key(tmp_path: Path) -> None:
    async def failing(data_key: bytes, recipient: str, ring: KeyRing, ctx: Context) -> MasterKey:
        raise RuntimeError(data_key.hex())

    with pytest.raises(Unrotatable) as raised:
        await made(tmp_path, MINE, Wish(add=to(OTHER)), seal=failing)

    assert str(raised.value) == f"'{OTHER.recipient}': unexpected RuntimeError: a bug"
    assert raised.value.__cause__ is None


async def test_documents_that_were_encrypted_one_by_one_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(Unrotatable, match="put each into a file of its own"):
        await made(tmp_path, MINE + b"---\n" + Seal([ME]).yaml(LOGIN), Wish(add=to(OTHER)))


async def test_who_is_added_to_a_file_of_several_groups_must_stand_in_the_rules(
    tmp_path: Path,
) -> None:
    groups = [{"age": [ME.recipient]}, {"age": [OTHER.recipient]}]
    rules = {"creation_rules": [{"shamir_threshold": 2, "key_groups": groups}]}
    Repository(tmp_path).put({".sops.yaml": yaml.safe_dump(rules)})
    content = cast("Rotated", await made(tmp_path, MINE, Wish())).content

    again = sealed_in(content, "a.yaml")

    assert again is not None
    assert again.groups == tuple((each,) for each in to(ME, OTHER))
    with pytest.raises(Unrotatable, match="several key groups: say in key_groups"):
        await made(tmp_path, content, Wish(add=to(Person())))
    with pytest.raises(Unrotatable, match="1 of 2 groups of keys could be opened"):
        await made(tmp_path, content, Wish(remove=(), to=to(ME)))


def with_context(tmp_path: Path, **context: str) -> None:
    group = {"kms": [{"arn": KEY, "context": context}], "age": [ME.recipient]}
    rules = {"creation_rules": [{"key_groups": [group]}]}
    Repository(tmp_path).put({".sops.yaml": yaml.safe_dump(rules)})


def kms_of(content: bytes) -> MasterKey:
    sealed = sealed_in(content, "a.yaml")
    assert sealed is not None
    assert sealed.metadata is not None
    (found,) = (key for group in sealed.metadata.groups for key in group if key.kind == "kms")
    return found


async def test_an_encryption_context_is_kept_whatever_is_rotated(tmp_path: Path) -> None:
    context = {"Stage": "prod", "Bucket": "arn:aws:s3:::a"}
    with_context(tmp_path, **context)
    async with world() as clouds:
        Amazon(clouds)
        ring, by = KeyRing({"me.agekey": ME.key_file, **static()}), clouds.context()

        async def rotate(content: bytes, wish: Wish) -> bytes:
            return cast("Rotated", await made(tmp_path, content, wish, ring, by)).content

        first = await rotate(MINE, Wish())
        later = await rotate(first, Wish(new_data_key=True))
        last = await rotate(later, Wish(add=to(OTHER), new_data_key=True))

        contexts = [dict(kms_of(each).context) for each in (first, later, last)]
        assert contexts == [context] * 3
        opened = [await awskms.DECRYPTOR.open(kms_of(each), ring, by) for each in (first, last)]
        assert opened[0] != opened[1]
        assert all(len(each) == 32 for each in opened)


async def test_a_context_that_sops_could_not_write_is_left_to_sops(tmp_path: Path) -> None:
    with_context(tmp_path, Stage="a,b:c")

    with pytest.raises(Unrotatable, match=r"holds a comma or a bar.*use `sops updatekeys`"):
        await made(tmp_path, MINE, Wish())
