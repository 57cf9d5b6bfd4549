"""Git objects on disk: one bare repository for each repository URL, shared by all who use it.

Every source ends up here as Git objects, so that all trees are one thing (`git_tree.GitTree`).
Safe against a crash: a pack is visible once its index stands beside it, and a commit counts as
held only when everything below it was checked.
"""

import os
import re
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dulwich.object_store import DiskObjectStore
from dulwich.objects import Blob, ObjectID, ShaFile, Tree, parse_tree
from dulwich.pack import FilePackIndex, Pack

from engine.source.failures import GitError
from engine.source.git_pack import Incoming
from engine.source.kept_files import KeptFiles

if TYPE_CHECKING:
    from collections.abc import Callable

_COMMIT, _TREE, _BLOB, _TAG = 1, 2, 3, 4
_FOLDER_MODE = 0o40000
_TREES_KEPT = 4096  # parsed folders in memory; a large repository has some thousand
_LOOSE_AT_MOST = 64  # more new objects than this are written as one pack
_COMMIT_ID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Child:
    """An entry of a folder as Git stores it: mode (octal, as in Git) and object id."""

    mode: int
    id: str

    @property
    def is_folder(self) -> bool:
        """True for a tree."""
        return self.mode & 0o170000 == _FOLDER_MODE

    @property
    def is_file(self) -> bool:
        """True for a regular file; false for links and submodules."""
        return self.mode & 0o170000 == 0o100000

    @property
    def is_blob(self) -> bool:
        """True for what has content of its own: files and links."""
        return self.is_file or self.mode & 0o170000 == 0o120000


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """What a store holds."""

    commits: int
    packs: int
    pack_bytes: int
    trees_in_memory: int


class InUse(Protocol):
    """Something that reads a tree and must find all of it."""

    @property
    def id(self) -> str:
        """The tree's id."""
        ...

    def __hash__(self) -> int: ...


class Store:
    """The objects of one repository.  May be used from several threads, and be pickled."""

    def __init__(self, folder: Path, kept_bytes: int = 0) -> None:
        """folder: the bare repository; made if it is not there.

        kept_bytes: of small files, so that what is read again and again is unpacked once.
        """
        self.folder = folder
        self._blobs = KeptFiles(kept_bytes)
        self._path = folder / "objects"
        if not (folder / "config").exists():
            _initialise(folder)
        self._objects = DiskObjectStore(str(self._path), fsync_object_files=True)
        self._lock = threading.Lock()
        self.exclusive = threading.Lock()
        """Held by a worker thread that adds packs, or relies on objects no tree in use reaches."""
        self._in_use: weakref.WeakSet[InUse] = weakref.WeakSet()
        self._trees: OrderedDict[str, Mapping[str, Child]] = OrderedDict()
        self.filtered: dict[tuple[str, str, str], tuple[str, int]] = {}
        """What `git_filter` made of folders: {(rules, path, tree id): (new id, entries)}."""
        self.filtered_last: dict[tuple[str, str], str] = {}
        """The folder that `git_filter` saw last at a place: {(rules, path): tree id}."""
        self.ignore_files: dict[str, tuple[tuple[tuple[tuple[str, ...], str], ...], int]] = {}
        """The ignore files below folders: {tree id: (((folder, blob id), ...), entries)}."""
        weakref.finalize(self, self._objects.close)

    def __reduce__(self) -> "tuple[Callable[[Path], Store], tuple[Path]]":
        """Another process opens the same folder."""
        return (Store, (self.folder,))

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    def close(self) -> None:
        """Give back the open files; the store may still be used."""
        with self._lock:
            self._objects.close()

    def statistics(self) -> StoreStatistics:
        """What is held, from the disk."""
        sizes = [pack.stat().st_size for pack in self._path.glob("pack/*.pack")]
        return StoreStatistics(len(self.held()), len(sizes), sum(sizes), len(self._trees))

    def use(self, tree: "InUse") -> None:
        """Keep all below `tree` as long as it lives in this process."""
        with self._lock:
            self._in_use.add(tree)

    def trees_in_use(self) -> list[str]:
        """The ids of trees that somebody may still read."""
        with self._lock:
            return [tree.id for tree in self._in_use]

    def raw(self, object_id: str, kind: int) -> bytes:
        """An object's content.  Raises KeyError if it is absent or not of that kind."""
        with self._lock:
            found, content = self._objects.get_raw(ObjectID(object_id.encode()))
        if found != kind:
            raise KeyError(object_id)
        return content

    def commit(self, commit_id: str) -> bytes:
        """The commit's raw text.  Raises KeyError if it is absent."""
        return self.raw(commit_id, _COMMIT)

    def blob(self, blob_id: str) -> bytes:
        """A file's content.  Raises KeyError if it is absent."""
        content = self._blobs.get(blob_id)
        if content is None:
            content = self.raw(blob_id, _BLOB)
            self._blobs.keep(blob_id, content)
        return content

    def tag(self, tag_id: str) -> bytes:
        """An annotated tag's raw text.  Raises KeyError if it is absent."""
        return self.raw(tag_id, _TAG)

    def contains(self, object_id: str) -> bool:
        """True if the object is here, whatever it is."""
        with self._lock:
            return ObjectID(object_id.encode()) in self._objects

    def children(self, tree_id: str) -> Mapping[str, Child]:
        """A folder's entries by name, in Git's order.

        Names that are not UTF-8 are shown with escapes.  Raises KeyError if the tree is absent,
        GitError if it cannot be read or names something twice.
        """
        with self._lock:
            known = self._trees.get(tree_id)
            if known is not None:
                self._trees.move_to_end(tree_id)
                return known
        children = _parse(tree_id, self.raw(tree_id, _TREE))
        with self._lock:
            self._trees[tree_id] = children
            if len(self._trees) > _TREES_KEPT:
                self._trees.popitem(last=False)
        return children

    def incoming(self) -> Incoming:
        """A place to write a pack to."""
        objects = _NamedPacks(str(self._path), fsync_object_files=True)
        return Incoming(objects, self.exclusive)

    def add(self, objects: Iterable[ShaFile]) -> None:
        """Write objects made here; those that are here already cost nothing."""
        new = {item.id: item for item in objects}
        with self._lock:
            new = {key: item for key, item in new.items() if key not in self._objects}
            if len(new) > _LOOSE_AT_MOST:
                self._objects.add_objects([(item, None) for item in new.values()])
                return
            for item in new.values():
                self._objects.add_object(item)

    def add_blob(self, content: bytes) -> str:
        """Write a file's content; its id."""
        blob = Blob.from_string(content)
        self.add([blob])
        return blob.id.decode()

    def held(self) -> dict[str, float]:
        """When the commits held with everything below them were asked for, newest first.

        {commit id: seconds since 1970}
        """
        found: list[tuple[float, str]] = []
        with suppress(FileNotFoundError):
            for mark in self._held.iterdir():
                if _COMMIT_ID.fullmatch(mark.name):  # else it is being written
                    with suppress(FileNotFoundError):
                        found.append((mark.stat().st_mtime, mark.name))
        return {commit_id: used_at for used_at, commit_id in sorted(found, reverse=True)}

    def holds(self, commit_id: str) -> bool:
        """True if the commit is held with everything below it."""
        return (self._held / commit_id).exists()

    def hold(self, commit_id: str) -> None:
        """Remember that the commit is complete; it becomes the newest."""
        mark = self._held / commit_id
        if mark.exists():
            os.utime(mark)
            return
        self._held.mkdir(parents=True, exist_ok=True)
        new = mark.with_suffix(".new")
        new.write_text(f"{commit_id}\n")
        os.replace(new, mark)

    def forget(self, commit_id: str) -> None:
        """No longer count on the commit: something below it cannot be read."""
        (self._held / commit_id).unlink(missing_ok=True)

    @property
    def _held(self) -> Path:
        # As refs, so that `git --git-dir` on this folder sees the commits and keeps them.
        return self.folder / "refs" / "held"


class _NamedPacks(DiskObjectStore):
    """Objects whose packs are known by the names of their files.

    A pack's name is a hash of the ids of its objects.  dulwich computes it for each pack whenever
    one is added, which takes as long as the repository is large.
    """

    @property
    def packs(self) -> list[Pack]:
        """All packs."""
        packs = super().packs
        for pack in packs:
            index = pack.index
            if isinstance(index, FilePackIndex):
                name = Path(index.path).stem.removeprefix("pack-").encode()
                pack.name = partial(bytes, name)  # type: ignore[method-assign]  # dulwich makes it
        return packs


def _initialise(folder: Path) -> None:
    """Make an empty bare repository; the config, written last, says that it is whole."""
    for part in ("objects/info", "objects/pack", "refs/heads"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    new = folder / "config.new"
    new.write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
    os.replace(new, folder / "config")


def _parse(tree_id: str, content: bytes) -> dict[str, Child]:
    try:
        entries = list(parse_tree(content, 20))
    except Exception as error:  # dulwich's parser raises whatever the bytes lead to
        raise GitError(f"the tree {tree_id} cannot be read: {error}") from error
    children: dict[str, Child] = {}
    for name, mode, object_id in entries:
        text = name.decode("utf-8", "backslashreplace")
        if text in children:
            raise GitError(f"the tree {tree_id} names {text!r} twice")
        children[text] = Child(mode, object_id.decode())
    return children


def tree_object(children: Mapping[str, Child]) -> Tree:
    """A Git tree with these entries by name."""
    tree = Tree()
    for name, child in children.items():
        tree.add(name.encode(), child.mode, ObjectID(child.id.encode()))
    return tree
