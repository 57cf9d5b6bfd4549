"""What a GitRepository may be made of: signatures, other repositories, parts of folders."""

import base64
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.objects.ref import Object
from engine.source.author import add_tag
from tests.support.fleet import (
    Fleet,
    condition_of,
    config_map,
    has_reason,
    is_at,
    is_ready,
)
from tests.support.forge import Forge, forges, gitmodules
from tests.support.signing import HAS_GPG, HAS_SSH_KEYGEN, Signing, signing_place

signed = pytest.mark.skipif(
    not (HAS_GPG and HAS_SSH_KEYGEN), reason="gpg, ssh-keygen or git is not installed"
)


@pytest.fixture
async def signing() -> AsyncIterator[Signing]:
    with signing_place() as place:
        yield place


def repository(fleet: Fleet, name: str = "fleet") -> Path:
    return fleet.folder / "repositories" / name


async def secret(fleet: Fleet, name: str, data: Mapping[str, bytes]) -> None:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    await fleet.put(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}
    )


def verifying(mode: str = "HEAD", **spec: Any) -> dict[str, Any]:
    return {"verify": {"mode": mode, "secretRef": {"name": "keys"}}, **spec}


def said(obj: Object, type_: str = "Ready") -> str:
    found = condition_of(obj, type_)
    return f"{found.get('status')} {found.get('reason')}: {found.get('message')}" if found else ""


async def key_of(signing: Signing, name: str) -> str:
    return await anyio.to_thread.run_sync(signing.openpgp_key, f"{name} <{name}@example.org>")


@signed
@pytest.mark.covers(
    "GitRepository.spec.verify.mode=HEAD", "GitRepository.spec.verify.secretRef.name"
)
async def test_a_signed_commit_is_verified_and_an_unsigned_one_never_stored(
    fleet: Fleet, signing: Signing
) -> None:
    key = await key_of(signing, "Ada")
    fleet.commit({"app/web.yaml": config_map("web", v="1")})
    commit = signing.commit(repository(fleet), key)
    await secret(fleet, "keys", {"ada.asc": signing.exported(key)})
    await fleet.source(**verifying())
    await fleet.kustomization("app", path="./app")

    async with fleet.engine():
        source = await fleet.until("GitRepository", "fleet", is_ready)
        await fleet.until("Kustomization", "app", is_at(commit))
        unsigned = fleet.commit({"app/web.yaml": config_map("web", v="2")})
        await fleet.request("GitRepository", "fleet", "1")
        refused = await fleet.until("GitRepository", "fleet", has_reason("InvalidCommitSignature"))
        again = signing.commit(repository(fleet), key)
        await fleet.request("GitRepository", "fleet", "2")
        await fleet.until("Kustomization", "app", is_at(again))
        healed = await fleet.until("GitRepository", "fleet", is_ready)

    good = f"verified signature of\n\t- commit '{commit}' with key '{key[-16:]}'"
    assert said(source, "SourceVerified") == f"True Succeeded: {good}"
    assert source["status"]["sourceVerificationMode"] == "HEAD"
    assert (
        said(refused, "SourceVerified")
        == said(refused)
        == (
            f"False InvalidCommitSignature: signature verification of commit '{unsigned}' failed: "
            "unsupported signature type: empty"
        )
    )
    assert said(refused, "FetchFailed") == ""
    assert refused["status"]["artifact"]["revision"] == f"main@sha1:{commit}"
    assert said(healed, "SourceVerified").startswith("True Succeeded")


@signed
async def test_a_key_that_leaves_the_secret_counts_no_more_though_nothing_is_new(
    fleet: Fleet, signing: Signing
) -> None:
    key, other = await key_of(signing, "Ada"), await key_of(signing, "Bob")
    fleet.commit({"app/web.yaml": config_map("web")})
    signing.commit(repository(fleet), key)
    await secret(fleet, "keys", {"ada.asc": signing.exported(key)})
    await fleet.source(**verifying())

    async with fleet.engine():
        await fleet.until("GitRepository", "fleet", is_ready)
        text = base64.b64encode(signing.exported(other)).decode()
        await fleet.patch("Secret", "keys", {"data": {"ada.asc": text}})
        await fleet.request("GitRepository", "fleet", "1")
        refused = await fleet.until("GitRepository", "fleet", has_reason("InvalidCommitSignature"))
        await fleet.patch("GitRepository", "fleet", {"spec": {"verify": None}})
        free = await fleet.until("GitRepository", "fleet", is_ready)

    assert f"it names {key[-16:]} as its key, trusted are {other[-16:]}" in said(refused)
    assert said(free, "SourceVerified") == ""
    assert "sourceVerificationMode" not in free["status"]


@signed
@pytest.mark.covers("GitRepository.spec.verify.mode=TagAndHEAD")
async def test_a_tag_and_its_commit_are_verified_together(fleet: Fleet, signing: Signing) -> None:
    key, ssh = await key_of(signing, "Ada"), await anyio.to_thread.run_sync(signing.ssh_key)
    fleet.commit({"app/web.yaml": config_map("web")})
    commit = signing.commit(repository(fleet), key)
    tag = signing.tag(repository(fleet), "v1.0.0", ssh)
    public = ssh.with_suffix(".pub").read_bytes()
    await secret(fleet, "keys", {"ada.asc": signing.exported(key), "ada.sshpub": public})
    await fleet.source(**verifying("TagAndHEAD", ref={"semver": "1.x"}))

    async with fleet.engine():
        source = await fleet.until("GitRepository", "fleet", is_ready)

    text = said(source, "SourceVerified")
    assert f"\n\t- tag 'v1.0.0@{tag}' with key 'SHA256:" in text
    assert text.endswith(f"\n\t- commit '{commit}' with key '{key[-16:]}'")
    assert source["status"]["sourceVerificationMode"] == "TagAndHEAD"


@signed
@pytest.mark.covers("GitRepository:InvalidTagSignature")
async def test_a_tag_that_a_stranger_signed_is_refused(fleet: Fleet, signing: Signing) -> None:
    key, ssh = await key_of(signing, "Ada"), await anyio.to_thread.run_sync(signing.ssh_key)
    fleet.commit({"app/web.yaml": config_map("web")})
    signing.tag(repository(fleet), "v1.0.0", ssh)
    await secret(fleet, "keys", {"ada.asc": signing.exported(key)})
    await fleet.source(**verifying("Tag", ref={"tag": "v1.0.0"}))

    async with fleet.engine():
        source = await fleet.until("GitRepository", "fleet", has_reason("InvalidTagSignature"))

    assert "artifact" not in source["status"]


@pytest.mark.parametrize(
    ("mode", "ref", "reason", "text"),
    [
        pytest.param(
            *("Tag", {"branch": "main"}, "InvalidVerificationMode", "if a tag reference is not"),
            marks=pytest.mark.covers("GitRepository:InvalidVerificationMode"),
        ),
        pytest.param(
            *("Tag", {"tag": "plain"}, "InvalidGitObject", "tag 'plain' since it is not signed"),
            marks=pytest.mark.covers(
                "GitRepository.spec.verify.mode=Tag", "GitRepository:InvalidGitObject"
            ),
        ),
        pytest.param(
            *("head", {"branch": "main"}, "InvalidCommitSignature", "signature type: empty"),
            marks=pytest.mark.covers(
                "GitRepository.spec.verify.mode=head", "GitRepository:InvalidCommitSignature"
            ),
        ),
        ("HEAD", {"branch": "main"}, "InvalidCommitSignature", "signature type: empty"),
    ],
)
async def test_what_cannot_be_verified_says_so_under_its_own_reason(
    fleet: Fleet, mode: str, ref: dict[str, str], reason: str, text: str
) -> None:
    commit = fleet.commit({"app/web.yaml": config_map("web")})
    add_tag(repository(fleet), "plain", commit)
    await secret(fleet, "keys", {"a.asc": b"x"})
    await fleet.source(**verifying(mode, ref=ref))

    async with fleet.engine():
        source = await fleet.until("GitRepository", "fleet", has_reason(reason))

    assert text in said(source, "SourceVerified")
    assert "artifact" not in source["status"]
    assert bool(said(source, "Stalled")) is (reason == "InvalidVerificationMode")


@pytest.mark.covers("GitRepository:VerificationError")
async def test_without_the_keys_nothing_is_fetched(fleet: Fleet) -> None:
    fleet.commit({"app/web.yaml": config_map("web")})
    await fleet.source(**verifying())

    async with fleet.engine():
        source = await fleet.until("GitRepository", "fleet", has_reason("VerificationError"))

    assert said(source).startswith(
        'False VerificationError: public keys secret error: secrets "keys" not found'
    )


def included(name: str, **paths: str) -> dict[str, Any]:
    return {"repository": {"name": name}, **paths}


@pytest.mark.covers(
    "GitRepository.spec.include[].fromPath",
    "GitRepository.spec.include[].repository.name",
    "GitRepository.spec.include[].toPath",
)
async def test_included_files_are_applied_and_each_change_of_them_too(fleet: Fleet) -> None:
    commit = fleet.commit({"app/web.yaml": config_map("web", v="1")})
    fleet.commit({"deploy/lib.yaml": config_map("lib", v="1")}, repository="lib")
    await fleet.source("lib", url=f"{fleet.git_url}/lib")
    await fleet.source(include=[included("lib", fromPath="deploy", toPath="app/lib")])
    await fleet.kustomization("app", path="./app")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        source = await fleet.until("GitRepository", "fleet", is_ready)
        fleet.commit({"deploy/lib.yaml": config_map("lib", v="2")}, repository="lib")
        await fleet.request("GitRepository", "lib", "1")
        lib = await fleet.until("ConfigMap", "lib", lambda obj: obj["data"] == {"v": "2"})
        after = await fleet.until(
            "GitRepository",
            "fleet",
            lambda obj: (
                obj["status"]["artifact"]["digest"] != source["status"]["artifact"]["digest"]
            ),
        )
        other = await fleet.get("GitRepository", "lib")

    assert lib["data"] == {"v": "2"}
    assert other is not None
    assert after["status"]["includedArtifacts"] == [other["status"]["artifact"]]
    assert after["status"]["observedInclude"] == [
        included("lib", fromPath="deploy", toPath="app/lib")
    ]
    revision = f"main@sha1:{commit}"
    assert after["status"]["artifact"]["revision"] == revision
    assert said(after) == f"True Succeeded: stored artifact for revision '{revision}'"


@pytest.mark.covers("GitRepository:NotFound", "GitRepository:NoArtifact")
async def test_what_is_to_be_included_is_waited_for(fleet: Fleet) -> None:
    fleet.commit({"app/web.yaml": config_map("web")})
    fleet.commit({"lib.yaml": config_map("lib")}, repository="lib")
    await fleet.source(include=[included("lib")])

    async with fleet.engine(requeue_dependency=0.2):
        missing = await fleet.until("GitRepository", "fleet", has_reason("NotFound"))
        await fleet.source("lib", url=f"{fleet.git_url}/lib", ref={"branch": "none"})
        empty = await fleet.until("GitRepository", "fleet", has_reason("NoArtifact"))
        await fleet.patch("GitRepository", "lib", {"spec": {"ref": {"branch": "main"}}})
        found = await fleet.until("GitRepository", "fleet", is_ready)

    assert said(missing, "IncludeUnavailable").startswith(
        "True NotFound: could not get resource for include 'lib': "
    )
    assert said(empty, "IncludeUnavailable") == (
        "True NoArtifact: no artifact available for include 'lib'"
    )
    assert said(found, "IncludeUnavailable") == ""


async def test_repositories_that_include_each_other_are_named_and_do_not_grow(
    fleet: Fleet,
) -> None:
    fleet.commit({"a.yaml": config_map("a")})
    await fleet.source("one", include=[included("two")])
    await fleet.source("two", include=[included("one")])

    async with fleet.engine():
        one = await fleet.until("GitRepository", "one", has_reason("NoArtifact"))
        two = await fleet.until("GitRepository", "two", has_reason("NoArtifact"))
        await fleet.patch("GitRepository", "two", {"spec": {"include": None}})
        await fleet.until("GitRepository", "two", is_ready)
        healed = await fleet.until("GitRepository", "one", is_ready)

    circle = f"{fleet.namespace}/one -> {fleet.namespace}/two -> {fleet.namespace}/one"
    assert f"the GitRepositories include each other, {circle}: " in said(one)
    assert "include each other" in said(two)
    assert len(healed["status"]["includedArtifacts"]) == 1


@pytest.mark.covers("GitRepository:CopyFailure")
async def test_what_stands_in_the_way_of_an_include_is_a_storage_problem(fleet: Fleet) -> None:
    fleet.commit({"app/web.yaml": config_map("web")})
    fleet.commit({"lib.yaml": config_map("lib")}, repository="lib")
    await fleet.source("lib", url=f"{fleet.git_url}/lib")
    await fleet.source(include=[included("lib", toPath="../app")])

    async with fleet.engine():
        source = await fleet.until("GitRepository", "fleet", has_reason("CopyFailure"))

    assert said(source, "StorageOperationFailed").startswith(
        "True CopyFailure: failed to copy 'lib' include from  to ../app: 'app' exists already"
    )
    assert said(source, "FetchFailed") == ""


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    async with forges(tmp_path / "forges") as found:
        yield found[0]


@pytest.mark.covers("GitRepository.spec.recurseSubmodules", "GitRepository.spec.sparseCheckout[]")
async def test_submodules_and_parts_of_folders_are_followed_as_they_are_switched(
    fleet: Fleet, forge: Forge
) -> None:
    lib = forge.commit("lib", {"l.yaml": b"kind: List\napiVersion: v1\nitems: []\n"})
    files = {"app/a.txt": b"1", "docs/b.txt": b"2"} | gitmodules({"app/lib": "../lib"})
    forge.commit("all", files, {"app/lib": lib})
    await fleet.source("all", url=forge.address("all"))

    async with fleet.engine() as state:
        plain = await fleet.until("GitRepository", "all", is_ready)
        await fleet.patch("GitRepository", "all", {"spec": {"recurseSubmodules": True}})
        deep = await fleet.until("GitRepository", "all", is_observed("observedRecurseSubmodules"))
        await fleet.patch("GitRepository", "all", {"spec": {"sparseCheckout": ["app"]}})
        thin = await fleet.until("GitRepository", "all", is_observed("observedSparseCheckout"))
        assert state.client is not None
        asked = len(forge.asked)
        same = await fleet.reconcile("GitRepository", "all")
        await fleet.patch("GitRepository", "all", {"spec": {"sparseCheckout": ["../app"]}})
        refused = await fleet.until("GitRepository", "all", has_reason("GitOperationFailed"))

    digests = [obj["status"]["artifact"]["digest"] for obj in (plain, deep, thin)]
    assert len(set(digests)) == 3
    assert thin["status"]["observedSparseCheckout"] == ["app"]
    assert len(forge.asked) - asked <= 4  # two requests a look, and no pack
    assert same["status"]["artifact"] == thin["status"]["artifact"]
    assert "sparse checkout dir '../app' does not exist in repository" in said(refused)


def is_observed(field: str) -> Any:
    def check(obj: Object) -> bool:
        return is_ready(obj) and bool(obj["status"].get(field))

    return check


@pytest.mark.parametrize("is_lost", [False, True], ids=["kept", "lost"])
async def test_after_a_restart_what_is_included_is_there_again(
    fleet: Fleet, *, is_lost: bool
) -> None:
    fleet.commit({"app/web.yaml": config_map("web")})
    fleet.commit({"lib.yaml": config_map("lib", v="1")}, repository="lib")
    await fleet.source("lib", url=f"{fleet.git_url}/lib")
    await fleet.source(include=[included("lib", toPath="app/lib")])
    async with fleet.engine():
        before = await fleet.until("GitRepository", "fleet", is_ready)
    if is_lost:
        shutil.rmtree(fleet.folder / "storage")
    fleet.commit({"app/more.yaml": config_map("more")})

    async with fleet.engine():
        after = await fleet.until("GitRepository", "fleet", is_other(before))

    assert after["status"]["includedArtifacts"][0]["revision"].startswith("main@sha1:")
    assert is_ready(after)


def is_other(before: Object) -> Any:
    """Another artifact than it was."""

    def check(obj: Object) -> bool:
        artifact = obj["status"].get("artifact") or {}
        return (
            is_ready(obj) and artifact.get("revision") != before["status"]["artifact"]["revision"]
        )

    return check


@signed
async def test_keys_that_are_watched_are_judged_as_soon_as_they_change(
    fleet: Fleet, signing: Signing
) -> None:
    key, other = await key_of(signing, "Ada"), await key_of(signing, "Bob")
    fleet.commit({"app/web.yaml": config_map("web")})
    signing.commit(repository(fleet), key)
    await secret(fleet, "keys", {"ada.asc": signing.exported(key)})
    labels = {"reconcile.fluxcd.io/watch": "Enabled"}
    await fleet.patch("Secret", "keys", {"metadata": {"labels": labels}})
    await fleet.source(**verifying())

    async with fleet.engine():
        await fleet.until("GitRepository", "fleet", is_ready)
        text = base64.b64encode(signing.exported(other)).decode()
        await fleet.patch("Secret", "keys", {"data": {"ada.asc": text}})

        assert await fleet.until("GitRepository", "fleet", has_reason("InvalidCommitSignature"))
