"""Data keys: which master key opens one, how long it is remembered, and what a refusal says."""

import os
from dataclasses import replace
from typing import Any, cast

import anyio
import pytest

from engine.errors import FeatureGateDisabled
from engine.plugin import KeyRing, KeyUnavailable
from engine.reconcile.builder import Job
from engine.reconcile.data_keys import DataKeys
from engine.reconcile.opening import Means, Opening
from engine.render import Remotes, Request, SealedKey
from engine.sops import MasterKey, Metadata, Rule, split
from engine.source.tree import MemoryTree
from tests.support.clock import ManualClock, settle
from tests.support.contexts import asked_by
from tests.support.locksmith import Locksmith
from tests.support.sealing import Person, Seal

DATA_KEY = bytes(range(32))
ME, OTHER = Person(), Person()


def aged(person: Person, data_key: bytes = DATA_KEY) -> MasterKey:
    return MasterKey("age", person.recipient, Seal([person], data_key=data_key).armored(person))


def served(name: str, kind: str = "kms") -> MasterKey:
    return MasterKey(kind, name, f"sealed for {name}")


def sealed(*groups: tuple[MasterKey, ...], threshold: int = 0) -> SealedKey:
    rule = Rule("unencrypted_suffix", "_plain")
    return SealedKey.of(Metadata(groups, threshold, "", "", rule), "app/a.yaml:9")


def opening(
    smith: Locksmith, *people: Person, keys: DataKeys | None = None, whose: str = "me"
) -> Opening:
    ring = KeyRing({f"{index}.agekey": each.key_file for index, each in enumerate(people)})
    return Opening(
        Means(ring, "Secret 'flux/keys' (0.agekey)", whose),
        smith.plugin.decryptors,
        cast("Any", None),
        keys if keys is not None else DataKeys(ManualClock(), 3600.0),
    )


async def brought(opens: Opening, *keys: SealedKey, within: float = 5.0) -> list[bytes | str]:
    """What is known of the keys then."""
    await opens.bring(frozenset(keys), within)
    got = opens.got
    return [got.data_keys.get(key.id) or got.refusals[key.id] for key in keys]


async def test_a_key_of_the_ring_is_tried_before_a_service_is_asked() -> None:
    smith = Locksmith(service={"arn:1": DATA_KEY})
    key = sealed((served("arn:1"), aged(OTHER), aged(ME)))

    assert await brought(opening(smith, ME), key) == [DATA_KEY]
    assert smith.asked == [ME.recipient]


async def test_the_next_key_is_tried_if_one_does_not_open() -> None:
    smith = Locksmith(service={"arn:2": DATA_KEY})
    key = sealed((served("arn:1"), served("arn:2"), aged(OTHER)))

    assert await brought(opening(smith, ME), key) == [DATA_KEY]
    assert smith.asked == [OTHER.recipient, "arn:1", "arn:2"]


async def test_as_many_groups_are_opened_as_the_threshold_says() -> None:
    shares = split(DATA_KEY, 3, 2, os.urandom)
    smith = Locksmith(service={f"arn:{i}": share for i, share in enumerate(shares)})
    key = sealed(*((served(f"arn:{i}"),) for i in range(3)), threshold=2)
    del smith.service["arn:0"]

    assert await brought(opening(smith), key) == [DATA_KEY]
    assert smith.asked == ["arn:0", "arn:1", "arn:2"]


async def test_a_refusal_names_recipients_keys_and_reasons() -> None:
    smith = Locksmith()
    key = sealed((served("arn:1"),), (aged(OTHER),), threshold=2)

    (refusal,) = await brought(opening(smith, ME), key)

    assert refusal == (
        "no key of Secret 'flux/keys' (0.agekey) opens it (0 of 2 groups of keys could be opened);"
        f" it is encrypted for arn:1, {OTHER.recipient}; tried: arn:1: 403 denied; no identity is "
        f"{OTHER.recipient}"
    )


async def test_a_kind_without_plugin_is_named() -> None:
    (refusal,) = await brought(opening(Locksmith()), sealed((served("x", "hckms"),)))

    assert "tried: no plugin opens keys of kind 'hckms'" in str(refusal)


async def test_an_unexpected_error_of_a_plugin_shows_no_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    smith = Locksmith(service={"arn:1": ValueError("c4n4ry")})

    (refusal,) = await brought(opening(smith), sealed((served("arn:1"),)))

    assert "arn:1: unexpected ValueError" in str(refusal)
    assert "locksmith.py" in caplog.text
    assert "ValueError" in caplog.text
    assert "c4n4ry" not in f"{refusal} {caplog.text}"


async def test_what_the_identity_may_not_do_at_all_fails_the_run() -> None:
    smith = Locksmith(service={"arn:1": FeatureGateDisabled("not here")})

    with pytest.raises(FeatureGateDisabled, match="not here"):
        await brought(opening(smith), sealed((served("arn:1"),)), sealed((served("arn:2"),)))


async def test_a_key_service_that_hangs_ends_with_the_time_that_is_left() -> None:
    hangs = sealed((served("arn:1"),))

    async def forever(*_: object) -> bytes:
        await anyio.sleep_forever()
        raise AssertionError

    opens = opening(Locksmith())
    (decryptor,) = {opens.decryptors["kms"]}
    opens.decryptors = {"kms": type(decryptor)(forever, decryptor.seal, decryptor.held)}

    (refusal,) = await brought(opens, hangs, within=0.01)

    assert refusal == "its key service gave no answer in time (spec.timeout)"
    assert opens.has_asked


async def test_key_services_that_hang_for_one_tenant_hold_up_no_other_tenant() -> None:
    """A tenant names the servers that are asked."""
    smith, keys = Locksmith(service={"arn:1": DATA_KEY}), DataKeys(ManualClock(), 3600.0)

    async def forever(*_: object) -> bytes:
        await anyio.sleep_forever()
        raise AssertionError

    served_ = smith.plugin.decryptors["kms"]
    hanging = {"kms": type(served_)(forever, served_.seal, served_.held)}
    async with anyio.create_task_group() as tasks:
        for build in range(10):
            many = [sealed((served(f"{build}/{number}"),)) for number in range(100)]
            opens = replace(opening(smith, keys=keys), context=asked_by("many"), decryptors=hanging)
            tasks.start_soon(opens.bring, many, 60.0)
        await settle()
        opens = replace(opening(smith, keys=keys), context=asked_by("one"))

        assert keys.places.waiting > 0
        assert await brought(opens, sealed((served("arn:1"),))) == [DATA_KEY]
        tasks.cancel_scope.cancel()


async def test_what_was_opened_is_remembered_for_who_has_the_same_keys() -> None:
    smith, keys = Locksmith(), DataKeys(ManualClock(), 3600.0)
    key = sealed((aged(ME),))
    await brought(opening(smith, ME, keys=keys), key)

    assert opening(smith, ME, keys=keys).recall([key])
    assert not opening(smith, ME, keys=keys, whose="another").recall([key])
    assert await brought(opening(smith, ME, keys=keys), key) == [DATA_KEY]
    assert len(smith.asked) == 1


async def test_a_key_service_is_asked_again_after_a_time_and_a_key_of_the_ring_is_not() -> None:
    smith, clock = Locksmith(service={"arn:1": DATA_KEY}), ManualClock()
    keys = DataKeys(clock, 3600.0)
    local, remote = sealed((aged(ME),)), sealed((served("arn:1"),))
    await brought(opening(smith, ME, keys=keys), local, remote)
    await clock.advance(1800.0)
    opening(smith, ME, keys=keys).recall([local, remote])
    await clock.advance(1801.0)

    assert keys.known("me", [local, remote]).keys() == {local.id}
    smith.service["arn:1"] = KeyUnavailable("arn:1: 403 revoked")
    assert "revoked" in str((await brought(opening(smith, ME, keys=keys), remote))[0])


@pytest.mark.parametrize(("most", "held"), [(1, 1), (2, 2), (9, 3)])
async def test_only_so_many_are_remembered(most: int, held: int) -> None:
    keys = DataKeys(ManualClock(), 3600.0, most)
    for number in range(3):
        keys.keep("me", sealed((served(f"arn:{number}"),)), DATA_KEY)

    assert keys.statistics().held == held
    assert keys.known("me", [sealed((served("arn:2"),))])


async def test_what_nobody_asks_for_is_forgotten() -> None:
    clock = ManualClock()
    keys = DataKeys(clock, 10_000.0)
    keys.keep("me", sealed((aged(ME),)), DATA_KEY)
    await clock.advance(3601.0)
    keys.keep("me", sealed((aged(OTHER),)), DATA_KEY)

    assert keys.statistics().held == 1


def test_no_representation_shows_a_key() -> None:
    keys = DataKeys(ManualClock(), 1.0)
    opens = opening(Locksmith(), ME, keys=keys)
    keys.keep("me", sealed((aged(ME),)), DATA_KEY)
    opens.recall([sealed((aged(ME),))])

    job = Job(MemoryTree({}), Request(), Remotes(keys=opens.got))
    told = f"{opens!r} {keys!r} {opens.got!r} {vars(keys)} {job!r}"
    assert ME.secret not in told
    assert repr(DATA_KEY) not in told
