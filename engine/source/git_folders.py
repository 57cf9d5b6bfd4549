"""Folders as they were parsed: of a large one only what differs from one that is known is parsed.

A commit gives one file another content, and so each folder above it, perhaps one of 10,000 entries.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from engine.source.failures import GitError
from engine.source.git_entry import Child, parse_entries

_FOLDERS_KEPT = 4096  # a large repository has some thousand
_ENTRIES_KEPT = 200_000  # in all of these; up to 250 bytes each
_LARGE = 16 * 1024  # bytes as Git stores it, 400 entries; less is parsed in half a millisecond
_LARGE_KEPT = 8  # large folders of which the text is kept as well
_BLOCK = 1024  # bytes that are compared at once; a difference costs parsing some 30 entries
_WORTH = 4  # parts of a folder that differ are parsed twice: of more than a quarter that is dearer
_COMPARED, _DIFFERENCES = 64, 1000  # pairs of folders that are remembered, and names of each

Children = Mapping[str, Child]


@dataclass(slots=True)
class _Large:
    """A folder as it is stored; starts: see `_starts`, empty until they are needed."""

    content: bytes
    children: Children
    starts: Sequence[int] = ()


class GitFolders:
    """The folders of one store by their ids.  May be used from several threads."""

    def __init__(self, id_bytes: int) -> None:
        """id_bytes: of an object's id."""
        self._id_bytes = id_bytes
        self._lock = threading.Lock()
        self._parsed: OrderedDict[str, Children] = OrderedDict()
        self._entries = 0  # in all of these
        self._large: OrderedDict[str, _Large] = OrderedDict()
        self._differing: OrderedDict[tuple[str, str], frozenset[str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._parsed)

    def get(self, tree_id: str) -> Children | None:
        """The entries of a folder by name, None if they are not known."""
        with self._lock:
            known = self._parsed.get(tree_id)
            if known is not None:
                self._parsed.move_to_end(tree_id)
                return known
            large = self._large.get(tree_id)
            return large.children if large is not None else None

    def parse(self, tree_id: str, content: bytes) -> Children:
        """The entries of a folder that is stored so.  Raises GitError as `parse_entries` does."""
        if len(content) < _LARGE:
            children: Children = parse_entries(tree_id, content, self._id_bytes)
            self._keep(tree_id, children)
            return children
        large = self._like_another(tree_id, content)
        if large is None:
            children = parse_entries(tree_id, content, self._id_bytes)
            large = _Large(content, children)
        self._keep(tree_id, large.children)
        with self._lock:
            self._large[tree_id] = large
            self._large.move_to_end(tree_id)
            if len(self._large) > _LARGE_KEPT:
                self._large.popitem(last=False)
        return large.children

    def known_differing(self, before: str, now: str) -> frozenset[str] | None:
        """The names under which two folders hold something else, None if that is not known."""
        with self._lock:
            return self._differing.get((before, now))

    def differing(self, before: str, old: Children, now: str, new: Children) -> frozenset[str]:
        """The names under which the folder `before` holds something else than the folder `now`."""
        return self._note_differing(before, now, frozenset(_differing(old, new)))

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._parsed.clear()
            self._large.clear()
            self._differing.clear()
            self._entries = 0

    def _like_another(self, tree_id: str, content: bytes) -> _Large | None:
        """The folder, made of one that differs in the content of a few entries; None: of none."""
        with self._lock:
            others = list(self._large.items())
        for other_id, other in reversed(others):
            changed = _changed(other, content, self._id_bytes)
            if changed is not None:
                names = (name for name, child in changed.items() if other.children[name] != child)
                self._note_differing(other_id, tree_id, frozenset(names))
                return _Large(content, {**other.children, **changed}, other.starts)
        return None

    def _note_differing(self, before: str, now: str, names: frozenset[str]) -> frozenset[str]:
        if len(names) > _DIFFERENCES:
            return names
        with self._lock:
            self._differing[before, now] = names
            if len(self._differing) > _COMPARED:
                self._differing.popitem(last=False)
        return names

    def _keep(self, tree_id: str, children: Children) -> None:
        with self._lock:
            self._entries += len(children) - len(self._parsed.pop(tree_id, ()))
            self._parsed[tree_id] = children
            while len(self._parsed) > _FOLDERS_KEPT or (
                self._entries > _ENTRIES_KEPT and len(self._parsed) > 1
            ):
                _, dropped = self._parsed.popitem(last=False)
                self._entries -= len(dropped)


def _differing(old: Children, new: Children) -> Iterator[str]:
    for name, child in new.items():
        was = old.get(name)
        if was is not child and was != child:  # mostly they are one and the same
            yield name
    yield from old.keys() - new.keys()


def _starts(content: bytes, id_bytes: int) -> Sequence[int]:
    """Where each entry of a folder that can be parsed begins, and where the last one ends."""
    found = [0]
    at, behind = 0, 1 + id_bytes
    while at < len(content):
        at = content.index(b"\0", at) + behind
        found.append(at)
    return found


def _changed(other: _Large, content: bytes, id_bytes: int) -> dict[str, Child] | None:
    """The entries of the parts in which the content differs; None: too many, or other names.

    Exact: entries are read from the first byte to the last, so up to a part they are the other's;
    and again behind it if its own entries begin where the other's do.
    """
    if len(other.content) != len(content):
        return None
    other.starts = other.starts or _starts(other.content, id_bytes)
    found: dict[str, Child] = {}
    compared = 0
    for start, end in _parts(other, content):
        compared += end - start
        if compared > len(content) / _WORTH:
            return None
        old, new = other.content[start:end], content[start:end]
        with suppress(GitError, ValueError):
            entries = parse_entries("", new, id_bytes)
            same = parse_entries("", old, id_bytes).keys() == entries.keys()
            if same and _starts(new, id_bytes) == _starts(old, id_bytes):
                found |= entries
                continue
        return None
    return found


def _parts(other: _Large, content: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of what differs, from the beginning of an entry to the end of one."""
    last = 0
    old, new, starts = memoryview(other.content), memoryview(content), other.starts
    for at in range(0, len(content), _BLOCK):
        if old[at : at + _BLOCK] == new[at : at + _BLOCK]:
            continue
        start = max(starts[bisect_right(starts, at) - 1], last)
        last = starts[bisect_left(starts, min(at + _BLOCK, len(content)))]
        if start < last:
            yield start, last
