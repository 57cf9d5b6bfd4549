"""Which objects a client lacks: what its wants reach and its haves do not."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from dulwich.object_store import BaseObjectStore
from dulwich.objects import Commit, ObjectID, Tag, Tree, parse_tree

from engine.source.failures import GitError

_BASES = 4  # trees of the client that a new tree is compared with
_FEW = 100  # entries; where no more differ from one base, the other ones are not read
_FOLDER, _SUBMODULE = 0o040000, 0o160000


@dataclass(frozen=True, slots=True)
class Reach:
    """What is to be sent.

    objects: ids, each once.  commits: those within the depth.  boundary: those of them whose
    parents are not sent.
    """

    objects: dict[str, None] = field(default_factory=dict)
    commits: set[str] = field(default_factory=set)
    boundary: set[str] = field(default_factory=set)


def reach(
    objects: BaseObjectStore,
    wants: Iterable[str],
    haves: Collection[str],
    depth: int,
    shallow: Collection[str],
) -> Reach:
    """What to send to a client that has `haves`, of which `shallow` came without parents.

    depth: how many commits deep; 0 is all.  Raises GitError if a want does not exist.
    """
    found = Reach()
    bases = [_commit(objects, item).tree for item in list(haves)[:_BASES]]
    level = [_peeled(objects, want, found) for want in wants]
    known = set(haves) if depth else _ancestors(objects, haves, shallow)
    number = 0
    while level:
        number += 1
        following: list[str] = []
        for commit_id in level:
            if commit_id in found.commits or (commit_id in known and not depth):
                continue
            found.commits.add(commit_id)
            commit = _commit(objects, commit_id)
            if commit_id not in known:
                found.objects[commit_id] = None
                _add_tree(objects, commit.tree, bases, found.objects)
                bases = [*bases[: _BASES - 1], commit.tree]
            if number == depth and commit.parents:
                found.boundary.add(commit_id)
            else:
                following += [parent.decode() for parent in commit.parents]
        level = following
    return found


def _peeled(objects: BaseObjectStore, want: str, found: Reach) -> str:
    """The commit behind a want; the tags on the way are to be sent."""
    at = ObjectID(want.encode())
    while True:
        try:
            item = objects[at]
        except (KeyError, ValueError, AssertionError):
            raise GitError(f"upload-pack: not our ref {want}") from None
        if isinstance(item, Commit):
            return at.decode()
        if not isinstance(item, Tag):
            raise GitError(f"upload-pack: {want} is no commit")
        found.objects[at.decode()] = None
        at = item.object[1]


def _commit(objects: BaseObjectStore, commit_id: str) -> Commit:
    item = objects[ObjectID(commit_id.encode())]
    if not isinstance(item, Commit):
        raise GitError(f"upload-pack: {commit_id} is no commit")
    return item


def _ancestors(
    objects: BaseObjectStore, haves: Collection[str], shallow: Collection[str]
) -> set[str]:
    found: set[str] = set()
    rest = list(haves)
    while rest:
        commit_id = rest.pop()
        if commit_id in found:
            continue
        found.add(commit_id)
        if commit_id not in shallow:
            rest += [parent.decode() for parent in _commit(objects, commit_id).parents]
    return found


def _add_tree(
    objects: BaseObjectStore, tree_id: ObjectID, bases: list[ObjectID], found: dict[str, None]
) -> None:
    """Add what lies in a tree and not at the same path of one of the bases."""
    if tree_id in bases or tree_id.decode() in found:
        return
    found[tree_id.decode()] = None
    new = _entries(objects, tree_id)
    known: list[dict[bytes, tuple[int, ObjectID]]] = []
    for base in bases:
        known.append(_entries(objects, base))
        new = {name: entry for name, entry in new.items() if known[-1].get(name) != entry}
        if len(new) <= _FEW:
            break
    for name, (mode, child) in new.items():
        if mode == _SUBMODULE:
            continue
        if mode == _FOLDER:
            there = [entries[name] for entries in known if name in entries]
            below = [base for base_mode, base in there if base_mode == _FOLDER]
            _add_tree(objects, child, below, found)
        else:
            found[child.decode()] = None


def _entries(objects: BaseObjectStore, tree_id: ObjectID) -> dict[bytes, tuple[int, ObjectID]]:
    kind, content = objects.get_raw(tree_id)
    if kind != Tree.type_num:
        raise GitError(f"upload-pack: {tree_id.decode()} is no tree")
    # As stored: dulwich's Tree would sort the entries of each folder first.
    entries = parse_tree(content, len(tree_id) // 2)
    return {name: (mode, ObjectID(child)) for name, mode, child in entries}
