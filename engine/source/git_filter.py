"""Make the artifact's tree out of a commit's: rules applied, links and submodules dropped.

Of a repository that is fetched as a base, or as a submodule, links are kept.

The result is a Git tree itself.  A folder in which nothing was dropped keeps Git's id; the
others are written to the store.  On the way every name is checked and every file known to exist,
so a tree that passed here can be read to its end.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from engine.source.failures import DamagedError, GitError
from engine.source.git_entry import Child, tree_object
from engine.source.git_pack import Limits
from engine.source.ignore import FILE_NAME, Rules, rules
from engine.source.store import Store

_MEMORY = 200_000  # folders remembered; some 100 bytes each

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
        found, _ = self._ignore_files_below(tree_id, 0)
        self._entries = 0
        return [(scope, self._store.blob(blob).decode("utf-8", "replace")) for scope, blob in found]

    def _ignore_files_below(self, tree_id: str, depth: int) -> _IgnoreFiles:
        memory = self._store.ignore_files
        known = memory.get(tree_id)
        if known is not None:
            self._count(known[1], depth)
            return known
        before = self._entries
        children = self._looked_into(tree_id, depth)
        own = children.get(FILE_NAME)
        found: list[tuple[tuple[str, ...], str]] = []
        if own is not None and own.is_file:
            found.append(((), own.id))
        for name, child in children.items():
            if child.is_folder:
                inner, _ = self._ignore_files_below(child.id, depth + 1)
                found += [((name, *scope), blob) for scope, blob in inner]
        _forget_if_full(memory)
        memory[tree_id] = tuple(sorted(found)), self._entries - before
        return memory[tree_id]

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
        before, kept_before = self._before(key)
        kept = {}
        for name, child in children.items():
            if name in kept_before and before[name] == child:  # the same path, rules and content
                kept[name] = kept_before[name]
                if child.is_folder:
                    self.folder(child.id, (*path, name), wanted)  # counts what is below it
                continue
            new = self._kept(child, (*path, name), wanted)
            if new is not None:
                kept[name] = new
        new_id = tree_id if kept == children else self._written(kept)
        _forget_if_full(memory)
        _forget_if_full(self._store.filtered_last)
        memory[key] = new_id, self._entries - entries
        self._store.filtered_last[key[:2]] = tree_id
        return memory[key]

    def _before(self, key: _Key) -> tuple[Mapping[str, Child], Mapping[str, Child]]:
        """What was in the folder when it was filtered last, and what was kept of it."""
        last = self._store.filtered_last.get(key[:2])
        result = self._store.filtered.get((*key[:2], last)) if last else None
        if last is None or result is None:
            return {}, {}
        try:
            return self._store.children(last), self._store.children(result[0])
        except (KeyError, GitError):  # lost since: then nothing is taken over
            return {}, {}

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
