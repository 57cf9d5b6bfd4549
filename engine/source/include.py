"""Put files of other trees into a tree: what `spec.include` and submodules ask for.

Trees of other stores are copied: each tree has all of its objects in one store.  Paths are cleaned
as if the tree's root were the root of all, so nothing outside can be meant.
"""

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dulwich.objects import Blob, ShaFile

from engine.source.failures import CopyFailure
from engine.source.git_entry import Child, tree_object
from engine.source.store import Store
from engine.source.tree import Entry, Form, Tree

_FOLDER, _FILE, _EXECUTABLE, _LINK = 0o40000, 0o100644, 0o100755, 0o120000
_BATCH_BYTES = 16 * 1024 * 1024  # of files and folders held in memory until they are written
_ENTRY_BYTES = 300  # of a folder's entry in memory


@dataclass(frozen=True, slots=True)
class Included:
    """Files of another source; name: of its object.

    from_path: a folder or file there.  to_path: where it is put; the root of neither has a name.
    """

    name: str
    tree: Tree = field(repr=False)
    from_path: str = ""
    to_path: str = ""

    @property
    def target(self) -> str:
        """Where it is put, cleaned."""
        return clean(self.to_path or self.name)


def clean(path: str) -> str:
    """The path below a root, without `.` and `..`; "" is the root itself."""
    return posixpath.normpath(posixpath.join("/", path)).strip("/")


def with_included(
    store: Store,
    tree_id: str,
    included: Sequence[Included],
    check_cancelled: Callable[[], None] = lambda: None,
) -> str:
    """The id of the tree with the files of others in it.

    check_cancelled: called for each folder; may raise.  Raises CopyFailure if there is nothing to
    take, or if something stands there already; KeyError if an object is missing.
    """
    for each in included:
        failed = f"failed to copy '{each.name}' include from {each.from_path} to {each.to_path}"
        source = each.tree.entry(clean(each.from_path))
        if source is None:
            raise CopyFailure(
                f"{failed}: its artifact has no '{clean(each.from_path)}': correct fromPath"
            )
        problem = _obstacle(store, tree_id, each.target, source)
        if problem:
            raise CopyFailure(f"{failed}: {problem}: choose another toPath")
        copy = copied(each.tree, clean(each.from_path), store, check_cancelled)
        tree_id = grafted(store, tree_id, each.target, copy)
    return tree_id


def copied(
    tree: Tree, path: str, store: Store, check_cancelled: Callable[[], None] = lambda: None
) -> Child:
    """The file or folder of the tree, all of it in `store`; check_cancelled: as above."""
    entry = tree.entry(path)
    if entry is None:
        raise KeyError(path)
    copy = _Copy(tree, store, check_cancelled)
    child = copy.take(path, entry)
    copy.flush()
    return child


def grafted(store: Store, tree_id: str, path: str, new: Child) -> str:
    """The id of the tree with something else at a path; folders on the way are made."""
    name, _, rest = path.partition("/")
    children = dict(store.children(tree_id))
    if rest:
        known = children.get(name)
        below = known.id if known is not None and known.is_folder else _empty(store)
        new = Child(_FOLDER, grafted(store, below, rest, new))
    children[name] = new
    tree = tree_object(children)
    store.add([tree])
    return store.id_of(tree)


def _empty(store: Store) -> str:
    """The id of a folder without entries, which is in the store."""
    store.add([tree_object({})])
    return store.empty_tree


def _obstacle(store: Store, tree_id: str, path: str, source: Entry) -> str:
    """What stands in the way of putting something at a path, "" if nothing does."""
    if not path:
        return "the root of the repository exists already"
    child = Child(_FOLDER, tree_id)
    parts = path.split("/")
    for number, name in enumerate(parts, start=1):
        found = store.children(child.id).get(name)
        if found is None:
            return ""
        if number < len(parts) and not found.is_folder:
            return f"'{'/'.join(parts[:number])}' is no folder"
        child = found
    if source.form is Form.FILE and child.is_file:
        return ""
    if source.form is Form.FOLDER and child.is_folder and not store.children(child.id):
        return ""
    return f"'{path}' exists already"


class _Copy:
    """Takes what is below one path of a tree over into a store, what is there already unread."""

    def __init__(self, tree: Tree, store: Store, check_cancelled: Callable[[], None]) -> None:
        self._tree = tree
        self._store = store
        self._check_cancelled = check_cancelled
        self._new: list[ShaFile] = []
        self._bytes = 0

    def take(self, path: str, entry: Entry) -> Child:
        if entry.form is Form.FILE:
            return Child(_EXECUTABLE if entry.executable else _FILE, self._blob(path, entry.id))
        if entry.form is Form.LINK:
            return Child(_LINK, self._blob(path, entry.id))
        self._check_cancelled()
        children = {
            name: self.take(f"{path}/{name}" if path else name, child)
            for name, child in self._tree.names(path).items()
        }
        tree = tree_object(children)
        self._keep(tree, _ENTRY_BYTES * (1 + len(children)))
        return Child(_FOLDER, self._store.id_of(tree))

    def _blob(self, path: str, blob_id: str) -> str:
        if self._store.contains(blob_id):
            return blob_id
        content = self._tree.read(path)
        blob = Blob.from_string(content)
        self._keep(blob, len(content))
        return self._store.id_of(blob)

    def _keep(self, item: ShaFile, size: int) -> None:
        """Write it soon; size: bytes."""
        self._new.append(item)
        self._bytes += size
        if self._bytes > _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        self._store.add(self._new)
        self._new, self._bytes = [], 0
