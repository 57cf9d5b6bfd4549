import os
from pathlib import Path

import pytest
from dulwich.objects import Commit, ObjectID, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from engine.errors import ArtifactFailed
from engine.source.author import commit_files, create_repository
from engine.source.committed import committed_tree
from engine.source.ignore import Pattern


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    create_repository(tmp_path / ".git")
    files = {
        "a.yaml": b"a: 1",
        "docs/logo.png": b"x",
        "docs/a.md": b"x",
        ".sourceignore": b"/docs/*.md\n",
    }
    commit_files(tmp_path / ".git", files, "first")
    commit_files(tmp_path / ".git", {"a.yaml": b"a: 2"}, "second")
    return tmp_path


def test_a_commit_is_read_as_it_is_there(repository: Path) -> None:
    (repository / "a.yaml").write_text("a: 3")

    assert committed_tree(repository, "main").read("a.yaml") == b"a: 2"
    assert committed_tree(repository, "HEAD~1").read("a.yaml") == b"a: 1"


def test_what_artifacts_leave_out_is_left_out(repository: Path) -> None:
    tree = committed_tree(repository, "main", [Pattern.parse("a.*", ())])

    assert tree.entry("docs/a.md") is None
    assert tree.entry("docs/logo.png") is not None  # a .sourceignore ends Flux's default rules
    assert tree.entry("a.yaml") is None


def test_links_are_left_out(tmp_path: Path) -> None:
    from dulwich import porcelain

    (tmp_path / "a.yaml").write_text("a: 1")
    os.symlink("/etc/passwd", tmp_path / "b.yaml")
    with porcelain.init(str(tmp_path)) as repo:
        porcelain.add(repo, paths=["a.yaml", "b.yaml"])
        porcelain.commit(repo, message=b"x", author=b"a <a@b>", committer=b"a <a@b>")
    tree = committed_tree(tmp_path, "HEAD")

    assert list(tree.names("")) == ["a.yaml"]


@pytest.mark.parametrize("name", ["nowhere", "0" * 40, "HEAD~9"])
def test_a_commit_that_is_not_there_is_an_error(repository: Path, name: str) -> None:
    with pytest.raises(ArtifactFailed, match=f"'{name}' is no commit, branch or tag"):
        committed_tree(repository, name)


def test_a_folder_without_git_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactFailed, match="is no Git repository"):
        committed_tree(tmp_path, "main")


def test_a_commit_of_a_partial_clone_says_how_to_complete_it(repository: Path) -> None:
    with Repo(str(repository / ".git")) as repo:
        tree = Tree()
        tree.add(b"a.yaml", 0o100644, ObjectID(b"1" * 40))
        commit = repo[repo.head()].copy()
        assert isinstance(commit, Commit)
        commit.tree = tree.id
        for each in (tree, commit):
            repo.object_store.add_object(each)
        repo.refs[Ref(b"refs/heads/main")] = commit.id

    with pytest.raises(ArtifactFailed, match=r"'main' is not complete in .*: git fetch --refetch"):
        committed_tree(repository, "main")
