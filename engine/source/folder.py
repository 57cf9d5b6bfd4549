"""A local folder as a Tree: what `lockstep build PATH` renders.

The same files as in an artifact of that folder: ignore rules hold, links and special files are
not there, so nothing outside the folder can be read.  A repository holds far more than one build
reads: a folder is listed, and a file hashed, when it is asked for.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from engine.source.ignore import FILE_NAME, Pattern, rules
from engine.source.tree import Entry, Form


class FolderTree:
    """The files below a folder, each folder and file as it was when it was first asked for."""

    def __init__(
        self, folder: Path, spec_ignore: str | None = None, also: Sequence[Pattern] = ()
    ) -> None:
        """Looks for ignore files everywhere.  Raises NotADirectoryError if `folder` is none.

        also: rules beside those of the source.
        """
        self._folder = folder
        if not folder.is_dir():
            raise NotADirectoryError(f"{str(folder)!r} is not a folder")
        self._folders: dict[str, dict[str, Entry]] = {}
        self._rules = rules(_ignore_files(folder, ()), spec_ignore, also)
        self._id = uuid4().hex

    def __repr__(self) -> str:
        return f"FolderTree({str(self._folder)!r})"

    @property
    def id(self) -> str:
        """Stands for this tree alone: to compare it with others would be to read all of it.

        So do the ids of its folders; those of files are Git's.
        """
        return self._id

    def entry(self, path: str) -> Entry | None:
        """What stands at `path`, None if nothing does."""
        if not path:
            return Entry(Form.FOLDER, self._id)
        if path.startswith("/"):
            return None
        parent, _, name = path.rpartition("/")
        try:
            return self._listed(parent).get(name)
        except KeyError:
            return None

    def names(self, path: str) -> Mapping[str, Entry]:
        """The folder's entries by name, sorted; KeyError if `path` is no folder."""
        return self._listed(path)

    def read(self, path: str) -> bytes:
        """The file's content; KeyError if `path` is no file."""
        entry = self.entry(path)
        if entry is None or entry.form is not Form.FILE:
            raise KeyError(path)
        return _content(self._folder / path)

    def _listed(self, path: str) -> Mapping[str, Entry]:
        if path not in self._folders:
            entry = self.entry(path)
            if entry is None or entry.form is not Form.FOLDER:
                raise KeyError(path)
            self._folders[path] = self._looked(path)
        return self._folders[path]

    def _looked(self, path: str) -> dict[str, Entry]:
        """What stands in a folder that is part of the tree, or may be."""
        parts = tuple(path.split("/")) if path else ()
        found: dict[str, Entry] = {}
        with _scanned(self._folder, parts) as items:
            for item in items:
                inner = f"{path}/{item.name}" if path else item.name
                is_folder = item.is_dir(follow_symlinks=False)
                is_ignored = self._rules.ignores((*parts, item.name), is_folder)
                if is_folder and (not is_ignored or self._is_taken_back(inner)):
                    found[item.name] = Entry(Form.FOLDER, f"{self._id}/{inner}")
                elif item.is_file(follow_symlinks=False) and not is_ignored:
                    executable = bool(item.stat(follow_symlinks=False).st_mode & 0o100)
                    found[item.name] = _File(self._folder / inner, executable)
        return found

    def _is_taken_back(self, path: str) -> bool:
        """Whether anything in an ignored folder is in the tree all the same."""
        if not self._rules.takes_back:
            return False
        found = self._looked(path)
        if found:
            self._folders[path] = found
        return bool(found)


class _File(Entry):
    """A file that is hashed when its id is asked for."""

    __slots__ = ("_known", "_path")
    _known: str
    _path: Path

    def __init__(self, path: Path, executable: bool) -> None:
        fields = {"form": Form.FILE, "executable": executable, "_path": path, "_known": ""}
        for name, value in fields.items():  # past the guard of a frozen dataclass
            object.__setattr__(self, name, value)

    @property
    def id(self) -> str:
        """Git's id of the content."""
        if not self._known:
            object.__setattr__(self, "_known", _blob_id(self._path))
        return self._known

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return (self.form, self.id, self.executable) == (other.form, other.id, other.executable)

    def __hash__(self) -> int:
        return hash((self.form, self.id, self.executable))

    def __reduce__(self) -> tuple[type[Entry], tuple[Form, str, bool]]:
        """A copy is an Entry of the content as it is now."""
        return Entry, (self.form, self.id, self.executable)


@contextmanager
def _scanned(root: Path, parts: tuple[str, ...]) -> Iterator[list[os.DirEntry[str]]]:
    """What stands in a folder below the root, by name; of a link that took its place nothing."""
    if not parts:
        yield _scan(root)
        return
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    opened = os.open(root.joinpath(*parts), flags)
    try:
        yield _scan(opened)
    finally:
        os.close(opened)


def _scan(folder: Path | int) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return sorted((item for item in found if item.name != ".git"), key=lambda item: item.name)


def _ignore_files(folder: Path, scope: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    """(folder, text) of each `.sourceignore`, outer before inner."""
    found: list[tuple[tuple[str, ...], str]] = []
    below: list[tuple[tuple[str, ...], str]] = []
    with os.scandir(folder) as items:
        for item in items:
            if item.is_dir(follow_symlinks=False):
                if item.name != ".git":
                    below += _ignore_files(Path(item.path), (*scope, item.name))
            elif item.name == FILE_NAME and item.is_file(follow_symlinks=False):
                found.append((scope, _content(Path(item.path)).decode("utf-8", "replace")))
    return found + below


def _content(path: Path) -> bytes:
    # O_NOFOLLOW: the file may have become a link since it was looked at.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        return file.read()


def _blob_id(path: Path) -> str:
    content = _content(path)
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
