"""Trees of files, compared by what is in them."""

import hashlib
from collections.abc import Iterator

from engine.source.tree import Form, Tree


def entries_of(tree: Tree) -> dict[str, tuple[str, bool]]:
    """{path: (Git's id of a file, "" of a folder; whether it is executable)} of everything."""
    return dict(_below(tree, ""))


def _below(tree: Tree, folder: str) -> Iterator[tuple[str, tuple[str, bool]]]:
    for name, entry in tree.names(folder).items():
        path = f"{folder}/{name}" if folder else name
        if entry.form is Form.FOLDER:
            yield path, ("", False)
            yield from _below(tree, path)
        else:
            yield path, (entry.id, entry.executable)


def blob_id(content: bytes) -> str:
    """Git's id of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
