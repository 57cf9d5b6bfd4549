import pickle
from copy import copy, deepcopy
from pathlib import Path

import pytest

from engine.source.folder import FolderTree
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store
from engine.source.tree import Entry, Form
from tests.support.trees import blob_id, entries_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "folder"
    (found / "apps").mkdir(parents=True)
    (found / "apps" / "web.yaml").write_bytes(b"1")
    (found / "run.sh").write_bytes(b"2")
    (found / "run.sh").chmod(0o755)
    return found


def test_files_have_the_ids_that_git_gives_them(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    files = {
        "apps/web.yaml": StoredFile(store.add_blob(b"1")),
        "run.sh": StoredFile(store.add_blob(b"2"), executable=True),
    }
    tree = GitTree(store, write_tree(store, files))

    assert entries_of(FolderTree(folder)) == entries_of(tree)


def test_only_what_is_asked_for_is_read(folder: Path) -> None:
    tree = FolderTree(folder)
    (folder / "apps" / "web.yaml").chmod(0)
    (folder / "later").mkdir()

    assert list(tree.names("")) == ["apps", "later", "run.sh"]
    assert tree.entry("run.sh") == Entry(Form.FILE, blob_id(b"2"), executable=True)


def test_a_folder_that_became_a_link_is_not_followed(folder: Path) -> None:
    tree = FolderTree(folder)
    assert tree.entry("apps") is not None
    (folder / "apps").rename(folder / "moved")
    (folder / "apps").symlink_to("/etc")

    with pytest.raises(OSError, match="apps"):
        tree.names("apps")


def test_what_is_in_an_ignored_folder_can_be_taken_back(folder: Path) -> None:
    (folder / ".sourceignore").write_text("/apps/\n/none/\n!/apps/web.yaml\n")
    (folder / "apps" / "other.yaml").write_bytes(b"3")
    (folder / "none").mkdir()
    (folder / "none" / "file").write_bytes(b"4")
    tree = FolderTree(folder)

    assert list(tree.names("")) == [".sourceignore", "apps", "run.sh"]
    assert list(tree.names("apps")) == ["web.yaml"]
    assert tree.entry("none/file") is None
    with pytest.raises(KeyError):
        tree.names("none")


def test_files_are_read_and_listed(folder: Path) -> None:
    tree = FolderTree(folder)

    assert list(tree.names("")) == ["apps", "run.sh"]
    assert tree.read("apps/web.yaml") == b"1"
    assert tree.names("")["run.sh"].executable
    with pytest.raises(KeyError):
        tree.read("apps")
    with pytest.raises(KeyError):
        tree.names("run.sh")


def test_links_are_not_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    (folder / "file").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    (folder / "inside").symlink_to("run.sh")

    tree = FolderTree(folder)

    assert list(tree.names("")) == ["apps", "run.sh"]
    assert tree.entry("up/secret") is None


@pytest.mark.parametrize(
    "path", ["../secret", "apps/../../secret", "/etc/passwd", "apps//x", "/run.sh", "/apps", "/"]
)
def test_nothing_outside_can_be_read(folder: Path, path: str) -> None:
    tree = FolderTree(folder)

    assert tree.entry(path) is None
    with pytest.raises(KeyError):
        tree.read(path)


def test_a_file_that_became_a_link_is_not_followed(folder: Path) -> None:
    tree = FolderTree(folder)
    tree.names("")
    (folder / "run.sh").unlink()
    (folder / "run.sh").symlink_to("/etc/passwd")

    with pytest.raises(OSError, match="symbolic links"):
        tree.read("run.sh")


def test_ignored_files_are_left_out_as_in_an_artifact(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_bytes(b"x")
    (folder / ".sourceignore").write_text("/apps/\n")
    (folder / "logo.png").write_bytes(b"x")

    assert list(FolderTree(folder).names("")) == [".sourceignore", "logo.png", "run.sh"]
    assert list(FolderTree(folder, "*.png\n").names("")) == [".sourceignore", "run.sh"]


def test_what_is_no_folder_is_refused(folder: Path) -> None:
    with pytest.raises(NotADirectoryError, match="is not a folder"):
        FolderTree(folder / "run.sh")


def test_an_entry_can_be_copied_and_sent(folder: Path) -> None:
    entry = FolderTree(folder).names("")["run.sh"]

    for again in (copy(entry), deepcopy(entry), pickle.loads(pickle.dumps(entry))):
        assert again == entry == Entry(Form.FILE, blob_id(b"2"), executable=True)
        assert hash(again) == hash(entry)
