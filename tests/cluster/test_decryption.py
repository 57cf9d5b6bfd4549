"""Encrypted files of a repository, from Git to the cluster; contract: flux-behaviour 4.6.

The data keys are opened by the real plugin; what is encrypted is written by code of the tests.
"""

import base64
import stat
from pathlib import Path
from typing import Any

import pytest

from plugins import PLUGIN
from tests.cluster.test_secrets_masked import all_that_shows, forms, said_in_spans
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_ready
from tests.support.observing import logged, notified, traced
from tests.support.sealing import Person, Seal

ME, OTHER = Person(), Person()
SOPS = {"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}}
WATCHED = {"reconcile.fluxcd.io/watch": "Enabled"}


def keys(*people: Person, name: str = "keys") -> dict[str, Any]:
    """A decryption Secret, watched."""
    data = {
        f"{number}.agekey": base64.b64encode(person.key_file).decode()
        for number, person in enumerate(people)
    }
    metadata = {"name": name, "labels": WATCHED}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def sealed_secret(name: str, person: Person = ME, /, **values: str) -> str:
    obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
    return Seal([person], "^stringData$").yaml(obj).decode()


async def value(fleet: Fleet, name: str, key: str) -> str:
    found = await fleet.get("Secret", name)
    return base64.b64decode(found["data"][key]).decode() if found else ""


@pytest.mark.covers(
    "Kustomization.spec.decryption.provider=sops", "Kustomization.spec.decryption.secretRef.name"
)
async def test_secrets_generators_and_patches_are_applied_in_plain_text(fleet: Fleet) -> None:
    patch = {**config_map("app"), "data": {"token": "patched"}}
    generator = {"name": "gen", "envs": ["app.env"], "files": ["blob"]}
    await fleet.put(keys(OTHER, ME))
    await fleet.app(
        {
            "app/kustomization.yaml": {
                "resources": ["login.yaml", "map.yaml"],
                "patches": [{"path": "patch.yaml"}],
                "secretGenerator": [{**generator, "options": {"disableNameSuffixHash": True}}],
            },
            "app/login.yaml": sealed_secret("login", password="one"),
            "app/map.yaml": config_map("app", open="x"),
            "app/patch.yaml": Seal([ME], "^token$").yaml(patch).decode(),
            "app/app.env": Seal([ME]).dotenv(TOKEN="two").decode(),
            "app/blob": Seal([ME]).binary("three\n").decode(),
        },
        **SOPS,
    )

    async with fleet.engine(plugins=PLUGIN):
        await fleet.until("Kustomization", "app", is_ready)

        assert await value(fleet, "login", "password") == "one"
        assert await fleet.data("app") == {"open": "x", "token": "patched"}
        assert await value(fleet, "gen", "TOKEN") == "two"
        assert await value(fleet, "gen", "blob") == "three\n"


async def test_what_no_key_opens_fails_alone_and_heals_once_the_key_is_there(fleet: Fleet) -> None:
    await fleet.put(keys(OTHER))
    await fleet.app(
        {
            "app/login.yaml": sealed_secret("login", password="one"),
            "good/login.yaml": sealed_secret("fine", OTHER, password="two"),
        },
        **SOPS,
    )
    await fleet.kustomization("good", path="./good", **SOPS)

    async with fleet.engine(plugins=PLUGIN):
        failed = await fleet.until("Kustomization", "app", has_reason("BuildFailed"))
        await fleet.until("Kustomization", "good", is_ready)
        await fleet.patch("Secret", "keys", {"data": keys(OTHER, ME)["data"]})
        await fleet.until("Kustomization", "app", is_ready)

    message = condition_of(failed)["message"]
    assert "decryption failed for Secret/login (app/login.yaml:1)" in message
    assert ME.recipient in message
    assert OTHER.secret not in message
    assert await value(fleet, "login", "password") == "one"


async def test_a_key_secret_that_goes_fails_what_was_built_with_it_and_prunes_nothing(
    fleet: Fleet,
) -> None:
    await fleet.put(keys(ME))
    await fleet.app({"app/login.yaml": sealed_secret("login", password="one")}, **SOPS)

    async with fleet.engine(plugins=PLUGIN):
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.delete("Secret", "keys")
        failed = await fleet.until("Kustomization", "app", has_reason("BuildFailed"))
        kept = await value(fleet, "login", "password")
        await fleet.put(keys(ME))
        await fleet.until("Kustomization", "app", is_ready)

    assert "cannot get sops decryption Secret" in condition_of(failed)["message"]
    assert kept == "one"


async def test_an_encrypted_secret_is_refused_where_nobody_decrypts(fleet: Fleet) -> None:
    await fleet.app({"app/login.yaml": sealed_secret("login", password="one")})

    async with fleet.engine(plugins=PLUGIN):
        failed = await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))

    assert (
        "is SOPS encrypted, configuring decryption is required" in condition_of(failed)["message"]
    )
    assert await fleet.get("Secret", "login") is None


async def test_a_file_that_was_tampered_with_is_refused(fleet: Fleet) -> None:
    await fleet.put(keys(ME))
    changed = sealed_secret("login", password="one").replace("name: login", "name: other")
    await fleet.app({"app/login.yaml": changed}, **SOPS)

    async with fleet.engine(plugins=PLUGIN):
        failed = await fleet.until("Kustomization", "app", has_reason("BuildFailed"))
    async with fleet.engine(plugins=PLUGIN, sops_verify_mac=False):
        await fleet.until("Kustomization", "app", is_ready)

    assert "decryption failed for Secret/other" in condition_of(failed)["message"]
    assert await value(fleet, "other", "password") == "one"


def content_below(folder: Path) -> bytes:
    """All that stands in files."""
    files = (each for each in folder.rglob("*") if stat.S_ISREG(each.lstat().st_mode))
    return b"\0".join(each.read_bytes() for each in files)


@pytest.mark.limit(60)
async def test_what_was_decrypted_shows_nowhere_and_is_on_no_disk(fleet: Fleet) -> None:
    canary = "Canary/1+decrypted=?" + 100 * "long"
    plain = {**config_map("app"), "data": {"token": canary}}
    broken = f"kind: [{canary}\n{canary}: *{canary}"
    await fleet.put(keys(ME))
    await fleet.app(
        {
            "app/login.yaml": sealed_secret("login", password=canary, url="${x:=" + canary + "}"),
            "app/map.yaml": Seal([ME], "^token$").yaml(plain).decode(),
            "broken/kustomization.yaml": {
                "resources": ["map.yaml"],
                "patches": [{"path": "patch"}],
            },
            "broken/map.yaml": config_map("broken"),
            "broken/patch": Seal([ME]).binary(broken).decode(),
        },
        postBuild={"substitute": {"x": "other"}},
        **SOPS,
    )
    await fleet.kustomization("broken", path="./broken", **SOPS)

    with logged("trace") as log, traced() as traces:
        async with (
            notified() as posts,
            fleet.engine(plugins=PLUGIN, events_addr=f"{posts.url}/") as state,
        ):
            await fleet.until("Kustomization", "app", is_ready)
            failed = await fleet.until("Kustomization", "broken", has_reason("BuildFailed"))
            await fleet.patch("ConfigMap", "app", {"data": {"token": f"not {canary}"}})
            await fleet.until("ConfigMap", "app", lambda obj: obj["data"]["token"] == canary)
            await fleet.reconcile("Kustomization", "app")
            shown = await all_that_shows(fleet, state)
        shown |= {"spans": said_in_spans(traces), "posts": str([each.body for each in posts.seen])}
    shown["log"] = log.getvalue()
    shown["disk"] = content_below(fleet.folder / "storage").decode(errors="replace")
    beginning = "Canary/1+decrypted"  # events cut long values

    assert [where for where, text in shown.items() for f in forms(beginning) if f in text] == []
    assert [where for where, text in shown.items() if ME.secret in text] == []
    assert "configured" in shown["posts"]
    assert "patch" in condition_of(failed)["message"]
