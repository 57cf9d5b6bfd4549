"""What of a tree is packed together, so that a change leaves most of an archive as it was.

A group is a run of neighbours in the archive's order.  Where groups end depends on the tree alone,
and on names rather than content: a changed file changes its group, a new one at most the cut
beside it.  Folders that did not change are not looked into again.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.source.failures import GitError
from engine.source.tree import Entry, Form, Tree, differing

# Entries in a group, about and at most.  Smaller ones cost size (each is compressed on its own:
# 64 make an archive of 1,100 manifests 1.15 times as large as one group, 16 1.4 times), larger ones
# time, as a group of which one file changed is packed as a whole.
_USUAL, _MOST = 64, 256
_MENDED = 20  # entries with other content; each is looked for in all groups


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


def lay_out(tree: Tree, before: tuple[Layout, Tree] | None = None) -> Layout:
    """The groups of a tree.

    before: of a tree that may differ little; what it has as well is taken over, which changes the
    time that this takes and never the outcome.
    """
    if before is not None and before[0].id == tree.id:
        return before[0]
    return _folder(tree, "", tree.id, before)


def _folder(tree: Tree, path: str, own_id: str, before: tuple[Layout, Tree] | None) -> Layout:
    mended = _mended(tree, path, own_id, *before) if before else None
    if mended is not None:
        return mended
    known = before[0].folders if before else {}
    folders: dict[str, Layout] = {}
    names = tree.names(path)
    entries = 1 + len(names)
    for name, entry in names.items():
        if entry.form is Form.FOLDER:
            inner = known.get(name)
            if inner is None or inner.id != entry.id:
                old = (inner, before[1]) if inner and before else None
                inner = _folder(tree, _joined(path, name), entry.id, old)
            folders[name] = inner
            entries += inner.entries - 1
    if path and entries <= _USUAL:
        return Layout(own_id, entries, {}, ())
    return Layout(own_id, entries, folders, tuple(_groups(path, names, folders)))


def _mended(tree: Tree, path: str, own_id: str, before: Layout, tree_before: Tree) -> Layout | None:
    """The layout of a folder that has other content at the same names; None: more has changed."""
    try:
        return _exchanged(tree, path, own_id, before, tree_before)
    except (KeyError, GitError):  # what was before is not stored any more
        return None


def _exchanged(
    tree: Tree, path: str, own_id: str, before: Layout, tree_before: Tree
) -> Layout | None:
    """The same.  Raises KeyError, GitError where the tree before cannot be read.

    Groups end where they did as long as names, forms and numbers of entries are what they were.
    """
    names = differing(tree, tree_before, path) if before.groups else ()
    if not 0 < len(names) <= _MENDED:
        return None
    groups, folders, entries = list(before.groups), dict(before.folders), before.entries
    for name in names:
        where = _joined(path, name)
        was, entry = tree_before.entry(where), tree.entry(where)
        if was is None or entry is None or was.form != entry.form:
            return None
        old = folders.get(name)
        new = old and _folder(tree, where, entry.id, (old, tree_before))
        if old and new and old.groups and new.groups:
            at = next(at for at, group in enumerate(groups) if group is old.groups[0])
            groups[at : at + len(old.groups)] = new.groups
        elif _weight(old) != _weight(new) or not _exchange(groups, path, name, entry):
            return None
        if old and new:
            folders[name], entries = new, entries + new.entries - old.entries
    return Layout(own_id, entries, folders, tuple(groups)) if entries > _USUAL or not path else None


def _weight(folder: Layout | None) -> int:
    """Entries that a member brings into its group; 0: it has groups of its own."""
    if folder is None:
        return 1
    return 0 if folder.groups else folder.entries


def _exchange(groups: list[Group], folder: str, name: str, entry: Entry) -> bool:
    """Whether a member of that name was found in a group, which has the other entry now."""
    for at, group in enumerate(groups):
        members = dict(group.members) if group.folder == folder else {}
        if name in members:
            new = [(each, entry if each == name else was) for each, was in group.members]
            groups[at] = _group(folder, group.has_folder, new)
            return True
    return False


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


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
