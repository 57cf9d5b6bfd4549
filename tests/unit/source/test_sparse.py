"""Parts of a tree."""

from pathlib import Path

import pytest

from engine.source.failures import GitError
from engine.source.git_contents import Contents, contents
from engine.source.git_filter import filtered
from engine.source.git_pack import Limits
from engine.source.git_tree import GitTree
from engine.source.sparse import is_touched, starts_of
from engine.source.store import Store
from tests.unit.source.test_include import files_of, tree_of

FILES = {
    "README.md": b"0",
    "charts/a/x.yaml": b"1",
    "charts/b.yaml": b"2",
    "charts-old/c.yaml": b"3",
    "kustomize/base/d.yaml": b"4",
    "kustomize/prod/e.yaml": b"5",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def kept(store: Store, *wanted: str) -> set[str]:
    tree = tree_of(store, FILES)
    return set(files_of(GitTree(store, sparse_of(store, tree.id, *wanted))))


def sparse_of(store: Store, tree_id: str, *wanted: str) -> str:
    return contents(store, tree_id, Contents(sparse=wanted), Limits())


CHARTS = {"charts/a/x.yaml", "charts/b.yaml"}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (("charts/",), CHARTS),
        (("./charts/", "kustomize/prod"), CHARTS | {"kustomize/prod/e.yaml"}),
        (("charts",), CHARTS | {"charts-old/c.yaml"}),  # as go-git: by the beginning of paths
        (("README.md",), {"README.md"}),
        (("charts/a",), {"charts/a/x.yaml"}),
        (("./",), set(FILES)),
        ((".",), set(FILES)),
        ((), set(FILES)),
    ],
)
def test_only_what_begins_as_asked_for_is_kept(
    store: Store, wanted: tuple[str, ...], found: set[str]
) -> None:
    assert kept(store, *wanted) == found


@pytest.mark.parametrize(
    "path",
    [
        *("nowhere", "charts/nowhere", "chart", "README.md/x", "/charts", "charts//a"),
        *("..", "../charts", "charts/../kustomize", "../../../etc/passwd", "charts/.."),
        *("\u2025/charts", "charts\\a", "\uff0e\uff0e"),
    ],
)
def test_cve_2026_47680_a_path_that_is_not_in_the_tree_fails_alike_wherever_it_leads(
    store: Store, path: str
) -> None:
    """Nothing is looked for outside, so nothing is told of it."""
    with pytest.raises(GitError) as caught:
        kept(store, "charts/", path)

    assert str(caught.value) == (
        f"failed to sparse checkout directories : sparse checkout dir '{path}' does not exist in "
        "repository: correct spec.sparseCheckout"
    )


def test_a_folder_that_is_kept_whole_keeps_its_id(store: Store) -> None:
    tree = tree_of(store, FILES)

    found = GitTree(store, sparse_of(store, tree.id, "charts/"))

    assert found.entry("charts") == tree.entry("charts")


def test_ignored_files_of_what_is_kept_are_left_out(store: Store) -> None:
    tree = tree_of(store, {**FILES, "charts/logo.png": b"", ".sourceignore": b"charts/a\n"})

    found = files_of(GitTree(store, sparse_of(store, tree.id, "charts/")))

    assert set(found) == CHARTS  # the rules at the root are not kept, so the usual ones hold
    assert filtered(store, tree.id) != tree.id


@pytest.mark.parametrize(
    ("path", "wanted", "touched"),
    [
        ("libs/a", ("libs",), True),
        ("libs", ("libs/a/deploy",), True),
        ("libs/b", ("libs/a",), False),
        ("libs", (), True),
    ],
)
def test_a_submodule_is_touched_if_something_of_it_is_kept(
    path: str, wanted: tuple[str, ...], touched: bool
) -> None:
    assert is_touched(path, starts_of(wanted)) is touched
