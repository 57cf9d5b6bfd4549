"""Decryption keys that end, or that no file needs: told once, and never too early."""

import base64

import yaml

from engine.objects.ref import Ref
from plugins import PLUGIN
from tests.support.clock import ImpatientClock
from tests.support.sealing import Person
from tests.support.sops_vectors import FOLDER
from tests.unit.reconcile.test_decryption import ME, OTHER, SOPS, Shop, keys, sealed, secret

EXPIRED = "749506633512E1B19C09553DFA1E7382E9C9DCD0"
END = 1_578_009_600.0  # of that key: 2020-01-03
DAY = 86_400.0
MORE = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux", "more")


def shop(*people: Person, **files: bytes | str) -> Shop:
    made = Shop(plugins=PLUGIN)
    made.client.put(keys(*people))
    made.files("main@sha1:1", **files)
    made.kustomization(**SOPS)
    return made


def warnings(made: Shop) -> list[str]:
    return [each for each in made.told() if each.startswith("Warning DecryptionKey")]


def for_openpgp() -> bytes:
    """A file for ME, and for the OpenPGP key that ends."""
    document = yaml.safe_load(sealed(secret(), ME))
    part = {"fp": EXPIRED, "created_at": "2026-11-23T06:00:00Z", "enc": "x"}
    document["sops"]["pgp"] = [part]
    return yaml.safe_dump(document).encode()


def with_openpgp(made: Shop, days: float) -> None:
    """The Secret holds the OpenPGP key, too, which ends in so many days."""
    text = base64.b64encode((FOLDER / "expired.asc").read_bytes()).decode()
    obj = keys(ME)
    made.client.put({**obj, "data": {**obj["data"], "ops.asc": text}})
    assert isinstance(made.clock, ImpatientClock)
    made.clock.skip(END - days * DAY - made.clock.wall())


async def test_a_key_that_ends_soon_is_told_once() -> None:
    made = shop(ME, app__login=for_openpgp())
    with_openpgp(made, 29)

    await made.run()
    (first,) = warnings(made)
    made.request("again")
    await made.run()

    assert first.startswith(f"Warning DecryptionKeyEnding: OpenPGP key {EXPIRED} of Secret 'flux/")
    assert "ends on 2020-01-03" in first
    assert warnings(made) == []


async def test_a_key_that_has_ended_is_told_and_one_with_time_is_not() -> None:
    late, early = (shop(ME, app__login=for_openpgp()) for _ in range(2))
    with_openpgp(late, -1)
    with_openpgp(early, 31)

    await late.run()
    await early.run()

    assert "DecryptionKeyEnded" in warnings(late)[0]
    assert warnings(early) == []


async def test_a_key_that_no_file_needs_is_told() -> None:
    made = shop(ME, OTHER, app__login=sealed(secret(), ME))

    await made.run()

    (told,) = warnings(made)
    assert told.startswith(f"Warning DecryptionKeyUnused: age key {OTHER.recipient} of Secret")
    assert OTHER.secret not in told


async def test_a_key_that_another_kustomization_may_need_is_not_told() -> None:
    made = shop(ME, OTHER, app__login=sealed(secret(), ME), more__login=sealed(secret("b"), OTHER))
    made.kustomization(MORE, path="./more", **SOPS)

    await made.run()
    await made.run(MORE)
    made.request("again")
    await made.run()

    assert warnings(made) == []


async def test_as_long_as_nothing_is_encrypted_no_key_is_called_unused() -> None:
    made = shop(ME, app__map="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")

    await made.run()

    assert warnings(made) == []
