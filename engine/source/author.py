"""Write commits into a bare repository without a checkout: for demos, tests and generators."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from dulwich.object_store import commit_tree_changes
from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tag, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

_FILE_MODE, _EXECUTABLE_MODE = 0o100644, 0o100755


@dataclass(frozen=True, slots=True)
class Executable:
    """A file's content, to be written with the executable bit."""

    content: bytes


def create_repository(folder: Path, branch: str = "main") -> None:
    """Make an empty bare repository whose HEAD is `branch`."""
    folder.mkdir(parents=True, exist_ok=True)
    with Repo.init_bare(str(folder), default_branch=branch.encode()):
        pass


def commit_files(
    repository: Path,
    files: Mapping[str, bytes | Executable | None],
    message: str,
    branch: str = "main",
    *,
    committed_at: float | None = None,
) -> str:
    """The id of a new commit on `branch`, with `files` changed; made if the branch is new.

    files: content by path; None removes the file.  committed_at: seconds since 1970, None is now.
    Raises KeyError if a file to remove is not there.
    """
    ref = Ref(f"refs/heads/{branch}".encode())
    with Repo(str(repository)) as repo:
        parent = repo.get_refs().get(ref)
        commit = Commit()
        commit.tree = _changed_tree(repo, parent, files)
        commit.parents = [parent] if parent else []
        commit.author = commit.committer = b"Lockstep <lockstep@localhost>"
        # Not a decision of the engine: the clock here only dates a commit.
        when = int(
            time.clock_gettime(time.CLOCK_REALTIME) if committed_at is None else committed_at
        )
        commit.author_time = commit.commit_time = when
        commit.author_timezone = commit.commit_timezone = 0
        commit.encoding = b"UTF-8"
        commit.message = message.encode()
        repo.object_store.add_object(commit)
        repo.refs[ref] = commit.id
        return commit.id.decode()


def _changed_tree(
    repo: Repo, parent: ObjectID | None, files: Mapping[str, bytes | Executable | None]
) -> ObjectID:
    tree: ObjectID | Tree = Tree()
    if parent is not None:
        tree = cast("Commit", repo[parent]).tree
    blobs: list[tuple[ShaFile, str | None]] = []
    changes: list[tuple[bytes, int | None, ObjectID | None]] = []
    for path, content in sorted(files.items()):
        if content is None:
            changes.append((path.encode(), None, None))
            continue
        is_executable = isinstance(content, Executable)
        blob = Blob.from_string(content.content if isinstance(content, Executable) else content)
        blobs.append((blob, None))
        mode = _EXECUTABLE_MODE if is_executable else _FILE_MODE
        changes.append((path.encode(), mode, blob.id))
    repo.object_store.add_objects(blobs)
    return commit_tree_changes(repo.object_store, tree, changes)


def add_tag(repository: Path, name: str, commit: str, message: str = "") -> None:
    """Point the tag `name` to a commit; annotated if there is a message."""
    target = ObjectID(commit.encode())
    with Repo(str(repository)) as repo:
        if message:
            tag = Tag()
            tag.name = name.encode()
            tag.object = (Commit, target)
            tag.tagger = b"Lockstep <lockstep@localhost>"
            tag.tag_time, tag.tag_timezone = 0, 0
            tag.message = message.encode()
            repo.object_store.add_object(tag)
            target = tag.id
        repo.refs[Ref(f"refs/tags/{name}".encode())] = target


def move_branch(repository: Path, branch: str, commit: str | None) -> None:
    """Point `branch` to another commit, whatever it was (a force-push); None deletes it."""
    ref = Ref(f"refs/heads/{branch}".encode())
    with Repo(str(repository)) as repo:
        if commit is None:
            del repo.refs[ref]
        else:
            repo.refs[ref] = ObjectID(commit.encode())
