from engine.objects.ref import Ref
from engine.plan.contention import FIRST_PAUSE, FLIPS, LONGEST_PAUSE, WINDOW, Contention

WEB, OTHER = (Ref("apps", "Deployment", "ns", name) for name in ("web", "other"))
FIELDS = {".spec.replicas": "hpa"}


def contended(at: float = 0.0) -> Contention:
    contention = Contention()
    for flip in range(FLIPS):
        contention.corrected(WEB, FIELDS, at + flip)
    return contention


def test_it_is_said_once_and_names_field_and_writer() -> None:
    contention = Contention()
    said = [contention.corrected(WEB, FIELDS, float(n)) for n in range(FLIPS + 2)]

    assert [str(each) for each in said if each] == ["Deployment/ns/web: .spec.replicas (by hpa)"]
    assert said[FLIPS - 1] is not None


def test_a_few_edits_over_a_long_time_are_none() -> None:
    contention = Contention()
    said = [contention.corrected(WEB, FIELDS, n * WINDOW) for n in range(FLIPS * 2)]

    assert said == [None] * len(said)
    assert contention.paused_until(WEB, FLIPS * 2 * WINDOW) == FLIPS * 2 * WINDOW


def test_the_pause_grows_for_that_object_only() -> None:
    contention = contended()
    now, pauses = float(FLIPS), []
    for _ in range(10):
        until = contention.paused_until(WEB, now)
        pauses.append(until - now)
        now = until
        contention.corrected(WEB, FIELDS, now)

    assert FIRST_PAUSE - 1 <= pauses[0] <= FIRST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    assert contention.paused_until(OTHER, now) == now


def test_it_ends_by_itself_when_the_other_writer_stops() -> None:
    contention = contended()
    later = FLIPS + FIRST_PAUSE * 3

    assert contention.among([WEB, OTHER], FLIPS)
    assert contention.all(later) == []
    assert contention.paused_until(WEB, later) == later
    assert contention.corrected(WEB, FIELDS, later) is None


def test_nothing_is_kept_of_objects_that_nobody_asks_for_any_more() -> None:
    contention = contended()
    gone = [Ref("", "ConfigMap", "ns", f"gone-{n}") for n in range(50)]
    for n, ref in enumerate(gone):
        contention.corrected(ref, {}, float(n))

    for n in range(100):
        contention.corrected(WEB, FIELDS, 10 * WINDOW + n)

    assert contention.histories() == {WEB}
