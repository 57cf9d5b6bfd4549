from collections.abc import Mapping

import pytest

from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.objects.ref import Ref
from engine.reconcile.readers import Readers
from engine.render.changed import MOST
from engine.render.inputs import Inputs, Recorder
from engine.source.tree import Entry, MemoryTree, Tree

SOURCE, OTHER = (Ref(SOURCE_GROUP, "GitRepository", "ns", name) for name in ("fleet", "other"))


class Fleet:
    """Kustomizations that have each built a folder of their own, of a base for all of them."""

    def __init__(self, size: int) -> None:
        self.files = {"base/x": b"1"} | {f"app-{number}/x": b"1" for number in range(size)}
        self.built: dict[Ref, Inputs] = {}
        self.readers = Readers(lambda user, tree: self.built[user].hold_in(tree))
        self.users = [ref(f"app-{number}") for number in range(size)]
        tree = MemoryTree(self.files)
        for user in self.users:
            self.build(user, tree)

    def build(self, user: Ref, tree: Tree, source: Ref = SOURCE) -> None:
        recorder = Recorder(tree)
        for path in ("base/x", f"{user.name}/x"):
            recorder.entry(path)
            recorder.read(path)
        recorder.entry(user.name)
        recorder.names(user.name)
        self.built[user] = recorder.inputs
        self.readers.keep(user, source, tree, recorder.inputs)

    def commit(self, files: Mapping[str, bytes]) -> MemoryTree:
        self.files |= files
        return MemoryTree(self.files)

    def asked(self) -> int:
        return self.readers.statistics().asked


def ref(name: str) -> Ref:
    return Ref(KUSTOMIZE_GROUP, "Kustomization", "ns", name)


def test_a_commit_looks_at_those_only_that_have_read_there() -> None:
    fleet = Fleet(300)
    before = fleet.asked()

    tree = fleet.commit({"app-7/x": b"2"})

    assert fleet.readers.concerned(fleet.users, SOURCE, tree) == {ref("app-7")}
    assert fleet.asked() - before == 1


def test_a_file_that_all_read_concerns_all() -> None:
    fleet = Fleet(3)

    tree = fleet.commit({"base/x": b"2"})

    assert fleet.readers.concerned(fleet.users, SOURCE, tree) == frozenset(fleet.users)


def test_who_was_concerned_is_so_until_it_is_built_or_the_change_is_taken_back() -> None:
    fleet = Fleet(3)
    first = MemoryTree(fleet.files)
    second = fleet.commit({"app-1/x": b"2"})
    concerned = fleet.readers.concerned

    assert concerned(fleet.users, SOURCE, second) == {ref("app-1")}
    assert concerned(fleet.users, SOURCE, fleet.commit({"new": b""})) == {ref("app-1")}
    assert concerned(fleet.users, SOURCE, first) == frozenset()
    assert concerned(fleet.users, SOURCE, second) == {ref("app-1")}
    fleet.build(ref("app-1"), second)
    assert concerned(fleet.users, SOURCE, second) == frozenset()


def test_who_has_built_of_another_source_or_not_at_all_is_concerned() -> None:
    fleet = Fleet(2)
    tree = MemoryTree(fleet.files)

    fleet.build(ref("app-1"), tree, OTHER)
    users = [*fleet.users, ref("new")]

    assert fleet.readers.concerned(users, SOURCE, tree) == {ref("app-1"), ref("new")}
    assert fleet.readers.concerned(users, OTHER, tree) == {ref("app-0"), ref("new")}


@pytest.mark.slow
def test_where_nearly_everything_changed_each_is_looked_at() -> None:
    fleet = Fleet(3)

    tree = fleet.commit({f"many/{number}": b"" for number in range(MOST)} | {"app-1/x": b"2"})

    assert fleet.readers.concerned(fleet.users, SOURCE, tree) == {ref("app-1")}


def test_a_tree_that_is_not_stored_any_more_has_each_looked_at() -> None:
    class Lost(MemoryTree):
        def names(self, path: str) -> Mapping[str, Entry]:
            raise KeyError(path)

    fleet = Fleet(3)
    fleet.readers.concerned(fleet.users, SOURCE, Lost(fleet.files | {"new": b""}))

    tree = fleet.commit({"app-1/x": b"2"})

    assert fleet.readers.concerned(fleet.users, SOURCE, tree) == {ref("app-1")}


def test_who_is_gone_leaves_nothing_behind() -> None:
    fleet = Fleet(3)

    for user in fleet.users:
        fleet.readers.forget(user)

    counts = fleet.readers.statistics()
    assert (counts.readers, counts.places) == (0, 0)
