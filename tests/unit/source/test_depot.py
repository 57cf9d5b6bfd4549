"""The folder in which sources keep what they fetched."""

from pathlib import Path
from typing import Any

import pytest

from engine.errors import ArtifactPending
from engine.objects.ref import Ref
from engine.settings import Settings
from engine.source.author import commit_files, create_repository
from engine.source.depot import Depot, open_depot
from engine.source.failures import ArchiveOperationFailed
from engine.source.git import GitRequest
from engine.source.git_refs import Reference
from tests.support.git_server import serve_git

REF = Ref("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "fleet")


@pytest.mark.parametrize(
    ("path", "why"),
    [("file/in/the/way", "Not a directory"), ("file", "File exists"), ("taken", "File exists")],
)
async def test_a_folder_that_cannot_be_used_is_named_with_the_setting(
    tmp_path: Path, path: str, why: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "git").symlink_to(tmp_path / "file" / "x")

    with pytest.raises(ArchiveOperationFailed) as caught:
        async with open_depot(tmp_path / path, Settings()):
            pass

    assert str(caught.value) == (
        f"the storage folder '{tmp_path / path}' cannot be used: {why}: name another one, that "
        "can be written to, with --storage-path or LOCKSTEP_STORAGE_PATH"
    )


async def test_a_folder_is_used_by_one_engine_at_a_time(tmp_path: Path) -> None:
    async with open_depot(tmp_path, Settings()):
        with pytest.raises(ArchiveOperationFailed, match=r"another engine is using it: name"):
            async with open_depot(tmp_path, Settings()):
                pass

    async with open_depot(tmp_path, Settings()) as depot:
        assert depot.storage.folder == tmp_path / "artifacts"


async def stored(depot: Depot, folder: Path) -> dict[str, Any]:
    """`status.artifact` of a repository with one file."""
    create_repository(folder / "served" / "fleet.git")
    commit_files(folder / "served" / "fleet.git", {"a.yaml": b"1"}, "x")
    async with serve_git(folder / "served") as server:
        request = GitRequest(server.repository_url("fleet.git"), Reference("main"))
        return await depot.store(REF, await depot.fetch(request), 1.0)


async def test_our_own_artifact_is_read_from_the_disk(tmp_path: Path) -> None:
    async with open_depot(tmp_path / "storage", Settings()) as depot:
        described = await stored(depot, tmp_path)

        assert (await depot.open(described)).tree.read("a.yaml") == b"1"
        assert await depot.remove(REF)
        assert await depot.kept(described) is None


async def test_a_disk_that_refuses_is_not_taken_for_a_bug(tmp_path: Path) -> None:
    async with open_depot(tmp_path / "storage", Settings()) as depot:
        (tmp_path / "storage" / "git").rmdir()
        (tmp_path / "storage" / "git").touch()
        with pytest.raises(
            ArchiveOperationFailed, match=r"Not a directory: check .*--storage-path"
        ):
            await stored(depot, tmp_path)


async def test_an_artifact_that_was_replaced_while_it_was_opened_is_waited_for(
    tmp_path: Path,
) -> None:
    async with open_depot(tmp_path / "storage", Settings()) as depot:
        described = await stored(depot, tmp_path)
        is_intact = depot.storage.is_intact

        def is_intact_for_a_moment(path: str, digest: str) -> bool:
            found = is_intact(path, digest)
            (depot.storage.folder / path).unlink()
            return found

        depot.storage.is_intact = is_intact_for_a_moment  # type: ignore[method-assign]
        with pytest.raises(ArtifactPending, match="disappeared from storage"):
            await depot.open(described)
