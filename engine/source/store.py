"""Git objects on disk: one bare repository for each repository URL, shared by all who may read it.

Every source ends up here as Git objects, so that all trees are one thing (`git_tree.GitTree`).
Safe against a crash: a pack is visible once its index stands beside it, and a commit counts as
held only when everything below it was checked.
"""

import os
import re
import threading
import weakref
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dulwich.object_format import SHA1, SHA256
from dulwich.object_store import DiskObjectStore
from dulwich.objects import Blob, ObjectID, ShaFile, Tree

from engine.source.failures import DamagedError, UnreadableError
from engine.source.git_entry import Child
from engine.source.git_folders import GitFolders
from engine.source.git_pack import Incoming
from engine.source.kept_files import KeptFiles
from engine.source.store_folder import initialise, opened

if TYPE_CHECKING:
    from collections.abc import Callable

_COMMIT, _TREE, _BLOB, _TAG = 1, 2, 3, 4
_DAMAGED = -1
_LOOSE_AT_MOST = 64  # more new objects than this are written as one pack
_COMMIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


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

    def __init__(self, folder: Path, kept_bytes: int = 0, object_format: str = "sha1") -> None:
        """folder: the bare repository; made if it is not there.

        kept_bytes: of small files, so that what is read again and again is unpacked once.
        object_format: how a new repository names its objects, `sha1` or `sha256`.
        """
        self.folder = folder
        self._blobs = KeptFiles(kept_bytes)
        self._path = folder / "objects"
        if not (folder / "config").exists():
            initialise(folder, object_format)
        is_sha256 = "objectformat = sha256" in (folder / "config").read_text()
        self._format = SHA256 if is_sha256 else SHA1
        self._objects = self.opened()
        self._sha256: Store | None = None
        self._lock = threading.Lock()
        self.exclusive = threading.Lock()
        """Held by a worker thread that adds packs, or relies on objects no tree in use reaches."""
        self._in_use: weakref.WeakSet[InUse] = weakref.WeakSet()
        self._folders = GitFolders(self._format.oid_length)
        self.filtered: dict[tuple[str, str, str], tuple[str, int]] = {}
        """What `git_filter` made of folders: {(rules, path, tree id): (new id, entries)}."""
        self.filtered_last: dict[tuple[str, str], str] = {}
        """The folder that `git_filter` saw last at a place: {(rules, path): tree id}."""
        self.ignore_files: dict[str, tuple[tuple[tuple[tuple[str, ...], str], ...], int]] = {}
        """The ignore files below folders: {tree id: (((folder, blob id), ...), entries)}."""
        self.ignore_last: dict[str, str] = {}
        """The folder in which `git_filter` looked for them last at a place: {path: tree id}."""
        self.submodules: dict[str, tuple[tuple[str, str], ...]] = {}
        """The submodules below folders: {tree id: ((path, commit), ...)}."""
        self.composed: dict[Hashable, str] = {}
        """What `git_contents` put together: {what of: tree id}."""
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
            other = self._sha256
        if other is not None:
            other.close()

    @property
    def object_format(self) -> str:
        """How objects are named: `sha1` or `sha256`."""
        return self._format.name

    def in_format(self, object_format: str) -> "Store":
        """The store for objects named in that way: this one, or one in a folder of its own.

        A server tells only when asked how its repository names objects.
        """
        if object_format == self.object_format:
            return self
        with self._lock:
            if self._sha256 is None:
                self._sha256 = Store(self.folder / object_format, object_format=object_format)
            return self._sha256

    def opened(self) -> DiskObjectStore:
        """The objects anew, for whoever writes; to be closed."""
        return opened(self._path, self.object_format)

    def id_of(self, item: ShaFile) -> str:
        """The id that an object has here."""
        return item.get_id(self._format).decode()

    @property
    def empty_tree(self) -> str:
        """The id of a folder without entries."""
        return self.id_of(Tree())

    def statistics(self) -> StoreStatistics:
        """What is held, from the disk."""
        sizes = [pack.stat().st_size for pack in self._path.glob("pack/*.pack")]
        return StoreStatistics(len(self.held()), len(sizes), sum(sizes), len(self._folders))

    def use(self, tree: "InUse") -> None:
        """Keep all below `tree` as long as it lives in this process."""
        with self._lock:
            self._in_use.add(tree)

    def trees_in_use(self) -> list[str]:
        """The ids of trees that somebody may still read."""
        with self._lock:
            used, other = [tree.id for tree in self._in_use], self._sha256
        return used + (other.trees_in_use() if other is not None else [])

    def raw(self, object_id: str, kind: int) -> bytes:
        """An object's content.  Raises KeyError if it is absent, damaged or not of that kind."""
        try:
            with self._lock:
                found, content = self._objects.get_raw(ObjectID(object_id.encode()))
        except (KeyError, OSError):
            raise
        except Exception:  # dulwich raises whatever damaged bytes lead to
            found, content = _DAMAGED, b""
        if found == _DAMAGED:  # not raised above: what is chained would keep the file open
            raise UnreadableError(object_id)
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
        if len(object_id) != self._format.hex_length:
            return False
        try:
            with self._lock:
                return ObjectID(object_id.encode()) in self._objects
        except OSError:
            raise
        except Exception:  # as above: what cannot be found is not here
            return False

    def children(self, tree_id: str) -> Mapping[str, Child]:
        """A folder's entries by name, in Git's order.

        Names that are not UTF-8 are shown with escapes.  Raises KeyError if the tree is absent,
        GitError if it cannot be read or names something twice.
        """
        known = self._folders.get(tree_id)
        return self._folders.parse(tree_id, self.raw(tree_id, _TREE)) if known is None else known

    def differing(self, before: str, now: str) -> frozenset[str]:
        """The names under which two folders hold something else.  Raises as `children` does."""
        known = self._folders.known_differing(before, now)
        if known is not None:
            return known
        old, new = self.children(before), self.children(now)
        return self._folders.differing(before, old, now, new)

    def start_anew(self) -> None:
        """Forget all that is remembered of what is on the disk, which was changed by others."""
        with self._lock:
            self._objects.close()  # packs are opened again as they are needed
        self._folders.clear()
        self.filtered_last.clear()
        self.ignore_last.clear()
        self.forget_trees()

    def forget_trees(self) -> None:
        """Drop what was found out about folders that may be gone."""
        for memory in (self.filtered, self.ignore_files, self.submodules, self.composed):
            memory.clear()

    def incoming(self) -> Incoming:
        """A place to write a pack to."""
        return Incoming(self._path, self.object_format, self.exclusive)

    def add(self, objects: Iterable[ShaFile]) -> None:
        """Write objects made here; those that are here already cost nothing.

        Raises DamagedError if what is here cannot be read.
        """
        items = {ObjectID(self.id_of(item).encode()): item for item in objects}
        problem = ""
        try:
            with self._lock:
                self._add(items)
        except OSError:
            raise
        except Exception as error:  # as above
            problem = repr(error)
        if problem:
            raise DamagedError(f"{self!r} cannot be added to: {problem}")

    def _add(self, items: Mapping[ObjectID, ShaFile]) -> None:
        new = {key: item for key, item in items.items() if key not in self._objects}
        if len(new) > _LOOSE_AT_MOST:
            self._objects.add_objects([(item, None) for item in new.values()])
            return
        for item in new.values():
            self._objects.add_object(item)

    def add_blob(self, content: bytes) -> str:
        """Write a file's content; its id."""
        blob = Blob.from_string(content)
        self.add([blob])
        return self.id_of(blob)

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
