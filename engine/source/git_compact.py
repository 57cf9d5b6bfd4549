"""Keep a store small: each fetch adds to it, and most of what it holds is soon of no use.

Kept are the trees that this process still holds as GitTree, the commits fetched last, and
everything that is younger than an hour.  What is kept is written as one new pack before anything
is removed, so a crash leaves too much and never too little.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

from dulwich.objects import ObjectID
from dulwich.pack import Pack, write_pack_from_container

from engine.source.failures import GitError
from engine.source.git_commit import parse_commit
from engine.source.store import Store

_MOST_PACKS = 40  # each lookup asks one pack after the other
_MOST_LOOSE = 6700  # objects in files of their own; Git's own number (gc.auto)
_SAMPLE, _SHARE = "17", 256  # loose objects are estimated from one folder of so many, as Git does
_GRACE = 3600.0  # seconds; longer than any fetch or build lasts
_COMMITS_KEPT = 8  # as many as are named to the server as held


def compact_if_worth(
    store: Store,
    most_packs: int = _MOST_PACKS,
    grace: float = _GRACE,
    most_loose: int = _MOST_LOOSE,
) -> int:
    """The number of files removed; 0 while there are few packs and loose objects that are old.

    grace: seconds; ages are counted from the newest file, so no clock is asked.  Blocks; call it
    with `store.exclusive` held.
    """
    packs = _files(store.folder.glob("objects/pack/*.pack"))
    sample = _files(store.folder.glob(f"objects/{_SAMPLE}/*"))
    newest = max((*packs.values(), *sample.values()), default=0.0)
    loose = len(_old(sample, newest, grace)) * _SHARE
    if len(_old(packs, newest, grace)) <= most_packs and loose <= most_loose:
        return 0
    return _compact(store, packs, grace)


def _compact(store: Store, packs: Mapping[Path, float], grace: float) -> int:
    loose = _files(store.folder.glob("objects/[0-9a-f][0-9a-f]/*"))
    newest = max((*packs.values(), *loose.values()))
    held = store.held()
    kept = [
        commit_id
        for number, (commit_id, used_at) in enumerate(held.items())
        if number < _COMMITS_KEPT or newest - used_at <= grace
    ]
    new = _write(store, _reachable(store, kept))
    for commit_id in held.keys() - set(kept):
        store.forget(commit_id)
    removed = [path for path in _old(packs, newest, grace) if path.stem != f"pack-{new}"]
    for path in removed:
        path.with_suffix(".idx").unlink(missing_ok=True)  # first: without it no pack is seen
        path.unlink(missing_ok=True)
    outdated = _old(loose, newest, grace)
    for path in outdated:
        path.unlink(missing_ok=True)
    store.forget_trees()
    store.close()  # the files just removed are still open for reading
    return len(removed) + len(outdated)


def _files(paths: Iterable[Path]) -> dict[Path, float]:
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime
    return found


def _old(files: Mapping[Path, float], newest: float, grace: float) -> list[Path]:
    return [path for path, changed_at in files.items() if newest - changed_at > grace]


def _reachable(store: Store, commits: Iterable[str]) -> dict[str, None]:
    """Ids of the commits, of trees in use, and of all that lies below them and is there.

    What is not there is found out, and fetched again, by whoever needs it.
    """
    found: dict[str, None] = {}
    rest = store.trees_in_use()
    for commit_id in commits:
        with suppress(KeyError, GitError):
            rest.append(parse_commit(commit_id, store.commit(commit_id)).tree)
            found[commit_id] = None
    while rest:
        tree_id = rest.pop()
        if tree_id in found:
            continue
        with suppress(KeyError, GitError):
            children = store.children(tree_id).values()
            found[tree_id] = None
            rest += [child.id for child in children if child.is_folder]
            blobs = (child.id for child in children if child.is_blob)
            found |= dict.fromkeys(blob for blob in blobs if store.contains(blob))
    return found


def _write(store: Store, ids: Mapping[str, None]) -> str:
    """Write these objects as one pack; its name, "" if there are none.

    Where a pack has just these objects already, that one is named and nothing is written.
    """
    if not ids:
        return ""
    objects = store.opened()
    try:
        file, commit, abort = objects.add_pack()
        try:
            wanted = [(ObjectID(item.encode()), None) for item in ids]
            write_pack_from_container(
                file.write, objects, wanted, objects.object_format, deltify=False
            )
            pack = cast("Callable[[], Pack]", commit)()
        except BaseException:
            with suppress(FileNotFoundError, ValueError):
                abort()
            raise
        return pack.name().decode()
    finally:
        objects.close()
