"""Turn files that are no Git repository into a Git tree, so that all sources are one thing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dulwich.objects import Tree

from engine.source.git_entry import Child, tree_object
from engine.source.store import Store

_FILE, _EXECUTABLE, _FOLDER = 0o100644, 0o100755, 0o40000


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose content is in the store already."""

    blob: str
    executable: bool = False


def write_tree(store: Store, files: Mapping[str, StoredFile], folders: Iterable[str] = ()) -> str:
    """The id of a tree with these files by path; folders: paths that exist even if empty.

    Raises ValueError if a path is both a file and a folder.
    """
    root = _Folder()
    for path in folders:
        root.descend(path.split("/"))
    for path, file in files.items():
        parent, _, name = path.rpartition("/")
        folder = root.descend(parent.split("/") if parent else [])
        if name in folder.folders:
            raise ValueError(f"{path!r} is both a file and a folder")
        mode = _EXECUTABLE if file.executable else _FILE
        folder.files[name] = Child(mode, file.blob)
    trees: list[Tree] = []
    root_id = root.seal(trees, store)
    store.add(trees)
    return root_id


class _Folder:
    def __init__(self) -> None:
        self.files: dict[str, Child] = {}
        self.folders: dict[str, _Folder] = {}

    def descend(self, names: Iterable[str]) -> "_Folder":
        """The folder below, made on the way."""
        folder = self
        for name in names:
            if name in folder.files:
                raise ValueError(f"{name!r} is both a file and a folder")
            folder = folder.folders.setdefault(name, _Folder())
        return folder

    def seal(self, trees: list[Tree], store: Store) -> str:
        """The id of this folder; its tree and those below are appended to `trees`."""
        below = {
            name: Child(_FOLDER, item.seal(trees, store)) for name, item in self.folders.items()
        }
        tree = tree_object({**self.files, **below})
        trees.append(tree)
        return store.id_of(tree)
