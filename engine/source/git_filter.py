"""Make the artifact's tree out of a commit's: rules applied, links and submodules dropped.

Of a repository that is fetched as a base, or as a submodule, links are kept.

The result is a Git tree itself.  A folder in which nothing was dropped keeps Git's id; the
others are written to the store.  On the way every name is checked and every file known to exist,
so a tree that passed here can be read to its end.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from engine.source.failures import DamagedError, GitError
from engine.source.git_entry import Child, tree_object
from engine.source.git_pack import Limits
from engine.source.ignore import FILE_NAME, Rules, rules
from engine.source.store import Store

_MEMORY = 200_000  # folders remembered; some 100 bytes each
_MANY = 64  # entries of a folder; one with fewer is looked through as soon as compared

# Names with which a checkout would leave its folder or write to Git's own (go-git validPath).
_UNSAFE = {".", "..", ".git", "git~1"}

# Characters that macOS leaves out when it compares names (git utf8.c, is_hfs_dotgit).
_UNSEEN = dict.fromkeys(
    (*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)
)

_FILE_MODE, _EXECUTABLE_MODE = 0o100644, 0o100755  # others (0664) mean the same as these

_Key: TypeAlias = tuple[str, str, str]
_IgnoreFiles: TypeAlias = tuple[tuple[tuple[tuple[str, ...], str], ...], int]


def filtered(
    store: Store,
    tree_id: str,
    spec_ignore: str | None = None,
    limits: Limits | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
) -> str:
    """The id of the tree without what is ignored.

    check_cancelled: called for each folder that is looked into; may raise.  Raises GitError if
    something of the tree is missing, unsafe or too much.
    """
    walk = _Walk(store, limits or Limits(), check_cancelled)
    try:
        found = walk.ignore_files(tree_id)
        new_id, _ = walk.folder(tree_id, (), rules(found, spec_ignore))
    except KeyError as error:
        raise DamagedError(
            f"the object {error.args[0]!r} of the tree {tree_id} is missing"
        ) from error
    return new_id


def whole(
    store: Store,
    tree_id: str,
    limits: Limits | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
) -> str:
    """The id of the tree with all of its files and links; see `filtered`."""
    walk = _Walk(store, limits or Limits(), check_cancelled, keeps_links=True)
    try:
        new_id, _ = walk.folder(tree_id, (), Rules(()))
    except KeyError as error:
        raise DamagedError(
            f"the object {error.args[0]!r} of the tree {tree_id} is missing"
        ) from error
    return new_id


class _Walk:
    def __init__(
        self,
        store: Store,
        limits: Limits,
        check_cancelled: Callable[[], None],
        *,
        keeps_links: bool = False,
    ) -> None:
        self._store = store
        self._keeps_links = keeps_links
        self._limits = limits
        self._check_cancelled = check_cancelled
        self._entries = 0

    def ignore_files(self, tree_id: str) -> list[tuple[tuple[str, ...], str]]:
        """(folder, text) of each `.sourceignore`, outer before inner."""
        found, _ = self._ignore_files_below(tree_id, ())
        self._entries = 0
        return [(scope, self._store.blob(blob).decode("utf-8", "replace")) for scope, blob in found]

    def _ignore_files_below(self, tree_id: str, path: tuple[str, ...]) -> _IgnoreFiles:
        memory, last = self._store.ignore_files, self._store.ignore_last
        known = memory.get(tree_id)
        if known is not None:
            self._count(known[1], len(path))
            return known
        place, before = "/".join(path), self._entries
        children = self._looked_into(tree_id, len(path))
        names, found, count = self._ignore_files_before(last.get(place), tree_id, children)
        self._count(count, len(path))
        for name in names:
            child = children.get(name)
            if child is not None and child.is_folder:
                inner, _ = self._ignore_files_below(child.id, (*path, name))
                found += [((name, *scope), blob) for scope, blob in inner]
            elif child is not None and child.is_file and name == FILE_NAME:
                found.append(((), child.id))
        _forget_if_full(memory)
        _forget_if_full(last)
        if len(children) >= _MANY:
            last[place] = tree_id
        memory[tree_id] = tuple(sorted(found)), self._entries - before
        return memory[tree_id]

    def _ignore_files_before(
        self, last: str | None, tree_id: str, children: Mapping[str, Child]
    ) -> tuple[Collection[str], list[tuple[tuple[str, ...], str]], int]:
        """What of a folder is as it was when it was looked into last, at the same place.

        (names that are not, the ignore files below all others, the entries below these)
        """
        memory = self._store.ignore_files
        known = memory.get(last) if last else None
        if last is None or known is None:
            return children, [], 0
        try:
            names, old = self._store.differing(last, tree_id), self._store.children(last)
        except (KeyError, GitError):  # lost since: then nothing is taken over
            return children, [], 0
        below = known[1] - len(old)
        for name in names:
            was = old.get(name)
            if was is not None and was.is_folder:
                if was.id not in memory:
                    return children, [], 0
                below -= memory[was.id][1]
        found = [each for each in known[0] if (*each[0], FILE_NAME)[0] not in names]
        return names, found, below

    def folder(self, tree_id: str, path: tuple[str, ...], wanted: Rules) -> tuple[str, int]:
        """The id of a folder after filtering, and the number of entries below it."""
        memory = self._store.filtered
        # The key of rules is a digest: it has no blank.
        rules_key = f"{wanted.key} with links" if self._keeps_links else wanted.key
        key = (rules_key, "/".join(path), tree_id)
        known = memory.get(key)
        if known is not None:
            self._count(known[1], len(path))
            return known
        entries = self._entries
        children = self._looked_into(tree_id, len(path))
        names, kept, count = self._kept_before(key, children, wanted)
        self._count(count, len(path))
        for name in names:
            child = children.get(name)
            new = self._kept(child, (*path, name), wanted) if child is not None else None
            if new is not None:
                kept[name] = new
        new_id = tree_id if kept == children else self._written(kept)
        _forget_if_full(memory)
        _forget_if_full(self._store.filtered_last)
        memory[key] = new_id, self._entries - entries
        self._store.filtered_last[key[:2]] = tree_id
        return memory[key]

    def _kept_before(
        self, key: _Key, children: Mapping[str, Child], wanted: Rules
    ) -> tuple[Collection[str], dict[str, Child], int]:
        """What of a folder is as it was when it was filtered last, by the same rules.

        (names that are not, what was kept of all others, the entries below these)
        """
        memory, (rules_key, place, tree_id) = self._store.filtered, key
        last = self._store.filtered_last.get((rules_key, place))
        known = memory.get((rules_key, place, last)) if last else None
        if last is None or known is None:
            return children, {}, 0
        try:
            names, old = self._store.differing(last, tree_id), self._store.children(last)
            kept = dict(self._store.children(known[0]))
        except (KeyError, GitError):  # lost since: then nothing is taken over
            return children, {}, 0
        below = known[1] - len(old)
        for name in names:
            was, was_kept = old.get(name), kept.pop(name, None)
            if was is None or not was.is_folder:
                continue
            inner = memory.get((rules_key, f"{place}/{name}" if place else name, was.id))
            if inner is not None:
                below -= inner[1]
            elif was_kept or wanted.takes_back:  # it was looked into, and that is forgotten
                return children, {}, 0
        return names, kept, below

    def _kept(self, child: Child, path: tuple[str, ...], wanted: Rules) -> Child | None:
        """What becomes of an entry; None if it is dropped."""
        _check_name(path)
        is_ignored = wanted.ignores(path, child.is_folder)
        if child.is_folder:
            if is_ignored and not wanted.takes_back:
                return None
            new_id, _ = self.folder(child.id, path, wanted)
            is_empty = new_id == self._store.empty_tree
            return None if is_ignored and is_empty else Child(child.mode, new_id)
        if is_ignored or not (child.is_file or (self._keeps_links and child.is_blob)):
            return None
        if not self._store.contains(child.id):
            raise KeyError(child.id)
        if not child.is_file:
            return child
        return Child(_EXECUTABLE_MODE if child.mode & 0o100 else _FILE_MODE, child.id)

    def _written(self, kept: Mapping[str, Child]) -> str:
        tree = tree_object(kept)
        self._store.add([tree])
        return self._store.id_of(tree)

    def _looked_into(self, tree_id: str, depth: int) -> Mapping[str, Child]:
        """The entries of a folder of which nothing is remembered."""
        self._check_cancelled()
        children = self._store.children(tree_id)
        self._count(len(children), depth)
        return children

    def _count(self, entries: int, depth: int) -> None:
        self._entries += entries
        if self._entries > self._limits.entries:
            raise GitError(f"the tree has more than the {self._limits.entries} entries allowed")
        if depth > self._limits.depth:
            raise GitError(f"the tree has more than the {self._limits.depth} levels allowed")


def _check_name(path: tuple[str, ...]) -> None:
    parts = path[-1].lower().translate(_UNSEEN).replace("\\", "/").split("/")
    # What Windows takes for the same: `.git. `, `.git::$INDEX_ALLOCATION`.
    parts += [part.partition(":")[0].rstrip(" .") for part in parts]
    if not path[-1] or "/" in path[-1] or _UNSAFE.intersection(parts):
        raise GitError(f"the tree holds the unsafe name {path[-1]!r} at {'/'.join(path)!r}")


def _forget_if_full(memory: dict[Any, Any]) -> None:
    if len(memory) >= _MEMORY:
        memory.clear()
