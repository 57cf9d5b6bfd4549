"""Make of a commit's tree the one that a source asks for.

In Flux's order: submodules in, what is not named out, files of other sources in, ignored files out.
Each step gives a Git tree; what was put together once is remembered by what it was made of.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.source.failures import DamagedError, GitError
from engine.source.git_filter import filtered, whole
from engine.source.git_pack import Limits
from engine.source.include import Included, copied, grafted, with_included
from engine.source.sparse import sparse
from engine.source.store import Store
from engine.source.tree import Tree

if TYPE_CHECKING:
    from engine.source.git_entry import Child

_MEMORY = 1000  # trees that were put together; a few hundred bytes each


@dataclass(frozen=True, slots=True)
class Contents:
    """Which files of a commit are wanted, and which others beside them.

    ignore: `spec.ignore`, None if it is not given.  is_whole: no file is ignored, whatever any
    rule says.  sparse: folders, () is all.  submodules: (path, files).
    """

    ignore: str | None = None
    is_whole: bool = False
    sparse: tuple[str, ...] = ()
    included: tuple[Included, ...] = ()
    submodules: Sequence[tuple[str, Tree]] = field(default=(), repr=False)


def contents(
    store: Store,
    tree_id: str,
    wanted: Contents,
    limits: Limits,
    check_cancelled: Callable[[], None] = lambda: None,
) -> str:
    """The id of the tree with these contents.  Call it with `store.exclusive` held.

    Raises GitError if something is missing, unsafe or too much; CopyFailure.
    """
    try:
        composed = _composed(store, tree_id, wanted, check_cancelled)
    except KeyError as error:
        raise DamagedError(
            f"the object {error.args[0]!r} of the tree {tree_id} is missing"
        ) from error
    try:
        if wanted.is_whole:
            return whole(store, composed, limits, check_cancelled)
        return filtered(store, composed, wanted.ignore, limits, check_cancelled)
    except GitError:
        store.composed.clear()  # of what was put together something may be lost
        raise


def _composed(
    store: Store, tree_id: str, wanted: Contents, check_cancelled: Callable[[], None]
) -> str:
    key = (
        tree_id,
        wanted.sparse,
        tuple((path, tree.id) for path, tree in wanted.submodules),
        tuple((each.from_path, each.target, each.tree.id) for each in wanted.included),
    )
    known = store.composed.get(key)
    if known is not None and store.contains(known):
        return known
    copies: dict[str, Child] = {}  # a commit may stand at many paths
    for path, tree in wanted.submodules:
        if tree.id not in copies:
            copies[tree.id] = copied(tree, "", store, check_cancelled)
        tree_id = grafted(store, tree_id, path, copies[tree.id])
    tree_id = sparse(store, tree_id, wanted.sparse)
    tree_id = with_included(store, tree_id, wanted.included, check_cancelled)
    if len(store.composed) >= _MEMORY:
        store.composed.clear()
    store.composed[key] = tree_id
    return tree_id
