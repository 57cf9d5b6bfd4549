"""What of a tree is packed together, so that a change leaves most of an archive as it was.

A group is a run of neighbours in the archive's order.  Where groups end depends on the tree alone,
and on names rather than content: a changed file changes its group, a new one at most the cut
beside it.  Folders that did not change are not looked into again.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.source.tree import Entry, Form, Tree

# Entries in a group, about and at most.  Smaller ones cost size (each is compressed on its own:
# 64 make an archive of 1,100 manifests 1.15 times as large as one group, 16 1.4 times), larger ones
# time, as a group of which one file changed is packed as a whole.
_USUAL, _MOST = 64, 256


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbours in one folder that are packed together; folders among them with all below.

    key: equal exactly if the rest is.  has_folder: the folder's own entry comes first.
    """

    key: bytes
    folder: str
    has_folder: bool
    members: tuple[tuple[str, Entry], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a folder is packed.

    entries: of the folder at all levels, with itself.  folders: the direct ones, by name.
    groups: in order; none if the folder is so small that it is packed as a whole.
    """

    id: str
    entries: int
    folders: Mapping[str, "Layout"]
    groups: tuple[Group, ...]


def lay_out(tree: Tree, before: Layout | None = None) -> Layout:
    """The groups of a tree.

    before: of a tree that may differ little; what it has as well is taken over, which changes the
    time that this takes and never the outcome.
    """
    if before is not None and before.id == tree.id:
        return before
    return _folder(tree, "", tree.id, before)


def _folder(tree: Tree, path: str, own_id: str, before: Layout | None) -> Layout:
    known = before.folders if before else {}
    folders: dict[str, Layout] = {}
    names = tree.names(path)
    entries = 1 + len(names)
    for name, entry in names.items():
        if entry.form is Form.FOLDER:
            inner = known.get(name)
            if inner is None or inner.id != entry.id:
                inner = _folder(tree, f"{path}/{name}" if path else name, entry.id, inner)
            folders[name] = inner
            entries += inner.entries - 1
    if path and entries <= _USUAL:
        return Layout(own_id, entries, {}, ())
    return Layout(own_id, entries, folders, tuple(_groups(path, names, folders)))


def _groups(
    path: str, names: Mapping[str, Entry], folders: Mapping[str, Layout]
) -> Iterator[Group]:
    """The groups of a folder and all below it."""
    has_folder = bool(path)  # the root has no entry of its own
    members: list[tuple[str, Entry]] = []
    size = 0
    for name, entry in names.items():
        inner = folders.get(name)
        if inner is None or not inner.groups:
            weight = inner.entries if inner else 1
            members.append((name, entry))
            size += weight
            is_last = size >= _MOST or zlib.crc32(_raw(name)) % _USUAL < weight
        else:
            is_last = True
        if is_last and (members or has_folder):
            yield _group(path, has_folder, members)
            has_folder, members, size = False, [], 0
        if inner is not None:
            yield from inner.groups
    if members or has_folder:
        yield _group(path, has_folder, members)


def _group(path: str, has_folder: bool, members: list[tuple[str, Entry]]) -> Group:
    parts = ["folder" if has_folder else "", path]
    for name, entry in members:
        parts += (name, entry.form, "x" if entry.executable else "", entry.id)
    key = hashlib.sha256(_raw("\0".join(parts))).digest()
    return Group(key, path, has_folder, tuple(members))


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
