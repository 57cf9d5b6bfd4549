"""A local folder as a Tree: what `lockstep build PATH` renders.

The same files as in an artifact of that folder: ignore rules hold, links and special files are
not there, so nothing outside the folder can be read.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.source.ignore import FILE_NAME, Pattern, Rules, rules
from engine.source.tree import Entry, Form


class FolderTree:
    """The files below a folder as they were when this was made."""

    def __init__(
        self, folder: Path, spec_ignore: str | None = None, also: Sequence[Pattern] = ()
    ) -> None:
        """Looks at every file once.  Raises NotADirectoryError if `folder` is none.

        also: rules beside those of the source.
        """
        self._folder = folder
        if not folder.is_dir():
            raise NotADirectoryError(f"{str(folder)!r} is not a folder")
        self._folders: dict[str, dict[str, Entry]] = {}
        self._rules = rules(_ignore_files(folder, ()), spec_ignore, also)
        self._id = self._load((), self._rules)

    def __repr__(self) -> str:
        return f"FolderTree({str(self._folder)!r})"

    @property
    def id(self) -> str:
        """The content id of the whole tree, hex."""
        return self._id

    def entry(self, path: str) -> Entry | None:
        """What stands at `path`, None if nothing does."""
        if not path:
            return Entry(Form.FOLDER, self._id)
        parent, _, name = path.rpartition("/")
        return self._folders.get(parent, {}).get(name)

    def names(self, path: str) -> Mapping[str, Entry]:
        """The folder's entries by name, sorted; KeyError if `path` is no folder."""
        return self._folders[path]

    def read(self, path: str) -> bytes:
        """The file's content; KeyError if `path` is no file."""
        entry = self.entry(path)
        if entry is None or entry.form is not Form.FILE:
            raise KeyError(path)
        return _content(self._folder / path)

    def _load(self, parts: tuple[str, ...], wanted: Rules) -> str:
        """Remember what stands in a folder, and all below it; its id as Git computes it."""
        found: dict[str, Entry] = {}
        for item in _scan(self._folder.joinpath(*parts)):
            path = (*parts, item.name)
            is_folder = item.is_dir(follow_symlinks=False)
            is_ignored = wanted.ignores(path, is_folder)
            if is_folder and (not is_ignored or wanted.takes_back):
                entry = Entry(Form.FOLDER, self._load(path, wanted))
                if self._folders["/".join(path)] or not is_ignored:
                    found[item.name] = entry
                else:
                    del self._folders["/".join(path)]
            elif item.is_file(follow_symlinks=False) and not is_ignored:
                executable = bool(item.stat(follow_symlinks=False).st_mode & 0o100)
                found[item.name] = Entry(Form.FILE, _blob_id(Path(item.path)), executable)
        self._folders["/".join(parts)] = dict(sorted(found.items()))
        return _tree_id(found)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return sorted((item for item in found if item.name != ".git"), key=lambda item: item.name)


def _ignore_files(folder: Path, scope: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    """(folder, text) of each `.sourceignore`, outer before inner."""
    found: list[tuple[tuple[str, ...], str]] = []
    below: list[tuple[tuple[str, ...], str]] = []
    for item in _scan(folder):
        if item.name == FILE_NAME and item.is_file(follow_symlinks=False):
            found.append((scope, _content(Path(item.path)).decode("utf-8", "replace")))
        elif item.is_dir(follow_symlinks=False):
            below += _ignore_files(Path(item.path), (*scope, item.name))
    return found + below


def _content(path: Path) -> bytes:
    # O_NOFOLLOW: the file may have become a link since it was looked at.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        return file.read()


def _blob_id(path: Path) -> str:
    content = _content(path)
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _tree_id(entries: Mapping[str, Entry]) -> str:
    """Git's id: a folder sorts as if its name ended in a slash."""
    lines = []
    for name, entry in entries.items():
        is_folder = entry.form is Form.FOLDER
        mode = b"40000" if is_folder else b"100755" if entry.executable else b"100644"
        raw = os.fsencode(name)
        line = mode + b" " + raw + b"\0" + bytes.fromhex(entry.id)
        lines.append((raw + b"/" if is_folder else raw, line))
    text = b"".join(line for _, line in sorted(lines))
    return hashlib.sha1(b"tree %d\0" % len(text) + text, usedforsecurity=False).hexdigest()
