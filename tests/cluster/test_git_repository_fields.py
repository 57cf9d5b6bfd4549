"""Fields of a GitRepository's `spec`, each seen to do what the contract says."""

from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest

from engine.source.author import add_tag, create_repository
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_ready


def repository(fleet: Fleet, name: str = "fleet") -> Path:
    return fleet.folder / "repositories" / name


async def revision_of(fleet: Fleet, **reference: str) -> str:
    """What the engine finds for that reference; `branch` alone is not left as it was."""
    wanted = {"branch": None, **reference}
    await fleet.patch("GitRepository", "fleet", {"spec": {"ref": wanted}})
    obj = await fleet.until("GitRepository", "fleet", is_ready)
    await fleet.patch("GitRepository", "fleet", {"spec": {"ref": dict.fromkeys(reference)}})
    return str(obj["status"]["artifact"]["revision"])


@pytest.mark.covers(
    "GitRepository.spec.provider=generic",
    "GitRepository.spec.ref.branch",
    "GitRepository.spec.ref.commit",
    "GitRepository.spec.ref.name",
    "GitRepository.spec.ref.semver",
    "GitRepository.spec.ref.tag",
    "GitRepository.spec.url",
    "GitRepository:Succeeded",
)
async def test_each_kind_of_reference_finds_its_commit(fleet: Fleet) -> None:
    first = fleet.commit({"a.yaml": config_map("a", v="1")})
    add_tag(repository(fleet), "v1.0.0", first)
    second = fleet.commit({"a.yaml": config_map("a", v="2")})
    add_tag(repository(fleet), "v1.1.0", second)
    third = fleet.commit({"a.yaml": config_map("a", v="3")})
    await fleet.source(provider="generic")

    async with fleet.engine():
        await fleet.until("GitRepository", "fleet", is_ready)
        found = [
            await revision_of(fleet, branch="main"),
            await revision_of(fleet, tag="v1.0.0"),
            await revision_of(fleet, semver="1.x"),
            await revision_of(fleet, semver="1.x", tag="v1.0.0"),
            await revision_of(fleet, name="refs/tags/v1.1.0", tag="v1.0.0"),
            await revision_of(fleet, commit=first, name="refs/heads/main"),
            await revision_of(fleet, commit=first, branch="main"),
        ]

    assert found == [
        f"main@sha1:{third}",
        f"v1.0.0@sha1:{first}",
        f"v1.1.0@sha1:{second}",
        f"v1.0.0@sha1:{first}",
        f"refs/tags/v1.1.0@sha1:{second}",
        f"sha1:{first}",
        f"main@sha1:{first}",
    ]


@pytest.mark.covers("GitRepository.spec.ignore")
async def test_what_is_ignored_is_not_there(fleet: Fleet) -> None:
    files = {"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b")}
    fleet.commit(files)
    await fleet.source(ignore="b.yaml")
    await fleet.kustomization("app", path="./app")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        assert await fleet.get("ConfigMap", "b") is None
        source = await fleet.get("GitRepository", "fleet")
        await fleet.patch("GitRepository", "fleet", {"spec": {"ignore": None}})
        await fleet.until("ConfigMap", "b", lambda _: True)

    assert source is not None
    assert source["status"]["observedIgnore"] == "b.yaml"


@pytest.mark.covers("GitRepository.spec.interval")
async def test_a_commit_is_found_at_the_interval_though_nobody_asks(fleet: Fleet) -> None:
    fleet.commit({"a.yaml": config_map("a", v="1")})
    await fleet.source(interval="1s")

    async with fleet.engine():
        await fleet.until("GitRepository", "fleet", is_ready)
        commit = fleet.commit({"a.yaml": config_map("a", v="2")})
        await fleet.until("GitRepository", "fleet", has_artifact(commit))


def has_artifact(commit: str) -> Any:
    return lambda obj: str((obj["status"].get("artifact") or {}).get("revision")).endswith(commit)


@pytest.mark.covers("GitRepository:URLInvalid")
async def test_a_url_that_is_none_stalls_until_it_is_one(fleet: Fleet) -> None:
    fleet.commit({"a.yaml": config_map("a")})
    await fleet.source(url="https://[broken/x")

    async with fleet.engine():
        stalled = await fleet.until("GitRepository", "fleet", has_reason("URLInvalid"))
        await fleet.patch("GitRepository", "fleet", {"spec": {"url": f"{fleet.git_url}/fleet"}})
        await fleet.until("GitRepository", "fleet", is_ready)

    assert condition_of(stalled, "Stalled")["reason"] == "URLInvalid"
    assert "https://[broken/x" in condition_of(stalled)["message"]


@pytest.mark.covers("GitRepository:EmptyGitRepository", "GitRepository:ProgressingWithRetry")
async def test_a_repository_without_a_commit_is_retried_until_there_is_one(fleet: Fleet) -> None:
    create_repository(repository(fleet))
    await fleet.source()

    async with fleet.engine():
        empty = await fleet.until("GitRepository", "fleet", has_reason("EmptyGitRepository"))
        fleet.commit({"a.yaml": config_map("a")})
        await fleet.until("GitRepository", "fleet", is_ready)

    assert "git repository is empty" in condition_of(empty)["message"]


@pytest.mark.covers(
    "GitRepository.spec.timeout", "GitRepository:GitOperationFailed", "GitRepository:Progressing"
)
async def test_a_server_that_does_not_answer_is_given_up_after_the_timeout(fleet: Fleet) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        await fleet.source(url=f"http://127.0.0.1:{port}/fleet", timeout="3s")

        async with fleet.engine():
            failed = await fleet.until("GitRepository", "fleet", has_reason("GitOperationFailed"))

    assert "no complete answer within 3s (spec.timeout)" in condition_of(failed)["message"]


@pytest.mark.covers("GitRepository:ArchiveOperationFailed")
async def test_what_cannot_be_stored_is_told_and_tried_again(fleet: Fleet) -> None:
    fleet.commit({"a.yaml": config_map("a")})
    await fleet.source()
    place = fleet.folder / "storage/artifacts/gitrepository" / fleet.namespace
    place.mkdir(parents=True)
    (place / "fleet").write_text("a file where a folder should be")

    async with fleet.engine():
        failed = await fleet.until("GitRepository", "fleet", has_reason("ArchiveOperationFailed"))
        (place / "fleet").unlink()
        await fleet.until("GitRepository", "fleet", is_ready)

    assert condition_of(failed, "StorageOperationFailed")["status"] == "True"
