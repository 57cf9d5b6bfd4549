"""Trees of commits, and what becomes of them."""

from pathlib import Path

import pytest
from dulwich.objects import Tree

from engine.source.failures import GitError
from engine.source.git_entry import Child, tree_object
from engine.source.git_filter import filtered, whole
from engine.source.git_pack import Limits
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store
from engine.source.tree import Form

LINK, SUBMODULE = 0o120000, 0o160000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def tree_of(store: Store, **files: bytes) -> str:
    """A tree with these files; `__` in a name is a slash, `_` a dot."""
    return write_tree(
        store,
        {
            path.replace("__", "/").replace("_", "."): StoredFile(store.add_blob(content))
            for path, content in files.items()
        },
    )


def raw_tree(store: Store, **children: Child) -> str:
    return named_tree(store, children)


def named_tree(store: Store, children: dict[str, Child]) -> str:
    tree = tree_object(children)
    store.add([tree])
    return tree.id.decode()


def test_a_tree_with_nothing_to_drop_keeps_its_id(store: Store) -> None:
    tree = tree_of(store, a_yaml=b"1", b__c_yaml=b"2")

    assert filtered(store, tree) == tree


def test_only_folders_in_which_something_was_dropped_get_a_new_id(store: Store) -> None:
    tree = tree_of(store, a__x_yaml=b"1", b__x_yaml=b"2", b__x_png=b"3")

    before, after = GitTree(store, tree), GitTree(store, filtered(store, tree))

    assert after.id == tree_of(store, a__x_yaml=b"1", b__x_yaml=b"2")
    assert after.entry("a") == before.entry("a")
    assert after.entry("b") != before.entry("b")


def test_links_and_submodules_are_dropped(store: Store) -> None:
    blob = store.add_blob(b"../../etc/passwd")
    tree = raw_tree(store, a=Child(0o100644, blob), b=Child(LINK, blob), c=Child(SUBMODULE, blob))

    assert list(GitTree(store, filtered(store, tree)).names("")) == ["a"]


def test_a_base_has_its_links_and_an_artifact_of_the_same_tree_has_not(store: Store) -> None:
    blob = store.add_blob(b"b.yaml")
    tree = raw_tree(store, a=Child(LINK, blob), b=Child(0o100644, blob), c=Child(SUBMODULE, blob))
    base, artifact = GitTree(store, whole(store, tree)), GitTree(store, filtered(store, tree))

    assert {name: entry.form for name, entry in base.names("").items()} == {
        "a": Form.LINK,
        "b": Form.FILE,
    }
    assert base.read("a") == b"b.yaml"
    assert list(artifact.names("")) == ["b"]


def test_old_modes_mean_the_same_as_the_usual_ones(store: Store) -> None:
    tree = raw_tree(store, a=Child(0o100664, store.add_blob(b"1")))

    assert filtered(store, tree) == tree_of(store, a=b"1")


def test_a_folder_whose_files_are_all_dropped_stays_empty(store: Store) -> None:
    found = GitTree(store, filtered(store, tree_of(store, a_yaml=b"1", b__x_png=b"2")))

    assert found.names("b") == {}
    assert sorted(found.names("")) == ["a.yaml", "b"]


def test_a_file_below_an_ignored_folder_can_be_taken_back(store: Store) -> None:
    tree = tree_of(store, apps__prod__a_yaml=b"1", apps__dev__a_yaml=b"2", x_yaml=b"3")

    found = GitTree(store, filtered(store, tree, "/*\n!/apps/prod\n"))

    assert list(found.names("")) == ["apps"]
    assert list(found.names("apps")) == ["prod"]


def test_ignore_files_at_every_level_count(store: Store) -> None:
    tree = write_tree(
        store,
        {
            ".sourceignore": StoredFile(store.add_blob(b"*.md\n")),
            "a/.sourceignore": StoredFile(store.add_blob(b"/x.yaml\n")),
            "a/x.yaml": StoredFile(store.add_blob(b"1")),
            "a/b/x.yaml": StoredFile(store.add_blob(b"2")),
            "a/b/x.md": StoredFile(store.add_blob(b"3")),
            "x.png": StoredFile(store.add_blob(b"4")),
        },
    )

    found = GitTree(store, filtered(store, tree))

    assert list(found.names("a")) == [".sourceignore", "b"]
    assert list(found.names("a/b")) == ["x.yaml"]
    assert found.entry("x.png")


@pytest.mark.parametrize(
    "name",
    [
        *("..", ".", ".git", ".GIT", "git~1", "..\\x", "x\\..\\y", ".git\\config"),
        *("GIT~1", ".git.", ".git ", ".git . .", ".Git::$INDEX_ALLOCATION", ".git:stream"),
        *(".g\u200cit", "\ufeff.git", ".\u202egit"),  # the same to macOS
    ],
)
def test_cve_2023_49569_and_2026_45571_a_name_that_would_leave_a_checkout_is_refused(
    store: Store, name: str
) -> None:
    """And PYSEC-2015-34, a tree that writes into .git."""
    blob = store.add_blob(b"1")
    inner = named_tree(store, {name: Child(0o100644, blob)})
    tree = raw_tree(store, sub=Child(0o40000, inner))

    with pytest.raises(GitError) as caught:
        filtered(store, tree)

    assert str(caught.value) == f"the tree holds the unsafe name {name!r} at {'sub/' + name!r}"


HARMLESS = [
    "...",
    "\u2025",
    "\u2025\u2025",
    "\uff0e\uff0e",
    ".gitx",
    "x.git",
    "git~10",
    ".github",
    "a:b",
]


@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_that_only_looks_like_one_is_a_name(store: Store, name: str) -> None:
    tree = named_tree(store, {name: Child(0o100644, store.add_blob(b"1"))})

    found = GitTree(store, filtered(store, tree, ""))

    assert list(found.names("")) == [name]
    assert found.read(name) == b"1"


def raw_entries(store: Store, *entries: tuple[bytes, bytes]) -> str:
    """A tree with these bytes for names, whatever they are; entries: (mode and name, blob id)."""
    tree = Tree.from_string(b"".join(name + b"\0" + blob for name, blob in entries))
    store.add([tree])
    return tree.id.decode()


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ((b"100644 a/b",), "the unsafe name 'a/b'"),
        ((b"100644 ../../etc/passwd",), "the unsafe name"),
        ((b"100644 /etc/passwd",), "the unsafe name"),
        ((b"100644 ",), "the unsafe name ''"),
        ((b"100644 a", b"100644 a"), "names 'a' twice"),
        ((b"100644 a", b"40000 a"), "names 'a' twice"),
    ],
)
def test_a_tree_that_git_would_not_write_is_refused(
    store: Store, names: tuple[bytes, ...], problem: str
) -> None:
    blob = bytes.fromhex(store.add_blob(b"1"))

    with pytest.raises(GitError, match=problem):
        filtered(store, raw_entries(store, *((name, blob) for name in names)))


def test_a_backslash_alone_is_an_ordinary_letter(store: Store) -> None:
    tree = named_tree(store, {"a\\b.yaml": Child(0o100644, store.add_blob(b"1"))})

    assert filtered(store, tree) == tree


def test_a_missing_file_is_found_before_anything_is_built(store: Store) -> None:
    tree = raw_tree(store, a=Child(0o100644, "1" * 40))

    with pytest.raises(GitError, match=r"the object .1111.* is missing"):
        filtered(store, tree)


def test_a_missing_folder_is_found_before_anything_is_built(store: Store) -> None:
    with pytest.raises(GitError, match="is missing"):
        filtered(store, raw_tree(store, a=Child(0o40000, "2" * 40)))


class Asked(Store):
    """Notes which objects were asked for."""

    asked: list[str]

    def contains(self, object_id: str) -> bool:
        self.asked.append(object_id)
        return super().contains(object_id)


def test_only_what_changed_in_a_folder_is_judged_again(tmp_path: Path) -> None:
    store = Asked(tmp_path)
    store.asked = []
    same = {f"{number}_yaml": b"1" for number in range(50)}
    before = filtered(store, tree_of(store, x_md=b"1", y_yaml=b"1", **same), "*.md")
    store.asked.clear()

    after = filtered(store, tree_of(store, x_md=b"1", y_yaml=b"2", **same), "*.md")

    assert store.asked == [store.add_blob(b"2")]
    assert after == tree_of(store, y_yaml=b"2", **same) != before


def test_of_folders_that_did_not_change_none_is_looked_into(store: Store) -> None:
    same = {f"d{number}__x_yaml": b"1" for number in range(50)}
    filtered(store, tree_of(store, y__x_yaml=b"1", **same))
    looked_into: list[None] = []

    tree = tree_of(store, y__x_yaml=b"2", **same)
    filtered(store, tree, check_cancelled=lambda: looked_into.append(None))

    # The root and the one that changed: for ignore files, and for what is kept.
    assert len(looked_into) == 2 * 2


def test_what_was_filtered_before_may_be_lost(store: Store) -> None:
    tree = tree_of(store, x_md=b"1", y_yaml=b"1")
    place = (next(iter(memory_of(store, tree))), "")
    store.filtered_last[place] = "1" * 40
    store.filtered[(*place, "1" * 40)] = "2" * 40, 1

    assert filtered(store, tree_of(store, z_yaml=b"1")) == tree_of(store, z_yaml=b"1")


def memory_of(store: Store, tree: str) -> set[str]:
    """The keys of the rules under which something was filtered."""
    filtered(store, tree)
    return {rules for rules, _, _ in store.filtered}


def test_a_small_tree_that_unfolds_for_ever_is_stopped(store: Store) -> None:
    inner = tree_of(store, a_yaml=b"1")
    for _ in range(20):  # 10 ** 20 files
        inner = named_tree(store, {f"d{n}": Child(0o40000, inner) for n in range(10)})

    with pytest.raises(GitError, match="more than the 1000000 entries allowed"):
        filtered(store, inner)


def test_a_tree_that_is_too_deep_is_stopped(store: Store) -> None:
    inner = tree_of(store, a_yaml=b"1")
    for _ in range(30):
        inner = raw_tree(store, d=Child(0o40000, inner))

    with pytest.raises(GitError, match="more than the 20 levels allowed"):
        filtered(store, inner, limits=Limits(depth=20))


def test_a_name_that_is_no_utf8_can_be_shown(store: Store) -> None:
    blob = store.add_blob(b"1")
    tree = tree_object({})
    tree.add(b"\xff.yaml", 0o100644, blob.encode())
    store.add([tree])

    assert list(GitTree(store, filtered(store, tree.id.decode())).names("")) == ["\\xff.yaml"]
