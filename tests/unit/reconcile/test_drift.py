"""What is told of live objects, and whom it wakes."""

from dataclasses import dataclass, field

import pytest

from engine.objects.kstatus import Health, Status
from engine.objects.ref import Ref
from engine.plan.claims import Claims
from engine.plan.contention import FIRST_PAUSE, FLIPS
from engine.plan.observation import Observation
from engine.reconcile import drift as module
from engine.reconcile.drift import Drift
from tests.support.clock import ManualClock

APP, OTHER = (Ref("k", "Kustomization", "flux", name) for name in ("app", "other"))
A, B = (Ref("", "ConfigMap", "ns", name) for name in "ab")
GOOD, EDITED = b"good", b"edited"


def live(signature: bytes, version: int = 1) -> Observation:
    labels = {
        "kustomize.toolkit.fluxcd.io/name": "app",
        "kustomize.toolkit.fluxcd.io/namespace": "flux",
    }
    marks = {"labels": labels, "annotations": {}}
    return Observation("uid", version, signature, b"", marks, Health(Status.CURRENT, ""))


@dataclass
class Scene:
    """An owner with two settled objects."""

    claims: Claims = field(default_factory=Claims)
    clock: ManualClock = field(default_factory=ManualClock)
    seen: dict[Ref, Observation] = field(default_factory=dict)
    pushed: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.drift = Drift(self.claims, self.seen.get, self._push, self.clock)
        self.claims.claim(APP, [A, B])
        for ref in (A, B):
            self.seen[ref] = live(GOOD)
            self.claims.settle(APP, ref, b"content", GOOD)

    def _push(self, owner: Ref, after: float) -> None:
        self.pushed.append((owner.name, after))

    def tell(self, signature: bytes | None, version: int = 2, ref: Ref = A) -> None:
        self.seen.pop(ref, None)
        if signature is not None:
            self.seen[ref] = live(signature, version)
        self.drift.told(ref, self.seen.get(ref), {"version": version})

    def contend(self, ref: Ref = A) -> None:
        for _ in range(FLIPS):
            self.drift.corrected(ref, {".data.x": "somebody"})


@pytest.mark.parametrize(
    ("signature", "wanted"), [(GOOD, []), (EDITED, [("app", 0)]), (None, [("app", 0)])]
)
def test_drift_queues_the_owner(signature: bytes | None, wanted: list[tuple[str, float]]) -> None:
    scene = Scene()
    scene.tell(signature)

    assert scene.pushed == wanted


def test_the_same_drift_told_again_queues_nobody_and_another_one_does() -> None:
    """Else an object that nothing may correct would be looked at for each of its statuses."""
    scene = Scene()
    scene.tell(EDITED)
    scene.tell(EDITED, 3)
    scene.tell(b"edited again", 4)

    assert len(scene.pushed) == 2


def test_an_own_write_is_no_drift_though_its_event_comes_before_its_answer() -> None:
    scene = Scene()
    with scene.drift.running(APP):
        scene.tell(b"new")
        scene.claims.settle(APP, A, b"new content", b"new")

    assert scene.pushed == []
    assert scene.drift.statistics().drifted == 0


def test_an_edit_between_our_first_write_and_its_answer_is_not_lost() -> None:
    """There is nothing yet to compare it with when it is told."""
    scene = Scene()
    new = Ref("", "ConfigMap", "ns", "new")
    with scene.drift.running(APP):
        scene.claims.claim(APP, [A, B, new])
        scene.tell(EDITED, 8, new)
        scene.claims.settle(APP, new, b"content", GOOD)  # the answer, of version 7

    assert scene.pushed == [("app", 0)]


def test_an_edit_back_to_what_was_is_drift_once_the_run_has_settled_something_else() -> None:
    scene = Scene()
    with scene.drift.running(APP):
        scene.tell(GOOD, 9)
        scene.claims.settle(APP, A, b"new content", b"new")

    assert scene.pushed == [("app", 0)]


def test_an_edit_that_the_run_has_corrected_queues_nobody() -> None:
    scene = Scene()
    scene.tell(EDITED)
    with scene.drift.running(APP):
        scene.tell(EDITED, 3)
        scene.tell(GOOD, 4)

    assert scene.pushed == [("app", 0)]


def test_what_a_run_could_not_correct_waits_for_its_retry() -> None:
    scene = Scene()
    scene.tell(EDITED)
    with scene.drift.running(APP):
        scene.tell(EDITED, 3)

    assert scene.pushed == [("app", 0)]
    assert scene.drift.statistics().drifted == 1


def test_an_edit_that_undoes_the_correction_at_once_is_corrected_again() -> None:
    scene = Scene()
    scene.tell(EDITED)
    with scene.drift.running(APP):
        scene.tell(GOOD, 3)
        scene.tell(EDITED, 4)

    assert scene.pushed == [("app", 0), ("app", 0)]


def test_an_object_that_goes_again_while_a_new_content_brings_it_back_is_not_left_to_a_retry() -> (
    None
):
    """The run succeeds, so that no retry comes: it would be missing until the interval."""
    scene = Scene()
    scene.tell(None)
    with scene.drift.running(APP):
        scene.tell(b"new", 3)  # as that content makes it
        scene.tell(None)
        scene.claims.settle(APP, A, b"new content", b"new")  # the answer, of version 3

    assert scene.pushed == [("app", 0), ("app", 0)]


def test_a_contended_object_waits_and_is_not_forgotten_when_another_one_is_corrected() -> None:
    """The queue holds a key once: a run that comes sooner takes the later one's place."""
    scene = Scene()
    scene.contend()
    scene.tell(EDITED)
    scene.tell(EDITED, 2, B)
    with scene.drift.running(APP):
        scene.tell(GOOD, 3, B)  # corrected; A is paused

    pause = pytest.approx(FIRST_PAUSE)
    assert scene.pushed == [("app", pause), ("app", 0), ("app", pause)]
    assert scene.drift.is_paused(A)
    assert scene.drift.statistics().contended == 1


def test_the_object_is_kept_whole_while_it_is_drifted_in_that_version() -> None:
    scene = Scene()
    scene.tell(EDITED)

    assert scene.drift.evidence(APP, A, 2) == {"version": 2}
    assert scene.drift.evidence(APP, A, 3) is None
    assert scene.drift.evidence(OTHER, A, 2) is None

    with scene.drift.running(APP):
        scene.claims.settle(APP, A, b"content", EDITED)

    assert scene.drift.evidence(APP, A, 2) is None


def test_only_so_many_objects_are_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHOLE", 1)
    scene = Scene()
    scene.tell(EDITED)
    scene.tell(EDITED, 2, B)
    first, second = (scene.drift.evidence(APP, ref, 2) for ref in (A, B))
    scene.tell(GOOD, 3)
    scene.tell(b"again", 4, B)

    assert (first, second) == ({"version": 2}, None)
    assert scene.drift.evidence(APP, B, 4) == {"version": 4}


def test_what_nobody_wants_any_more_is_forgotten() -> None:
    scene = Scene()
    scene.tell(EDITED)
    scene.drift.release(APP)

    assert scene.drift.statistics().drifted == 0


def test_what_two_want_is_corrected_by_none() -> None:
    scene = Scene()
    scene.claims.claim(OTHER, [A])
    scene.tell(EDITED)

    assert scene.pushed == []
