"""Keep a store small: each fetch adds a pack, and most of what they hold is soon of no use.

Kept are the trees that this process still holds as GitTree, the commits fetched last, and
everything that is younger than an hour.  What is kept is written as one new pack before anything
is removed, so a crash leaves too much and never too little.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dulwich.object_store import DiskObjectStore
from dulwich.objects import ObjectID
from dulwich.pack import write_pack_from_container

from engine.source.git_commit import parse_commit
from engine.source.store import Store

_MOST_PACKS = 40  # each lookup asks one pack after the other
_GRACE = 3600.0  # seconds; longer than any fetch or build lasts
_COMMITS_KEPT = 8  # as many as are named to the server as held


def compact_if_worth(store: Store, most_packs: int = _MOST_PACKS, grace: float = _GRACE) -> int:
    """The number of packs removed; 0 while no more than `most_packs` are old.

    grace: seconds; ages are counted from the newest pack, so no clock is asked.  Blocks; call it
    with `store.exclusive` held.
    """
    packs = _files(store.folder.glob("objects/pack/*.pack"))
    newest = max(packs.values(), default=0.0)
    old = [path for path, changed_at in packs.items() if newest - changed_at > grace]
    if len(old) <= most_packs:
        return 0
    loose = _files(store.folder.glob("objects/[0-9a-f][0-9a-f]/*"))
    kept = store.held()[:_COMMITS_KEPT]
    new = _write(store, _reachable(store, kept))
    for commit_id in store.held():
        if commit_id not in kept:
            store.forget(commit_id)
    removed = 0
    for path in old:
        if path.name != new:
            path.with_suffix(".idx").unlink(missing_ok=True)  # first: without it no pack is seen
            path.unlink(missing_ok=True)
            removed += 1
    for path, changed_at in loose.items():
        if newest - changed_at > grace:
            path.unlink(missing_ok=True)
    store.filtered.clear()
    store.ignore_files.clear()
    store.close()  # the files just removed are still open for reading
    return removed


def _files(paths: Iterable[Path]) -> dict[Path, float]:
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime
    return found


def _reachable(store: Store, commits: Iterable[str]) -> dict[str, None]:
    """Ids of the commits, of trees in use, and of all that lies below them."""
    found: dict[str, None] = {}
    rest = store.trees_in_use()
    for commit_id in commits:
        found[commit_id] = None
        rest.append(parse_commit(commit_id, store.commit(commit_id)).tree)
    while rest:
        tree_id = rest.pop()
        if tree_id in found:
            continue
        found[tree_id] = None
        for child in store.children(tree_id).values():
            if child.is_folder:
                rest.append(child.id)
            elif child.is_blob and store.contains(child.id):
                found[child.id] = None
    return found


def _write(store: Store, ids: dict[str, None]) -> str:
    """Write these objects as one pack; its file name."""
    objects = DiskObjectStore(str(store.folder / "objects"), fsync_object_files=True)
    try:
        file, commit, abort = objects.add_pack()
        try:
            wanted = [(ObjectID(item.encode()), None) for item in ids]
            write_pack_from_container(
                file.write, objects, wanted, objects.object_format, deltify=False
            )
            commit()
        except BaseException:
            with suppress(FileNotFoundError, ValueError):
                abort()
            raise
        return _newest_pack(store)
    finally:
        objects.close()


def _newest_pack(store: Store) -> str:
    packs = _files(store.folder.glob("objects/pack/*.pack"))
    return max(packs, key=lambda path: packs[path]).name
