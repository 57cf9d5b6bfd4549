"""A tree of files that a build reads: immutable, addressed by content, nothing outside it exists.

Paths are relative, with `/`, without a leading slash and without `.` or `..`; the root is "".
Links are part of a repository that was fetched as a base; an artifact's tree has none, and special
files are in no tree (Flux's artifacts drop them as well).
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, runtime_checkable


class Form(StrEnum):
    """What stands at a path."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a path; `id` is equal exactly if the content is (hex; Git's object id)."""

    form: Form
    id: str
    executable: bool = False


class Tree(Protocol):
    """What a build may ask of its files."""

    @property
    def id(self) -> str:
        """The content id of the whole tree, hex."""
        ...

    def entry(self, path: str) -> Entry | None:
        """What stands at `path`, None if nothing does."""
        ...

    def names(self, path: str) -> Mapping[str, Entry]:
        """The folder's entries by name, sorted; KeyError if `path` is no folder."""
        ...

    def read(self, path: str) -> bytes:
        """The content of a file, or where a link leads; KeyError if `path` is neither."""
        ...


@runtime_checkable
class Comparable(Protocol):
    """A Tree that knows what differs from another one without looking at all there is."""

    def differing(self, other: Tree, folder: str) -> Collection[str] | None:
        """The names in a folder of both under which they hold something else.

        None: that takes looking at all.  Raises KeyError if one has no such folder, or what a tree
        raises that cannot be read.
        """
        ...


def differing(one: Tree, other: Tree, folder: str) -> Collection[str]:
    """The names in a folder of both under which they hold something else; raises as `names`."""
    known = one.differing(other, folder) if isinstance(one, Comparable) else None
    if known is not None:
        return known
    ours, theirs = one.names(folder), other.names(folder)
    return [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)]


class MemoryTree:
    """A Tree of files held in memory: for tests, generated input and archives."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        folders: frozenset[str] = frozenset(),
        links: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        """files: content by path.  folders: paths of folders that may be empty.

        links: where each leads, by path.
        """
        self._files = {**files, **links}
        self._folders: dict[str, dict[str, Entry]] = {"": {}}
        for path in sorted(folders):
            self._add_folder(path)
        for path, content in sorted(self._files.items()):
            parent, _, name = path.rpartition("/")
            self._add_folder(parent)
            digest = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
            form = Form.LINK if path in links else Form.FILE
            self._folders[parent][name] = Entry(form, digest.hexdigest())
        self._ids: dict[str, str] = {}
        self._seal("")

    def _add_folder(self, path: str) -> None:
        if path in self._folders:
            return
        self._folders[path] = {}
        parent, _, name = path.rpartition("/")
        self._add_folder(parent)
        self._folders[parent][name] = Entry(Form.FOLDER, "")

    def _seal(self, path: str) -> str:
        """Fill in the ids of folders, deepest first."""
        names = self._folders[path]
        lines = []
        for name, entry in sorted(names.items()):
            if entry.form is Form.FOLDER:
                entry = Entry(Form.FOLDER, self._seal(f"{path}/{name}" if path else name))
                names[name] = entry
            lines.append(f"{entry.form} {entry.id} {name}\n")
        digest = hashlib.sha1("".join(lines).encode(), usedforsecurity=False)
        self._ids[path] = digest.hexdigest()
        return self._ids[path]

    @property
    def id(self) -> str:
        """The content id of the whole tree, hex."""
        return self._ids[""]

    def entry(self, path: str) -> Entry | None:
        """What stands at `path`, None if nothing does."""
        if not path:
            return Entry(Form.FOLDER, self.id)
        parent, _, name = path.rpartition("/")
        return self._folders.get(parent, {}).get(name)

    def names(self, path: str) -> Mapping[str, Entry]:
        """The folder's entries by name, sorted; KeyError if `path` is no folder."""
        return dict(sorted(self._folders[path].items()))

    def read(self, path: str) -> bytes:
        """The content of a file, or where a link leads; KeyError if `path` is neither."""
        return self._files[path]
