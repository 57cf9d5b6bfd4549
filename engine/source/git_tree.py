"""A Tree read straight from Git objects: no checkout, nothing outside it exists."""

from collections.abc import Collection, Mapping

from engine.source.git_entry import Child
from engine.source.store import Store
from engine.source.tree import Entry, Form, Tree

_FOLDERS_KEPT = 1_000  # of one tree: a build looks into few


class GitTree:
    """The files below one Git tree object.  May be used from several threads, and be pickled.

    Holds no submodules, and no links as long as the tree comes from `git_filter.filtered`.
    """

    def __init__(self, store: Store, tree_id: str) -> None:
        """tree_id: 40 hex digits of a tree in `store`."""
        self._store = store
        self._id = tree_id
        self._folders: dict[str, Child | None] = {}  # by path, of those that were looked into
        store.use(self)

    def __reduce__(self) -> "tuple[type[GitTree], tuple[Store, str]]":
        """Another process reads the same folder; this one must keep its tree meanwhile."""
        return (GitTree, (self._store, self._id))

    def __repr__(self) -> str:
        return f"GitTree({self._id!r}, {self._store!r})"

    @property
    def id(self) -> str:
        """The content id of the whole tree, hex."""
        return self._id

    @property
    def store(self) -> Store:
        """Where its objects are."""
        return self._store

    def entry(self, path: str) -> Entry | None:
        """What stands at `path`, None if nothing does."""
        child = self._find(path)
        return None if child is None else _entry(child)

    def names(self, path: str) -> Mapping[str, Entry]:
        """The folder's entries by name, sorted; KeyError if `path` is no folder."""
        child = self._find(path)
        if child is None or not child.is_folder:
            raise KeyError(path)
        children = self._store.children(child.id)
        return {name: entry for name in sorted(children) if (entry := _entry(children[name]))}

    def read(self, path: str) -> bytes:
        """The content of a file, or where a link leads; KeyError if `path` is neither."""
        child = self._find(path)
        if child is None or not child.is_blob:
            raise KeyError(path)
        return self._store.blob(child.id)

    def differing(self, other: Tree, folder: str) -> Collection[str] | None:
        """The names in a folder of both under which they hold something else; see Comparable.

        Also submodules, which are no entries.
        """
        if not isinstance(other, GitTree) or other.store is not self._store:
            return None
        ours, theirs = self.entry(folder), other.entry(folder)
        if not (ours and theirs and ours.form is Form.FOLDER and theirs.form is Form.FOLDER):
            raise KeyError(folder)
        return self._store.differing(theirs.id, ours.id)

    def _find(self, path: str) -> Child | None:
        if not path:
            return Child(0o40000, self._id)
        above, slash, name = path.rpartition("/")
        if slash and not above:
            return None
        if above in self._folders:
            folder = self._folders[above]
        else:
            folder = self._find(above)
            if len(self._folders) < _FOLDERS_KEPT:
                self._folders[above] = folder
        if folder is None or not folder.is_folder:
            return None
        return self._store.children(folder.id).get(name)


def _entry(child: Child) -> Entry | None:
    if child.is_folder:
        return Entry(Form.FOLDER, child.id)
    if child.is_file:
        return Entry(Form.FILE, child.id, executable=bool(child.mode & 0o111))
    return Entry(Form.LINK, child.id) if child.is_blob else None
