from engine.cluster.mirror import Mirror
from engine.objects.ref import Ref
from tests.support.build import config

REF = Ref("", "ConfigMap", "ns", "a")


def version(number: int, uid: str = "u") -> dict[str, object]:
    return config("a", uid=uid, resourceVersion=str(number))


def test_nothing_goes_backwards() -> None:
    mirror = Mirror()
    newer = version(10)
    mirror.note(newer)

    assert mirror.note(version(9)) is newer
    assert mirror.note(version(9, "before")) is newer
    assert mirror.get(REF) is newer


def test_what_vanished_unseen_is_brought_back_by_newer_news_but_not_by_a_late_answer() -> None:
    mirror = Mirror()
    mirror.note(version(5))
    mirror.forget(version(7))
    mirror.note(version(6))
    assert mirror.get(REF) is None

    mirror.note(version(8))
    assert mirror.get(REF) is not None


def test_another_of_the_same_name_is_news() -> None:
    mirror = Mirror()
    mirror.note(version(5))
    mirror.forget(version(7))
    mirror.note(version(3, "new"))

    assert mirror.get(REF) is not None


def test_it_tells_what_it_holds() -> None:
    mirror = Mirror()
    mirror.note(version(1))

    assert mirror.statistics().objects == 1
    assert repr(mirror) == "Mirror(objects=1)"
