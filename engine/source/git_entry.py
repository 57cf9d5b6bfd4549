"""Entries of folders as Git stores them."""

from collections.abc import Mapping
from dataclasses import dataclass

from dulwich.objects import ObjectID, Tree, parse_tree

from engine.source.failures import GitError

_FOLDER_MODE = 0o40000


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
    def is_submodule(self) -> bool:
        """True for a commit of another repository."""
        return self.mode & 0o170000 == 0o160000

    @property
    def is_blob(self) -> bool:
        """True for what has content of its own: files and links."""
        return self.is_file or self.mode & 0o170000 == 0o120000


def parse_entries(tree_id: str, content: bytes, id_bytes: int) -> dict[str, Child]:
    """What a tree holds, by name; id_bytes: of an object's id.

    Names that are not UTF-8 are shown with escapes.  Raises GitError if it cannot be read or names
    something twice.
    """
    try:
        entries = list(parse_tree(content, id_bytes))
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
