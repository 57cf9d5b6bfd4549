"""Files of other trees, put into one."""

from pathlib import Path

import pytest

from engine.source.failures import CopyFailure, GitError
from engine.source.git_contents import Contents, contents
from engine.source.git_pack import Limits
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.include import Included, clean
from engine.source.store import Store
from engine.source.tree import MemoryTree, Tree

OTHER = {"deploy/a.yaml": b"1", "deploy/b/c.yaml": b"2", "x.md": b"3"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def tree_of(store: Store, files: dict[str, bytes]) -> GitTree:
    stored = {path: StoredFile(store.add_blob(content)) for path, content in files.items()}
    return GitTree(store, write_tree(store, stored))


def including(store: Store, files: dict[str, bytes], *included: Included) -> GitTree:
    wanted = Contents(included=included)
    return GitTree(store, contents(store, tree_of(store, files).id, wanted, Limits()))


def files_of(tree: Tree, path: str = "") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, entry in tree.names(path).items():
        below = f"{path}/{name}" if path else name
        if entry.form == "folder":
            found |= files_of(tree, below)
        else:
            found[below] = tree.read(below)
    return found


@pytest.mark.parametrize(
    ("from_path", "to_path", "wanted"),
    [
        ("", "", {"other/deploy/a.yaml", "other/deploy/b/c.yaml", "other/x.md"}),
        ("deploy", "base/app", {"base/app/a.yaml", "base/app/b/c.yaml"}),
        ("./deploy/", "/base/./app/", {"base/app/a.yaml", "base/app/b/c.yaml"}),
        ("x.md", "docs/y.md", {"docs/y.md"}),
        ("deploy", "apps/more", {"apps/more/a.yaml", "apps/more/b/c.yaml"}),
    ],
)
def test_what_is_named_stands_where_it_is_wanted(
    store: Store, from_path: str, to_path: str, wanted: set[str]
) -> None:
    own = {"apps/own.yaml": b"own"}
    included = Included("other", MemoryTree(OTHER), from_path, to_path)

    found = files_of(including(store, own, included))

    assert set(found) == wanted | set(own)
    assert found["apps/own.yaml"] == b"own"


def test_files_of_another_store_have_the_same_ids_here(store: Store, tmp_path: Path) -> None:
    other = tree_of(Store(tmp_path / "other"), OTHER)

    found = including(store, {"a": b"1"}, Included("other", other))

    assert found.entry("other") == other.entry("")
    assert files_of(found)["other/deploy/b/c.yaml"] == b"2"


def test_the_rules_of_the_repository_hold_for_what_is_included(store: Store) -> None:
    own = {".sourceignore": b"*.md\n"}

    found = files_of(including(store, own, Included("other", MemoryTree(OTHER))))

    assert set(found) == {".sourceignore", "other/deploy/a.yaml", "other/deploy/b/c.yaml"}


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("../../etc", "etc"),
        ("a/../../b", "b"),
        ("/etc/passwd", "etc/passwd"),
        ("a/..", ""),
        ("..", ""),
        (".", ""),
        ("", ""),
        ("a//b/./c/", "a/b/c"),
        ("..\\..\\x", "..\\..\\x"),
        ("\u2025/x", "\u2025/x"),
        ("\uff0e\uff0e/x", "\uff0e\uff0e/x"),
    ],
)
def test_a_path_never_leaves_its_root(path: str, cleaned: str) -> None:
    assert clean(path) == cleaned


def test_a_path_that_climbs_stays_inside_on_both_sides(store: Store) -> None:
    included = Included("other", MemoryTree(OTHER), "../../deploy", "../../../base")

    assert set(files_of(including(store, {"a": b"1"}, included))) == {
        "a",
        "base/a.yaml",
        "base/b/c.yaml",
    }


@pytest.mark.parametrize(
    ("from_path", "to_path", "problem"),
    [
        ("nowhere", "", "its artifact has no 'nowhere': correct fromPath"),
        ("deploy/a.yaml/x", "", "its artifact has no 'deploy/a.yaml/x'"),
        ("", "apps", "'apps' exists already: choose another toPath"),
        ("", "apps/own.yaml/x", "'apps/own.yaml' is no folder"),
        ("", "..", "the root of the repository exists already"),
        ("deploy", "apps/own.yaml", "'apps/own.yaml' exists already"),
    ],
)
def test_what_cannot_be_put_there_is_named(
    store: Store, from_path: str, to_path: str, problem: str
) -> None:
    included = Included("other", MemoryTree(OTHER), from_path, to_path)

    with pytest.raises(CopyFailure) as caught:
        including(store, {"apps/own.yaml": b"1"}, included)

    assert problem in str(caught.value)
    assert str(caught.value).startswith("failed to copy 'other' include from ")


def test_a_file_takes_the_place_of_a_file(store: Store) -> None:
    included = Included("other", MemoryTree(OTHER), "x.md", "apps/own.yaml")

    assert files_of(including(store, {"apps/own.yaml": b"1"}, included)) == {"apps/own.yaml": b"3"}


def test_an_unsafe_place_is_refused(store: Store) -> None:
    with pytest.raises(GitError, match=r"unsafe name '\.git'"):
        including(store, {"a": b"1"}, Included("other", MemoryTree(OTHER), "", ".git/hooks"))


class Counted(MemoryTree):
    """Counts what is read."""

    reads = 0

    def read(self, path: str) -> bytes:
        self.reads += 1
        return super().read(path)


def test_what_is_here_already_is_not_read_again(store: Store) -> None:
    first, changed = Counted(OTHER), Counted({**OTHER, "x.md": b"4"})
    including(store, {"a": b"own"}, Included("other", first))

    including(store, {"a": b"own"}, Included("other", first))
    including(store, {"a": b"own"}, Included("other", changed))

    assert first.reads == 3
    assert changed.reads == 1


def test_what_was_put_together_and_lost_since_is_put_together_anew(store: Store) -> None:
    included = Included("other", MemoryTree(OTHER))
    including(store, {"a": b"own"}, included)
    for file in store.folder.glob("objects/??/*"):
        file.unlink()
    store.close()

    assert files_of(including(store, {"a": b"own"}, included))["other/x.md"] == b"3"


class Late(Exception):  # noqa: N818 - what happens, no error
    """The time for the fetch is over."""


@pytest.mark.parametrize("as_submodule", [True, False])
def test_what_is_taken_from_elsewhere_is_given_up_when_the_time_is_over(
    store: Store, tmp_path: Path, as_submodule: bool
) -> None:
    """A small pack may stand for a million folders, and a thread cannot be ended from outside."""
    other = tree_of(Store(tmp_path / "other"), {f"{n}/a.yaml": b"%d" % n for n in range(9)})
    wanted = Contents(included=(Included("other", other),))
    if as_submodule:
        wanted = Contents(submodules=(("one", other), ("two", other)))
    own = tree_of(store, {"a": b"1"})
    asked = 0

    def check_cancelled() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Late

    with pytest.raises(Late):
        contents(store, own.id, wanted, Limits(), check_cancelled)

    assert not store.contains(other.id)


def test_a_submodule_that_stands_at_many_paths_is_taken_once(store: Store, tmp_path: Path) -> None:
    other = tree_of(Store(tmp_path / "other"), {"a.yaml": b"1"})
    own, asked = tree_of(store, {"a": b"1"}), []
    paths = [f"lib-{n}" for n in range(50)]
    wanted = Contents(is_whole=True, submodules=[(path, other) for path in paths])

    found = contents(store, own.id, wanted, Limits(), lambda: asked.append(1))

    assert set(files_of(GitTree(store, found))) == {"a", *(f"{path}/a.yaml" for path in paths)}
    assert len(asked) == 1 + 1 + 50  # the copy; then each folder of the result is looked at
