from pathlib import Path

import pytest

from engine.source.folder import FolderTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "folder"
    (found / "apps").mkdir(parents=True)
    (found / "apps" / "web.yaml").write_bytes(b"1")
    (found / "run.sh").write_bytes(b"2")
    (found / "run.sh").chmod(0o755)
    return found


def test_a_folder_has_the_id_that_git_gives_it(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    files = {
        "apps/web.yaml": StoredFile(store.add_blob(b"1")),
        "run.sh": StoredFile(store.add_blob(b"2"), executable=True),
    }

    assert FolderTree(folder).id == write_tree(store, files)


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


@pytest.mark.parametrize("path", ["../secret", "apps/../../secret", "/etc/passwd", "apps//x"])
def test_nothing_outside_can_be_read(folder: Path, path: str) -> None:
    tree = FolderTree(folder)

    assert tree.entry(path) is None
    with pytest.raises(KeyError):
        tree.read(path)


def test_a_file_that_became_a_link_is_not_followed(folder: Path) -> None:
    tree = FolderTree(folder)
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
