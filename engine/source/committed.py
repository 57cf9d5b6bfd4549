"""The files of a commit in a repository of this machine, read without a checkout."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dulwich.errors import NotGitRepository
from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tag, Tree
from dulwich.objectspec import parse_object
from dulwich.repo import Repo

from engine.errors import ArtifactFailed
from engine.source.ignore import FILE_NAME, Pattern, rules
from engine.source.tree import MemoryTree

_FOLDER, _FILE = 0o040000, 0o100000
_FORM = 0o170000  # the bits of a mode that say what it is


def committed_tree(folder: Path, name: str, also: Sequence[Pattern] = ()) -> MemoryTree:
    """The tree of a commit, without what `.sourceignore` and Flux's default rules leave out.

    folder: of a repository or its work tree.  name: a branch, a tag, `origin/main`, a commit.
    also: further rules.  Links and submodules are left out, as in artifacts.
    Raises ArtifactFailed if there is no such commit, or not all of its files.
    """
    try:
        with Repo(str(folder)) as repo:
            try:
                commit = _peeled(repo, parse_object(repo, name))
            except (KeyError, ValueError, AssertionError) as error:
                raise ArtifactFailed(
                    f"'{name}' is no commit, branch or tag of the repository '{folder}'; fetch it "
                    "first: git fetch origin"
                ) from error
            try:
                return _tree(repo, commit, also)
            except KeyError as error:
                raise ArtifactFailed(
                    f"'{name}' is not complete in the repository '{folder}' (a partial clone?); "
                    "fetch it whole first: git fetch --refetch --no-filter origin"
                ) from error
    except NotGitRepository:
        raise ArtifactFailed(
            f"'{folder}' is no Git repository: '{name}' names nothing there; run it in a clone, or "
            "name a folder to compare with"
        ) from None


def _tree(repo: Repo, commit: Commit, also: Sequence[Pattern]) -> MemoryTree:
    """What is wanted of the files.  Raises KeyError for what is not there."""
    files = dict(_files(repo, commit.tree, ()))
    ignore = [
        (path[:-1], repo[blob].as_raw_string().decode("utf-8", "replace"))
        for path, blob in files.items()
        if path[-1] == FILE_NAME
    ]
    ignore.sort(key=lambda each: len(each[0]))
    wanted = rules(ignore, None, also)
    return MemoryTree(
        {
            "/".join(path): repo[blob].as_raw_string()
            for path, blob in files.items()
            if not wanted.ignores(path, is_folder=False)
        }
    )


def _peeled(repo: Repo, found: ShaFile) -> Commit:
    """The commit that a tag leads to.  Raises ValueError if it is none."""
    while isinstance(found, Tag):
        found = repo[found.object[1]]
    if not isinstance(found, Commit):
        raise ValueError("no commit")  # noqa: TRY004 - a name that does not fit, not a type
    return found


def _files(
    repo: Repo, tree: ObjectID, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], ObjectID]]:
    """(names from the root, blob) of every file."""
    found = repo[tree]
    if not isinstance(found, Tree):
        raise ArtifactFailed(f"{tree.decode()} is no tree: the repository is damaged")
    for entry in found.iteritems():
        names = (*path, entry.path.decode("utf-8", "surrogateescape"))
        if entry.mode & _FORM == _FOLDER:
            yield from _files(repo, entry.sha, names)
        elif entry.mode & _FORM == _FILE and isinstance(repo[entry.sha], Blob):
            yield names, entry.sha
