import os
from pathlib import Path

import pytest

from engine.source.failures import ArchiveOperationFailed
from engine.source.storage import ArtifactOwner, ArtifactStorage, Retention
from engine.source.tree import MemoryTree

OWNER = ArtifactOwner("GitRepository", "flux-system", "fleet")
TREE = MemoryTree({"a.yaml": b"1"})
COMMIT = "1" * 40


@pytest.fixture
def storage(tmp_path: Path) -> ArtifactStorage:
    return ArtifactStorage(tmp_path, "source-controller.flux-system.svc.cluster.local.")


def test_an_artifact_lies_where_flux_puts_it(storage: ArtifactStorage) -> None:
    found = storage.store(OWNER, COMMIT, TREE, now=5.0)

    path = f"gitrepository/flux-system/fleet/{COMMIT}.tar.gz"
    assert found.path == path
    assert found.url == f"http://source-controller.flux-system.svc.cluster.local./{path}"
    assert found.updated_at == 5.0
    assert found.size == (storage.folder / path).stat().st_size
    assert storage.is_intact(found.path, found.digest)
    assert [item.name for item in (storage.folder / path).parent.iterdir()] == [f"{COMMIT}.tar.gz"]


def test_a_damaged_or_missing_file_is_noticed(storage: ArtifactStorage) -> None:
    found = storage.store(OWNER, COMMIT, TREE, now=5.0)
    file = storage.folder / found.path
    file.write_bytes(file.read_bytes()[:-1])

    assert not storage.is_intact(found.path, found.digest)
    file.unlink()
    assert not storage.is_intact(found.path, found.digest)


def test_the_newest_stay_until_they_are_too_old(storage: ArtifactStorage) -> None:
    paths = []
    for number, changed_at in enumerate((100.0, 130.0, 140.0, 150.0)):
        stored = storage.store(OWNER, str(number) * 40, TREE, now=changed_at)
        os.utime(storage.folder / stored.path, (changed_at, changed_at))
        paths.append(stored.path)

    assert storage.collect(OWNER, paths[3], now=155.0) == [paths[1], paths[0]]
    assert storage.collect(OWNER, paths[3], now=201.0) == [paths[2]]
    assert storage.collect(OWNER, paths[3], now=999.0) == []


def test_the_current_artifact_stays_even_if_it_is_the_oldest(storage: ArtifactStorage) -> None:
    kept = ArtifactStorage(storage.folder, "x", retention=Retention(records=1, ttl=1.0))
    current = kept.store(OWNER, COMMIT, TREE, now=0.0)
    os.utime(kept.folder / current.path, (0, 0))
    newer = kept.store(OWNER, "2" * 40, TREE, now=9.0)

    assert kept.collect(OWNER, current.path, now=10.0) == [newer.path]


def test_everything_of_a_deleted_object_is_removed(storage: ArtifactStorage) -> None:
    stored = storage.store(OWNER, COMMIT, TREE, now=0.0)

    assert storage.remove(OWNER)
    assert not storage.remove(OWNER)
    assert storage.locate(stored.path) is None


def test_an_artifact_is_the_same_after_others_and_after_a_start(storage: ArtifactStorage) -> None:
    other = MemoryTree({"a.yaml": b"1", "b.yaml": b"2"})
    storage.store(OWNER, "2" * 40, other, now=0.0)
    after_another = storage.store(OWNER, COMMIT, TREE, now=1.0)
    (storage.folder / after_another.path).unlink()  # nothing to copy from

    assert storage.store(OWNER, COMMIT, TREE, now=1.0) == after_another
    assert storage.store(OWNER, COMMIT, TREE, now=1.0) == after_another  # in its own place
    storage.remove(OWNER)
    assert storage.store(OWNER, COMMIT, TREE, now=1.0) == after_another
    assert storage.is_intact(after_another.path, after_another.digest)


@pytest.mark.parametrize(
    "owner",
    [
        ArtifactOwner("GitRepository", "..", "x"),
        ArtifactOwner("GitRepository", "a/b", "x"),
        ArtifactOwner("GitRepository", "", "x"),
        ArtifactOwner("..", "a", "x"),
    ],
)
def test_a_name_that_is_no_part_of_a_path_is_refused(
    storage: ArtifactStorage, owner: ArtifactOwner
) -> None:
    with pytest.raises(ArchiveOperationFailed, match="invalid artifact path"):
        storage.store(owner, COMMIT, TREE, now=0.0)


@pytest.mark.parametrize(
    "path",
    [
        "gitrepository/flux-system/fleet/../../x",
        "gitrepository/flux-system/fleet/.new-abc",
        "gitrepository/flux-system/fleet/link",
        "gitrepository/flux-system/fleet",
        "gitrepository/flux-system/fleet/" + "a" * 300,
        "gitrepository/flux-system/" + "a" * 300 + "/a",
        ".stores/a/b/c",
        "../a/b/c",
        "/etc/passwd",
    ],
)
def test_only_artifacts_are_found(storage: ArtifactStorage, path: str) -> None:
    storage.store(OWNER, COMMIT, TREE, now=0.0)
    folder = storage.folder / OWNER.path
    (folder / ".new-abc").write_bytes(b"x")
    (folder / "link").symlink_to("/etc/passwd")

    assert storage.locate(path) is None


def test_a_disk_that_cannot_be_written_to_is_reported(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path, "x")
    (tmp_path / "gitrepository").write_text("in the way")

    with pytest.raises(ArchiveOperationFailed) as caught:
        storage.store(OWNER, COMMIT, TREE, now=0.0)

    assert str(caught.value).startswith("unable to archive artifact to storage: 'gitrepository/")
    assert "--storage-path (LOCKSTEP_STORAGE_PATH)" in str(caught.value)


def test_a_folder_that_cannot_be_tidied_is_reported(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path, "x")
    (tmp_path / "gitrepository").write_text("in the way")

    with pytest.raises(ArchiveOperationFailed, match="unable to remove old artifacts of 'gitrep"):
        storage.collect(OWNER, "", now=0.0)


def test_more_files_than_are_looked_at_go_in_several_collections(
    storage: ArtifactStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = storage.folder / OWNER.path
    folder.mkdir(parents=True)
    for number in range(1003):
        (folder / f"{number:040}.tar.gz").touch()

    assert len(storage.collect(OWNER, "", now=0.0)) == 999
    assert len(storage.collect(OWNER, "", now=0.0)) == 3
