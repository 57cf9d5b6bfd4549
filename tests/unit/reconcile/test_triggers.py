from typing import Any

import anyio
import anyio.lowlevel
import pytest

from engine.api.meta import KUSTOMIZE_GROUP, REQUESTED_AT, SOURCE_GROUP
from engine.cluster.mirror import Mirror
from engine.objects.ref import Object, Ref
from engine.reconcile.others import HEAD_START
from engine.reconcile.references import references_of
from engine.reconcile.triggers import Triggers
from engine.runtime.workqueue import Queue
from tests.support.clock import ManualClock, settle
from tests.support.pushes import Pushed, pushing

APP = Ref(KUSTOMIZE_GROUP, "Kustomization", "ns", "app")


class Heard:
    """What was pushed since the last look, as text."""

    def __init__(self) -> None:
        self.mirror = Mirror()
        self.triggers = Triggers(self.mirror, lambda users, _source: frozenset(users))
        self.triggers.serve(KUSTOMIZE_GROUP, "Kustomization", pushing(self.note))
        self._lines: list[str] = []

    def note(self, pushed: Pushed) -> None:
        ends = " ends waits" if pushed.supersede else ""
        priority = pushed.priority.name.lower()
        self._lines.append(f"{pushed.key.name} {priority}: {pushed.reason}{ends}")

    def after(self, *objects: Object) -> list[str]:
        for obj in objects:
            self.triggers.changed(obj)
        lines, self._lines = self._lines, []
        return lines


def ks(version: int, name: str = "app", **metadata: Any) -> dict[str, Any]:
    status = metadata.pop("status", {})
    depends_on = [{"name": each} for each in metadata.pop("depends_on", ())]
    identity = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": str(version)}
    return {
        "apiVersion": f"{KUSTOMIZE_GROUP}/v1",
        "kind": "Kustomization",
        "metadata": {**identity, "generation": 1, **metadata},
        "spec": {"sourceRef": {"kind": "Bucket", "name": "fleet"}, "dependsOn": depends_on},
        "status": status,
    }


def source(version: int, revision: str, name: str = "fleet") -> dict[str, Any]:
    return {
        "apiVersion": f"{SOURCE_GROUP}/v1",
        "kind": "Bucket",
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": "s",
            "resourceVersion": str(version),
        },
        "status": {"artifact": {"revision": revision}} if revision else {},
    }


def ready(revision: str) -> dict[str, Any]:
    return {
        "observedGeneration": 1,
        "lastAttemptedRevision": revision,
        "lastAppliedRevision": revision,
        "conditions": [{"type": "Ready", "status": "True"}],
    }


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, []),
        ({"labels": {"a": "b"}}, []),
        ({"status": ready("r1")}, []),
        ({"generation": 2}, ["app drift: a change of its spec ends waits"]),
        ({"deletionTimestamp": "now"}, ["app drift: a change of its spec ends waits"]),
        ({"annotations": {REQUESTED_AT: "1"}}, ["app manual: a manual request ends waits"]),
        ({"annotations": {"gitops.lockstep/approve-prune": "x"}}, ["app manual: an approval"]),
        ({"annotations": {"gitops.lockstep/suspend-until": "x"}}, ["app drift: its suspension"]),
        ({"uid": "other"}, ["app drift: created anew ends waits"]),
    ],
)
def test_an_object_runs_for_its_own_changes_that_matter(
    change: dict[str, Any], wanted: list[str]
) -> None:
    pushed = Heard()
    assert pushed.after(ks(1)) == ["app interval: created"]

    assert pushed.after(ks(2, **change)) == wanted


def test_news_that_is_told_twice_or_late_is_no_news() -> None:
    pushed = Heard()
    newer = ks(3, generation=2, annotations={REQUESTED_AT: "1"})
    pushed.after(ks(1), newer)

    assert pushed.after(newer, ks(2), ks(1)) == []
    assert pushed.mirror.get(APP) is newer


def test_an_answer_that_comes_after_the_deletion_brings_nothing_back() -> None:
    pushed = Heard()
    pushed.after(ks(1))
    pushed.triggers.deleted(ks(3))

    assert pushed.after(ks(2)) == []
    assert pushed.mirror.get(APP) is None


def test_what_is_queued_for_an_object_goes_with_it_unless_another_has_its_name() -> None:
    pushed, removed = Heard(), list[str]()
    pushed.triggers.serve(
        KUSTOMIZE_GROUP,
        "Kustomization",
        pushing(pushed.note),
        lambda ref: removed.append(ref.name),
    )
    pushed.after(ks(1), ks(2, uid="anew"), ks(3, "other"))

    pushed.triggers.deleted(ks(4))
    pushed.triggers.deleted(ks(5, "other"))

    assert removed == ["other"]


def test_an_object_that_left_the_selector_may_come_back() -> None:
    pushed = Heard()
    pushed.after(ks(1))
    pushed.triggers.deleted(ks(3))

    assert pushed.after(ks(4)) == ["app interval: created"]


def test_a_late_deletion_does_not_take_the_new_object_of_the_same_name() -> None:
    pushed = Heard()
    pushed.after(ks(1), ks(4, uid="new"))
    pushed.triggers.deleted(ks(3))

    assert pushed.mirror.get(APP) is not None
    assert pushed.after(source(5, "r1")) == ["app drift: Bucket/ns/fleet ends waits"]


def test_a_new_revision_runs_who_has_not_applied_it() -> None:
    pushed = Heard()
    pushed.after(ks(1, status=ready("r1")), ks(2, "done", status=ready("r2")), source(3, "r1"))

    assert pushed.after(source(4, "r1")) == []
    assert pushed.after(source(5, "r2")) == ["app drift: Bucket/ns/fleet ends waits"]


def test_a_run_under_way_has_not_applied_it_whatever_its_status_says() -> None:
    pushed = Heard()
    pushed.after(ks(1, status=ready("r2")), source(2, "r1"))

    with pushed.triggers.running(APP):
        assert pushed.after(source(3, "r2")) == ["app drift: Bucket/ns/fleet ends waits"]


def test_a_dependency_wakes_its_dependants_when_it_is_ready_and_when_it_has_applied() -> None:
    pushed = Heard()
    pushed.after(source(1, "r2"), ks(2, "base"), ks(3, depends_on=["base"]))
    woken = ["app drift: Kustomization/ns/base"]

    assert pushed.after(ks(4, "base", status=ready("r1"))) == woken
    assert pushed.after(ks(5, "base", status=ready("r1"))) == []
    assert pushed.after(ks(6, "base", status=ready("r2"))) == woken


def test_who_no_longer_names_an_object_is_not_woken_by_it() -> None:
    pushed = Heard()
    other = ks(2, generation=2)
    other["spec"]["sourceRef"]["name"] = "other"
    pushed.after(ks(1), other)

    assert pushed.after(source(3, "r1")) == []


def test_a_malformed_reference_names_nothing() -> None:
    assert references_of({"metadata": {"name": "a"}, "spec": {}}) == frozenset()


def test_another_tolerance_of_drift_is_looked_at_at_once() -> None:
    pushed = Heard()
    pushed.after(ks(1))

    lines = pushed.after(ks(2, annotations={"gitops.lockstep/drift": "warn"}))

    assert lines == ["app drift: another tolerance of drift"]


class Crowd:
    """Many users of one source, of which a new revision concerns some, and their queue."""

    def __init__(self, *concerned: str) -> None:
        self.queue: Queue[Ref] = Queue()
        self.clock = ManualClock()
        self.triggers = Triggers(
            Mirror(), lambda users, _: frozenset(u for u in users if u.name in concerned)
        )
        self.triggers.serve(KUSTOMIZE_GROUP, "Kustomization", pushing(self.put))
        self.names = [f"app-{number:03d}" for number in range(300)]
        for number, name in enumerate(self.names):
            self.triggers.changed(ks(number + 1, name, status=ready("r1")))
        self.triggers.changed(source(1000, "r1"))
        while self.popped():
            pass

    def put(self, pushed: Pushed) -> None:
        self.queue.push(pushed.key, 0.0, pushed.priority, pushed.reason)

    def ref(self, name: str) -> Ref:
        return Ref(KUSTOMIZE_GROUP, "Kustomization", "ns", name)

    def popped(self) -> str:
        item = self.queue.pop(0.0)
        if item is None:
            return ""
        self.queue.done(item.key)
        return item.key.name

    def waiting(self) -> int:
        return self.queue.statistics().queued


async def test_what_a_revision_concerns_has_run_before_the_others_are_queued() -> None:
    crowd = Crowd("app-200")
    async with anyio.create_task_group() as telling:
        telling.start_soon(crowd.triggers.others.serve, crowd.clock)
        await settle()

        crowd.triggers.changed(source(1001, "r2"))
        assert crowd.popped() == "app-200"
        with crowd.triggers.running(crowd.ref("app-200")):
            await settle()
            assert crowd.waiting() == 0
        await anyio.wait_all_tasks_blocked()
        assert crowd.waiting() == 299
        telling.cancel_scope.cancel()


async def test_the_others_are_queued_a_few_at_a_time() -> None:
    crowd = Crowd()
    async with anyio.create_task_group() as telling:
        telling.start_soon(crowd.triggers.others.serve, crowd.clock)
        await settle()

        crowd.triggers.changed(source(1001, "r2"))
        await anyio.lowlevel.checkpoint()
        assert 0 < crowd.waiting() < 300
        await settle()
        assert crowd.waiting() == 300
        telling.cancel_scope.cancel()


async def test_what_a_revision_concerns_does_not_hold_the_others_up_for_long() -> None:
    """It may wait for health, or for a build that hangs."""
    crowd = Crowd("app-200")
    async with anyio.create_task_group() as telling:
        telling.start_soon(crowd.triggers.others.serve, crowd.clock)
        await settle()

        with crowd.triggers.running(crowd.ref("app-200")):
            crowd.triggers.changed(source(1001, "r2"))
            await crowd.clock.advance(HEAD_START / 2)
            assert crowd.waiting() == 1
            await crowd.clock.advance(HEAD_START / 2)
            assert crowd.waiting() == 300
        telling.cancel_scope.cancel()


async def test_a_run_that_began_before_the_revision_does_not_end_the_head_start() -> None:
    crowd = Crowd("app-200")
    async with anyio.create_task_group() as telling:
        telling.start_soon(crowd.triggers.others.serve, crowd.clock)
        await settle()

        with crowd.triggers.running(crowd.ref("app-200")):
            crowd.triggers.changed(source(1001, "r2"))
        await settle()
        assert crowd.popped() == "app-200"
        with crowd.triggers.running(crowd.ref("app-200")):
            await settle()
            assert crowd.waiting() == 0
        await settle()
        assert crowd.waiting() == 299
        telling.cancel_scope.cancel()


async def test_the_head_start_of_one_source_does_not_hold_up_the_users_of_another() -> None:
    crowd = Crowd("app-200")
    far = {"sourceRef": {"kind": "Bucket", "name": "b"}}
    other = {**ks(900, "far", status=ready("r1")), "spec": far}
    crowd.triggers.changed(other)
    crowd.triggers.changed(source(1001, "r1", "b"))
    while crowd.popped():
        pass
    async with anyio.create_task_group() as telling:
        telling.start_soon(crowd.triggers.others.serve, crowd.clock)
        await settle()

        crowd.triggers.changed(source(1002, "r2"))
        assert crowd.popped() == "app-200"
        crowd.triggers.changed(source(1003, "r2", "b"))
        await settle()
        assert crowd.popped() == "far"
        assert crowd.waiting() == 0
        telling.cancel_scope.cancel()


async def test_a_revision_that_comes_while_the_others_are_told_is_told_to_all() -> None:
    crowd = Crowd()
    async with anyio.create_task_group() as telling:
        telling.start_soon(crowd.triggers.others.serve, crowd.clock)
        await settle()

        crowd.triggers.changed(source(1001, "r2"))
        await anyio.lowlevel.checkpoint()
        while name := crowd.popped():  # some have noted the first of them already
            number = 2000 + crowd.names.index(name)
            crowd.triggers.changed(ks(number, name, status=ready("r2")))
        crowd.triggers.changed(source(1002, "r3"))
        await settle()
        assert crowd.waiting() == 300
        telling.cancel_scope.cancel()


def test_who_waits_to_note_a_revision_goes_first_once_a_person_asks() -> None:
    crowd = Crowd()
    crowd.triggers.changed(source(1001, "r2"))

    asked = ks(1002, "app-250", status=ready("r1"), annotations={REQUESTED_AT: "now"})
    crowd.triggers.changed(asked)

    assert crowd.popped() == "app-250"
    assert crowd.waiting() == 299


def test_what_it_has_read_ends_its_wait_unless_it_is_suspended() -> None:
    pushed = Heard()
    pushed.after(ks(1))
    pushed.triggers.configured(APP, "ConfigMap/ns/vars")
    assert pushed.after() == ["app drift: ConfigMap/ns/vars ends waits"]

    resting = ks(2)
    pushed.after({**resting, "spec": {**resting["spec"], "suspend": True}})
    pushed.triggers.configured(APP, "ConfigMap/ns/vars")
    assert pushed.after() == []


def test_an_object_that_drifts_is_looked_at_though_its_owner_is_suspended() -> None:
    pushed = Heard()
    resting = ks(1)
    pushed.after({**resting, "spec": {**resting["spec"], "suspend": True}})
    pushed.triggers.drifted(APP, 0.0)

    assert pushed.after() == ["app drift: drift"]


def test_what_a_resumed_one_no_longer_says_is_no_reason_to_run() -> None:
    pushed = Heard()
    pushed.after(ks(1, annotations={"gitops.lockstep/suspend-until": "x"}))

    assert pushed.after(ks(2)) == []


def git(version: int, name: str, artifact: tuple[str, str] | None, *includes: str) -> Object:
    status: dict[str, Any] = {"observedGeneration": 1, "conditions": [_READY]}
    if artifact is not None:
        status["artifact"] = {"revision": artifact[0], "digest": artifact[1]}
    identity = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": str(version)}
    return {
        "apiVersion": f"{SOURCE_GROUP}/v1",
        "kind": "GitRepository",
        "metadata": {**identity, "generation": 1},
        "spec": {"include": [{"repository": {"name": each}} for each in includes]},
        "status": status,
    }


_READY = {"type": "Ready", "status": "True"}


def test_who_includes_a_source_runs_when_that_has_another_artifact() -> None:
    pushed = Heard()
    pushed.triggers.serve(SOURCE_GROUP, "GitRepository", pushing(pushed.note))
    pushed.after(git(1, "lib", ("r1", "d1")), git(2, "fleet", ("f1", "d2"), "lib"))
    lib = f"{Ref(SOURCE_GROUP, 'GitRepository', 'ns', 'lib')}"

    assert pushed.after(git(3, "lib", ("r1", "d1"))) == []
    assert pushed.after(git(4, "lib", ("r2", "d3"))) == [f"fleet drift: {lib}"]
    assert pushed.after(git(5, "lib", ("r2", "d4"))) == [f"fleet drift: {lib}"]
    assert pushed.after(git(6, "fleet", ("f1", "d2"))) == []
    assert pushed.after(git(7, "lib", ("r3", "d5"))) == []


def test_another_artifact_of_the_same_revision_is_built_by_who_uses_it() -> None:
    pushed = Heard()
    user = ks(1, status=ready("r1"))
    user["spec"]["sourceRef"] = {"kind": "GitRepository", "name": "fleet"}
    pushed.after(git(2, "fleet", ("r1", "d1")), user)

    woken = pushed.after(git(3, "fleet", ("r1", "d2")))

    assert woken == [f"app drift: {Ref(SOURCE_GROUP, 'GitRepository', 'ns', 'fleet')} ends waits"]
    assert APP in pushed.triggers.behind
