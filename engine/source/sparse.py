"""Leave out of a tree what `spec.sparseCheckout` does not name: no checkout, only trees.

As in Flux a path is kept if it begins with one of the texts; each of them must exist.  Names are
looked up in the tree and nowhere else, so `..` finds nothing (CVE-2026-47680).
Source: go-git plumbing/format/index SkipUnless, source-controller validateSparseCheckoutPaths.
"""

from collections.abc import Sequence

from engine.source.failures import GitError
from engine.source.git_entry import Child, tree_object
from engine.source.store import Store

_FOLDER = 0o40000


def starts_of(wanted: Sequence[str]) -> tuple[str, ...]:
    """With which texts the paths begin that are kept; empty if nothing is left out."""
    starts = tuple(text.removeprefix("./") for text in wanted)
    return () if any(start in ("", ".") for start in starts) else starts


def sparse(store: Store, tree_id: str, wanted: Sequence[str]) -> str:
    """The id of the tree with nothing but what is wanted.

    Raises GitError if one of them is not there; KeyError if an object is missing.
    """
    starts = starts_of(wanted)
    for text in starts:
        if not _exists(store, tree_id, text):
            raise GitError(
                f"failed to sparse checkout directories : sparse checkout dir '{text}' does not "
                "exist in repository: correct spec.sparseCheckout"
            )
    return _kept(store, tree_id, "", starts) or store.empty_tree if starts else tree_id


def is_touched(path: str, starts: Sequence[str]) -> bool:
    """Whether the path, or something below it, is kept."""
    return not starts or any(
        path.startswith(start) or start.startswith(f"{path}/") for start in starts
    )


def _exists(store: Store, tree_id: str, path: str) -> bool:
    child: Child | None = Child(_FOLDER, tree_id)
    for name in path.rstrip("/").split("/"):
        if child is None or not child.is_folder:
            return False
        child = store.children(child.id).get(name)
    return child is not None


def _kept(store: Store, tree_id: str, path: str, starts: Sequence[str]) -> str | None:
    """The id of a folder of which only a part is kept; None if nothing of it is."""
    kept: dict[str, Child] = {}
    for name, child in store.children(tree_id).items():
        below = f"{path}{name}"
        if any(below.startswith(start) for start in starts):
            kept[name] = child
        elif child.is_folder and any(start.startswith(f"{below}/") for start in starts):
            new_id = _kept(store, child.id, f"{below}/", starts)
            if new_id is not None:
                kept[name] = Child(child.mode, new_id)
    if not kept:
        return None
    tree = tree_object(kept)
    store.add([tree])
    return store.id_of(tree)
