import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from engine.errors import ArtifactFailed
from engine.source import archive
from engine.source.archive import ArchiveLimits
from engine.source.folder import FolderTree
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store
from engine.source.tree import MemoryTree

LONG = "/".join(["a-folder-with-a-long-name"] * 6) + "/été.yaml"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def tree(store: Store) -> GitTree:
    blob = store.add_blob(b"#!/bin/sh\n")
    files = {"run.sh": StoredFile(blob, executable=True), "b/a.yaml": StoredFile(blob)}
    return GitTree(store, write_tree(store, {**files, LONG: StoredFile(blob)}, ["empty"]))


def packed(*members: tuple[str, bytes, bytes], mode: int = 0o644) -> io.BytesIO:
    """A tar.gz of (name, tar type, content or link target)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, mode
            if kind == tarfile.REGTYPE:
                member.size = len(content)
            else:
                member.linkname = content.decode()
            tar.addfile(member, io.BytesIO(content))
    file.seek(0)
    return file


def test_an_archive_looks_like_fluxs(tree: GitTree) -> None:
    file = io.BytesIO()

    written = archive.write(tree, file)

    assert (written.digest, written.size) == (
        f"sha256:{hashlib.sha256(file.getvalue()).hexdigest()}",
        len(file.getvalue()),
    )
    file.seek(0)
    with tarfile.open(fileobj=file) as tar:
        members = tar.getmembers()
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 0)}
    modes = {m.name: oct(m.mode) for m in members}
    assert modes["run.sh"] == "0o700"
    assert modes["b/a.yaml"] == "0o600"
    assert modes["b"] == modes["empty"] == "0o750"
    assert LONG in modes


def test_the_bytes_depend_on_the_content_alone() -> None:
    one, two = io.BytesIO(), io.BytesIO()

    archive.write(MemoryTree({"a/b": b"1", "c": b"2"}), one)
    archive.write(MemoryTree({"c": b"2", "a/b": b"1"}), two)

    assert one.getvalue() == two.getvalue()
    plain = hashlib.sha256(gzip.decompress(one.getvalue())).hexdigest()
    assert plain == "2520590fa65c405623232c216e327c93ec77c461f637e6f4a87497c84093f65d"


LARGE = {f"apps/{n // 11:03}/{n % 11:02}": b"name: %d\n" % n for n in range(1100)}


class Reading(MemoryTree):
    """Counts the files read."""

    reads = 0

    def read(self, path: str) -> bytes:
        self.reads += 1
        return super().read(path)


def test_what_did_not_change_is_copied() -> None:
    before, file = io.BytesIO(), io.BytesIO()
    written = archive.write(MemoryTree(LARGE), before)
    tree = Reading({**LARGE, "apps/042/03": b"name: new\n"})

    archive.write(tree, file, before=(written, before))

    assert 0 < tree.reads < 200


@pytest.mark.parametrize("damage", [0, 1000, 10**9])
def test_what_is_not_intact_any_more_is_packed_anew(damage: int) -> None:
    before, wanted, file = io.BytesIO(), io.BytesIO(), io.BytesIO()
    written = archive.write(MemoryTree(LARGE), before)
    broken = bytearray(before.getvalue())
    if damage < len(broken):
        broken[damage] ^= 1
    else:
        broken.clear()

    archive.write(MemoryTree(LARGE), wanted)
    archive.write(MemoryTree(LARGE), file, before=(written, io.BytesIO(broken)))

    assert file.getvalue() == wanted.getvalue()


class Unreadable(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_disk_that_fails_costs_the_time_only() -> None:
    before, file = io.BytesIO(), io.BytesIO()
    written = archive.write(MemoryTree(LARGE), before)

    assert archive.write(MemoryTree(LARGE), file, before=(written, Unreadable())) == written


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not installed")
def test_the_usual_tar_unpacks_it(tree: GitTree, tmp_path: Path) -> None:
    for name, each in (("small", tree), ("large", MemoryTree(LARGE))):
        folder = tmp_path / name
        folder.mkdir()
        with (tmp_path / f"{name}.tar.gz").open("wb") as file:
            archive.write(each, file)
        subprocess.run(["tar", "xzpf", file.name, "-C", str(folder)], check=True)

    assert FolderTree(tmp_path / "small").names("b") == tree.names("b")
    assert (tmp_path / "small" / LONG).read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "small" / "run.sh").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "small" / "empty").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "large" / "apps" / "099" / "10").read_bytes() == b"name: 1099\n"


def test_what_was_written_is_read_back(tree: GitTree, store: Store) -> None:
    file = io.BytesIO()
    archive.write(tree, file)
    file.seek(0)

    assert archive.read(file, store).id == tree.id


def test_links_are_dropped(store: Store) -> None:
    file = packed(
        ("a", tarfile.REGTYPE, b"1"),
        ("b", tarfile.SYMTYPE, b"/etc/passwd"),
        ("c", tarfile.LNKTYPE, b"../../x"),
    )

    assert list(archive.read(file, store).names("")) == ["a"]


def test_names_are_read_however_they_are_written(store: Store) -> None:
    file = packed(
        ("./", tarfile.DIRTYPE, b""),
        ("./a//b", tarfile.REGTYPE, b"1"),
        ("c/", tarfile.DIRTYPE, b""),
    )

    tree = archive.read(file, store)

    assert tree.read("a/b") == b"1"
    assert tree.names("c") == {}


@pytest.mark.parametrize(
    ("name", "kind", "problem"),
    [
        ("../a", tarfile.REGTYPE, "outside of it"),
        ("a/../../b", tarfile.REGTYPE, "outside of it"),
        ("/etc/cron.d/x", tarfile.REGTYPE, "outside of it"),
        ("../up", tarfile.DIRTYPE, "outside of it"),
        ("null", tarfile.CHRTYPE, "a device or a pipe"),
        ("disk", tarfile.BLKTYPE, "a device or a pipe"),
        ("pipe", tarfile.FIFOTYPE, "a device or a pipe"),
    ],
)
def test_an_archive_that_means_harm_is_refused(
    store: Store, name: str, kind: bytes, problem: str
) -> None:
    with pytest.raises(ArtifactFailed, match=problem):
        archive.read(packed((name, kind, b"")), store)


def test_a_path_cannot_be_file_and_folder(store: Store) -> None:
    file = packed(("a", tarfile.REGTYPE, b"1"), ("a/b", tarfile.REGTYPE, b"2"))

    with pytest.raises(ArtifactFailed, match="both a file and a folder"):
        archive.read(file, store)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (ArchiveLimits(bytes=50_000), "unpacks to more than the 50000 bytes"),
        (ArchiveLimits(file_bytes=50_000), "'a' has 100000 bytes, 50000 are allowed"),
        (ArchiveLimits(entries=1), "more than the 1 entries"),
    ],
)
def test_an_archive_that_is_too_much_is_refused(
    store: Store, limits: ArchiveLimits, problem: str
) -> None:
    file = packed(("a", tarfile.REGTYPE, b"\0" * 100_000), ("b", tarfile.REGTYPE, b""))

    with pytest.raises(ArtifactFailed, match=problem):
        archive.read(file, store, limits)


@pytest.mark.parametrize("cut", [0, 5, 30, -12])
def test_an_archive_that_is_cut_off_is_refused(store: Store, cut: int) -> None:
    whole = packed(("a", tarfile.REGTYPE, bytes(range(256)) * 40)).getvalue()

    with pytest.raises(ArtifactFailed, match="failed to untar artifact"):
        archive.read(io.BytesIO(whole[:cut]), store)
