"""Who waits for whom.  The law that nothing wanted is deleted: tests/property/test_plan.py."""

from typing import Any

import pytest

from engine.objects.ref import Ref
from engine.reconcile.reservations import Statistics
from tests.support.shared_objects import SharedObjects, kustomization, repository, shared

A, B, PARENT = kustomization("a"), kustomization("b"), kustomization("parent")
X, NOTHING = frozenset([shared("x")]), frozenset[Ref]()
[THE_OBJECT] = X


def begun(a: frozenset[Ref], b: frozenset[Ref]) -> SharedObjects:
    """A world in which both have applied what they want."""
    world = SharedObjects()
    world.create(A, a)
    world.create(B, b)
    world.settle()
    return world


def test_a_moved_object_waits_for_its_new_owner_and_leaves_the_old_one_then() -> None:
    world = begun(X, NOTHING)
    world.commit({A: NOTHING, B: X})

    world.run(A)
    assert world.inventory(A).keys() == X
    world.queued.clear()
    world.run(B)

    assert world.queued == [A, B] or world.queued == [A]
    world.run(A)
    assert world.inventory(A) == {}
    assert world.live == {THE_OBJECT: B}
    assert world.deleted == []


def test_who_decides_against_an_object_wakes_who_waits_to_delete_it() -> None:
    world = begun(X, frozenset([shared("y")]))
    world.commit({A: NOTHING, B: NOTHING})
    world.run(A)
    world.queued.clear()

    world.run(B, until="built")

    assert A in world.queued
    world.run(A)
    assert world.live == {shared("y"): B}


def test_who_has_lost_its_folder_is_waited_for_until_it_has_its_new_path() -> None:
    """One commit renames the folder, moves an object into it, and changes `spec.path`."""
    world = begun(X, frozenset([shared("y")]))
    world.create(PARENT, frozenset([shared("p")]), path="./clusters")
    world.settle()
    world.commit({A: NOTHING, B: frozenset([shared("y"), *X]), PARENT: frozenset([shared("q")])})
    world.missing.add(B)  # as it still has the old path
    world.run(B)
    parent = world.begin(PARENT)
    assert next(parent) == "built"

    world.run(A)

    assert world.live[THE_OBJECT] == A
    list(parent)
    world.missing.remove(B)
    world.change(B, world.git[B])
    world.settle()
    assert world.live[THE_OBJECT] == B
    assert world.deleted == [(shared("p"), NOTHING)]


def test_what_goes_to_a_kustomization_that_is_still_to_be_made_is_waited_for() -> None:
    world = begun(X, NOTHING)
    world.create(PARENT, frozenset([B]))
    world.settle()
    new = kustomization("new")
    world.git[new] = X
    world.commit({A: NOTHING, PARENT: frozenset([B, new])})
    parent = world.begin(PARENT)
    assert next(parent) == "built"

    world.run(A)

    assert world.live[THE_OBJECT] == A
    world.queued.clear()
    assert [next(parent), next(parent)] == ["recorded", "applied"]
    assert A in world.queued
    world.run(A)
    assert world.live[THE_OBJECT] == A
    list(parent)
    world.settle()
    assert world.live[THE_OBJECT] == new
    assert world.deleted == []


def test_of_two_changes_of_kustomizations_the_later_is_waited_for_as_well() -> None:
    world = begun(X, NOTHING)
    for names in (["b"], ["b", "c"]):
        world.commit({PARENT: frozenset(map(kustomization, names))})
        if PARENT not in world.owners():
            world.create(PARENT, world.git[PARENT])
        world.settle()
    world.commit({A: NOTHING, PARENT: frozenset(map(kustomization, "bcd"))})
    world.run(PARENT, until="built")

    world.run(A)

    assert world.live[THE_OBJECT] == A
    world.settle()
    assert THE_OBJECT not in world.live


def test_kustomizations_that_leave_git_with_all_that_they_make_are_not_waited_for() -> None:
    world = begun(X, NOTHING)
    world.create(PARENT, frozenset([B]))
    world.change(B, frozenset([A]))
    world.settle()
    world.commit({PARENT: NOTHING, B: NOTHING, A: NOTHING})
    world.missing |= {A, B}
    world.run(A)
    world.run(B)

    world.run(PARENT)

    assert [ref for ref, _ in world.deleted] == [B]


def test_of_those_what_somebody_else_has_in_git_is_waited_for() -> None:
    world = begun(X, NOTHING)
    other = kustomization("other")
    world.create(PARENT, frozenset([B]))
    world.create(other, NOTHING)
    world.change(B, frozenset([A]))
    world.settle()
    world.commit({PARENT: NOTHING, B: NOTHING, A: NOTHING, other: frozenset([A])})
    world.missing |= {A, B}
    world.run(A)
    world.run(B)
    world.run(other, until="built")

    world.run(PARENT)

    assert world.deleted == []


def test_who_has_no_folder_keeps_what_it_wanted_before() -> None:
    world = begun(X, X)
    world.commit({A: NOTHING})
    world.missing.add(B)
    world.run(B)

    world.run(A)

    assert world.live == {THE_OBJECT: A} or world.live == {THE_OBJECT: B}
    assert world.deleted == []


def test_who_was_never_built_is_waited_for_though_it_has_no_folder() -> None:
    world = SharedObjects()
    world.create(A, X)
    world.settle()
    world.commit({A: NOTHING})
    world.create(B, NOTHING)
    world.missing.add(B)
    world.run(B)

    world.run(A)

    assert world.live == {THE_OBJECT: A}


def test_who_wants_it_too_is_asked_to_take_it() -> None:
    world = begun(X, X)
    world.commit({B: NOTHING})
    world.run(A)
    world.live[THE_OBJECT] = B
    world.queued.clear()

    world.run(B)
    assert world.queued == [A]
    world.settle()

    assert world.live == {THE_OBJECT: A}
    assert world.inventory(B) == {}


def test_who_is_not_concerned_by_a_commit_is_not_waited_for() -> None:
    world = begun(X, frozenset([shared("y")]))

    world.commit({A: NOTHING})
    world.run(A)

    assert world.deleted == [(THE_OBJECT, frozenset())]


def test_after_a_restart_everybody_of_the_source_is_waited_for() -> None:
    world = begun(X, frozenset([shared("y")]))
    world.commit({A: NOTHING})
    world.restart()

    world.run(A)
    assert world.deleted == []
    world.settle()

    assert world.deleted == [(THE_OBJECT, frozenset())]


def test_before_every_kustomization_is_known_nothing_is_deleted() -> None:
    world = SharedObjects()
    world.create(A, X)
    world.settle()
    world.commit({A: NOTHING})
    world.restart(is_complete=False)

    world.run(A)
    assert world.deleted == []
    world.queued.clear()
    world.reservations.complete()

    assert world.queued == [A]


async def test_who_may_want_it_is_waited_for_until_the_time_is_over() -> None:
    world = begun(X, NOTHING)
    world.commit({A: NOTHING, B: frozenset([shared("y")])})

    world.run(A)
    assert world.reservations.remaining(A) == world.limit
    await world.clock.advance(world.limit - 1)
    world.run(A)
    assert world.deleted == []
    assert world.reservations.remaining(A) == 1
    await world.clock.advance(1)
    world.run(A)

    assert world.deleted == [(THE_OBJECT, frozenset())]
    assert world.reservations.remaining(A) is None


async def test_an_object_that_was_wanted_again_has_all_its_time_when_it_leaves_anew() -> None:
    world = begun(X, NOTHING)
    world.commit({A: NOTHING, B: frozenset([shared("y")])})
    world.run(A)
    world.commit({A: X})
    world.run(A)
    await world.clock.advance(world.limit)
    world.commit({A: NOTHING})

    world.run(A)

    assert world.deleted == []


def test_a_deleted_one_hands_over_to_its_new_name() -> None:
    world = begun(X, NOTHING)
    new = kustomization("new")
    world.create(new, X)
    world.delete(A)

    world.run(A)
    assert A in world.owners()
    world.settle()

    assert A not in world.owners()
    assert world.live == {THE_OBJECT: new}
    assert world.deleted == []


NEW, FETCHED = kustomization("new"), repository("new")
URL = "https://git.example/fleet"


def replaced(url: str = URL, **spec: Any) -> SharedObjects:
    """A is replaced by a new name of a new source, which has fetched nothing yet."""
    world = SharedObjects()
    world.create(A, X, path="./web")
    world.settle()
    world.add_source(FETCHED, url)
    world.create(NEW, X, source=FETCHED, path="./web", **spec)
    world.delete(A)
    return world


@pytest.mark.parametrize("url", [URL, "git@git.example:fleet.git", "https://mirror.example/x"])
def test_what_moves_to_a_new_source_waits_for_it(url: str) -> None:
    world = replaced(url)

    world.run(NEW)  # there is nothing to build yet
    world.run(A)
    assert world.reservations.remaining(A) is None
    world.fetch(FETCHED)
    world.settle()

    assert world.live == {THE_OBJECT: NEW}
    assert world.deleted == []
    assert A not in world.owners()


@pytest.mark.parametrize("is_suspended", [False, True])
async def test_an_heir_that_cannot_be_built_is_waited_for_without_end(is_suspended: bool) -> None:
    world = replaced(suspend=is_suspended)
    world.broken.add(NEW)
    world.fetch(FETCHED)
    world.settle()
    await world.clock.advance(world.limit)

    world.run(A)

    assert world.live == {THE_OBJECT: A}
    assert world.inventory(A).keys() == X


def test_who_hears_early_that_it_is_deleted_waits_for_what_was_made_before() -> None:
    world = begun(X, NOTHING)
    world.late = []  # from here on only answers to our own writes arrive
    world.create(NEW, X)
    world.delete(A)
    world.answer(A)

    world.run(A)
    assert world.deleted == []
    world.queued.clear()
    world.catch_up()
    assert A in world.queued
    world.settle()

    assert world.live == {THE_OBJECT: NEW}
    assert A not in world.owners()


def test_what_an_heir_does_not_want_is_deleted_once_that_is_known() -> None:
    world = replaced()
    world.git[NEW] = NOTHING
    world.run(A)
    world.fetch(FETCHED)

    world.settle()

    assert world.deleted == [(THE_OBJECT, frozenset())]
    assert world.owners() == [NEW]


def test_a_new_one_whose_objects_go_to_another_namespace_is_no_heir() -> None:
    world = replaced(targetNamespace="elsewhere")
    world.git[NEW] = NOTHING

    world.run(A)

    assert world.deleted == [(THE_OBJECT, frozenset())]


def test_a_source_that_went_with_its_kustomization_is_remembered() -> None:
    world = SharedObjects()
    world.add_source(repository("old"), URL)
    world.fetch(repository("old"))
    world.create(A, X, source=repository("old"), path="./a")
    world.settle()
    world.add_source(FETCHED, URL)
    world.create(NEW, X, source=FETCHED, path="./b")
    world.delete(A)
    world.drop_unused_sources()

    world.run(A)
    assert world.deleted == []
    world.fetch(FETCHED)
    world.settle()

    assert world.live == {THE_OBJECT: NEW}


def test_statistics_count_tombstones_and_the_oldest() -> None:
    world = replaced()
    world.run(A)

    assert world.reservations.statistics() == Statistics(1, 1, 1, 0.0)
    assert "tombstones=1" in repr(world.reservations)


async def test_what_is_not_deleted_when_its_time_is_over_is_named_for_the_status() -> None:
    world = begun(X, X)
    world.live[THE_OBJECT] = A
    world.suspend(B, True)
    world.commit({A: NOTHING})
    world.run(A)
    assert world.reservations.overdue(A) == []
    await world.clock.advance(world.limit)

    line = "ConfigMap/ns/x (wanted by Kustomization/flux/b)"
    assert world.reservations.overdue(A) == [line]
    assert world.reservations.statistics().oldest == world.limit


def test_what_a_suspended_one_holds_is_left_to_it() -> None:
    world = begun(X, X)
    world.live[THE_OBJECT] = A
    world.suspend(B, True)
    world.delete(A)

    world.run(A)

    assert A not in world.owners()
    assert world.live == {THE_OBJECT: A}


def test_what_is_put_off_is_told_once() -> None:
    world = begun(X, X)
    world.live[THE_OBJECT] = A
    world.commit({A: NOTHING})
    world.run(A)
    line = "ConfigMap/ns/x stays for now: wanted by Kustomization/flux/b"

    assert world.reservations.untold(A) == [line]
    world.run(A)
    assert world.reservations.untold(A) == []


def depending(world: SharedObjects, name: str, on: Ref) -> Ref:
    owner = kustomization(name)
    world.create(owner, NOTHING, dependsOn=[{"name": on.name}])
    return owner


def test_a_dependant_that_is_deleted_too_goes_first() -> None:
    world = begun(X, NOTHING)
    dependant = depending(world, "dependant", A)
    world.delete(A)
    world.delete(dependant)

    assert world.reservations.dependants(A, 600) == ({dependant}, 600)
    world.queued.clear()
    world.run(dependant)

    assert world.queued == [A]
    assert world.reservations.dependants(A, 600) == (frozenset(), 0)


async def test_a_dependant_is_waited_for_only_so_long() -> None:
    world = begun(X, NOTHING)
    dependant = depending(world, "dependant", A)
    world.delete(A)

    assert world.reservations.dependants(A, 600) == ({dependant}, 1)  # may be deleted in a moment
    await world.clock.advance(1)
    assert world.reservations.dependants(A, 600) == (frozenset(), 0)
    world.delete(dependant)
    assert world.reservations.dependants(A, 600) == ({dependant}, 599)
    await world.clock.advance(599)
    assert world.reservations.dependants(A, 600) == (frozenset(), 0)


def test_those_that_depend_on_each_other_do_not_wait() -> None:
    world = SharedObjects()
    for one, other in ((A, B), (B, A)):
        world.create(one, X, dependsOn=[{"name": other.name}])
        world.delete(one)

    assert world.reservations.dependants(A, 600) == (frozenset(), 0)


def test_what_comes_back_while_it_is_about_to_be_deleted_stays() -> None:
    """The law found it: an object that is moved away and back while both owners run."""
    world = begun(X, NOTHING)
    world.commit({A: NOTHING})
    run = world.begin(A)
    assert next(run) == "built"

    world.commit({A: X})
    list(run)

    assert (world.live, world.deleted) == ({THE_OBJECT: A}, [])
    world.settle()
    assert world.inventory(A).keys() == X


def test_a_commit_that_does_not_concern_it_keeps_nobody_from_deleting() -> None:
    world = begun(X, NOTHING)
    world.commit({A: NOTHING})
    run = world.begin(A)
    assert next(run) == "built"

    world.commit({})
    list(run)

    assert world.deleted == [(THE_OBJECT, frozenset())]


def test_what_is_put_off_because_of_a_newer_revision_is_deleted_once_that_is_built() -> None:
    world = begun(frozenset([shared("x"), shared("y")]), NOTHING)
    world.commit({A: frozenset([shared("y")])})
    run = world.begin(A)
    assert next(run) == "built"

    world.commit({A: NOTHING})
    list(run)
    assert world.deleted == []

    world.settle()
    assert world.live == {}
