"""What was seen of objects, whoever told it first."""

from engine.cluster.sightings import REMEMBERED, Sightings
from engine.objects.kstatus import Health, Status
from engine.objects.ref import Ref
from engine.plan.observation import Observation

A, B = (Ref("", "ConfigMap", "ns", name) for name in "ab")
SECRET = Ref("", "Secret", "ns", "a")


def seen(version: int, uid: str = "uid", signature: bytes = b"") -> Observation:
    marks = {"labels": {}, "annotations": {}}
    return Observation(uid, version, signature, b"", marks, Health(Status.CURRENT, ""))


def version_of(sightings: Sightings, ref: Ref = A) -> int | None:
    found = sightings.get(ref)
    return None if found is None else found.version


def test_nothing_goes_backwards_and_the_same_is_no_news() -> None:
    sightings = Sightings()
    news = [sightings.keep(A, seen(version)) for version in (5, 5, 4, 6)]

    assert news == [True, False, False, True]
    assert version_of(sightings) == 6


def test_another_look_at_the_same_version_may_show_more() -> None:
    """A changed definition shows other values of an object that nobody wrote."""
    sightings = Sightings()
    sightings.keep(A, seen(5))

    assert sightings.keep(A, seen(5, signature=b"more"))


def test_what_is_gone_does_not_come_back_by_older_news_but_may_be_made_anew() -> None:
    sightings = Sightings()
    sightings.keep(A, seen(5))

    assert sightings.drop(A, "uid", 7)
    assert not sightings.keep(A, seen(7))
    assert version_of(sightings) is None
    assert sightings.keep(A, seen(6, "another"))


def test_news_of_an_end_that_come_before_the_object_count() -> None:
    """The answer to our write comes after the event of somebody's deletion."""
    sightings = Sightings()

    assert not sightings.drop(A, "uid", 7)
    assert not sightings.keep(A, seen(6))


def test_the_end_of_an_earlier_object_of_its_name_is_not_its_own() -> None:
    sightings = Sightings()
    sightings.keep(A, seen(9, "new"))

    assert not sightings.drop(A, "old", 8)
    assert version_of(sightings) == 9


def test_an_end_that_is_older_than_what_was_seen_is_none() -> None:
    """It left the selector and came back: the same object, with a newer version."""
    sightings = Sightings()
    sightings.keep(A, seen(9))

    assert not sightings.drop(A, "uid", 8)
    assert version_of(sightings) == 9


def test_an_end_without_a_version_ends_what_was_seen() -> None:
    sightings = Sightings()
    sightings.keep(A, seen(9))

    assert sightings.drop(A, "uid", 0)
    assert not sightings.keep(A, seen(9))


def test_versions_that_are_no_numbers_are_not_kept() -> None:
    sightings = Sightings()

    assert not sightings.keep(A, seen(-1))
    assert len(sightings) == 0


def test_in_doubt_whatever_is_told_next_is_news_and_only_of_that_kind() -> None:
    sightings = Sightings()
    for ref in (A, SECRET):
        sightings.keep(ref, seen(9))
    sightings.drop(B, "gone", 9)
    sightings.doubt(("", "ConfigMap"))

    assert sightings.keep(A, seen(3))  # as from a storage that was restored
    assert sightings.keep(B, seen(3, "gone"))
    assert not sightings.keep(SECRET, seen(3))


def test_only_so_many_ends_are_remembered() -> None:
    sightings = Sightings()
    for number in range(REMEMBERED + 1):
        sightings.drop(A, f"uid-{number}", 5)

    assert sightings.keep(A, seen(4, "uid-0"))
    assert not sightings.keep(B, seen(4, f"uid-{REMEMBERED}"))


def test_objects_are_given_by_kind_while_they_change() -> None:
    sightings = Sightings()
    for ref in (A, B, SECRET):
        sightings.keep(ref, seen(1))
    for ref, each in sightings.of_kind(("", "ConfigMap")):
        sightings.drop(ref, each.uid, 2)

    assert sightings.refs() == {SECRET}
    assert seen(1) == sightings.get(SECRET)
