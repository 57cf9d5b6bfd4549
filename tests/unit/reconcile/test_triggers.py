from typing import Any

import pytest

from engine.api.meta import KUSTOMIZE_GROUP, REQUESTED_AT, SOURCE_GROUP
from engine.cluster.mirror import Mirror
from engine.objects.ref import Object, Ref
from engine.reconcile.triggers import Triggers, references_of
from engine.runtime import Priority

APP = Ref(KUSTOMIZE_GROUP, "Kustomization", "ns", "app")


class Pushed:
    """What was pushed since the last look, as text."""

    def __init__(self) -> None:
        self.mirror = Mirror()
        self.triggers = Triggers(self.mirror, lambda _user, _source: True)
        self.triggers.serve(KUSTOMIZE_GROUP, "Kustomization", self.push)
        self._lines: list[str] = []

    def push(
        self,
        key: Ref,
        *,
        priority: Priority,
        reason: str,
        after: float = 0.0,
        supersede: bool = False,
    ) -> None:
        ends = " ends waits" if supersede else ""
        self._lines.append(f"{key.name} {priority.name.lower()}: {reason}{ends}")

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


def source(version: int, revision: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{SOURCE_GROUP}/v1",
        "kind": "Bucket",
        "metadata": {
            "name": "fleet",
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
        ({"uid": "other"}, ["app drift: created anew ends waits"]),
    ],
)
def test_an_object_runs_for_its_own_changes_that_matter(
    change: dict[str, Any], wanted: list[str]
) -> None:
    pushed = Pushed()
    assert pushed.after(ks(1)) == ["app interval: created"]

    assert pushed.after(ks(2, **change)) == wanted


def test_news_that_is_told_twice_or_late_is_no_news() -> None:
    pushed = Pushed()
    newer = ks(3, generation=2, annotations={REQUESTED_AT: "1"})
    pushed.after(ks(1), newer)

    assert pushed.after(newer, ks(2), ks(1)) == []
    assert pushed.mirror.get(APP) is newer


def test_an_answer_that_comes_after_the_deletion_brings_nothing_back() -> None:
    pushed = Pushed()
    pushed.after(ks(1))
    pushed.triggers.deleted(ks(3))

    assert pushed.after(ks(2)) == []
    assert pushed.mirror.get(APP) is None


def test_an_object_that_left_the_selector_may_come_back() -> None:
    pushed = Pushed()
    pushed.after(ks(1))
    pushed.triggers.deleted(ks(3))

    assert pushed.after(ks(4)) == ["app interval: created"]


def test_a_late_deletion_does_not_take_the_new_object_of_the_same_name() -> None:
    pushed = Pushed()
    pushed.after(ks(1), ks(4, uid="new"))
    pushed.triggers.deleted(ks(3))

    assert pushed.mirror.get(APP) is not None
    assert pushed.after(source(5, "r1")) == ["app drift: Bucket/ns/fleet ends waits"]


def test_a_new_revision_runs_who_has_not_applied_it() -> None:
    pushed = Pushed()
    pushed.after(ks(1, status=ready("r1")), ks(2, "done", status=ready("r2")), source(3, "r1"))

    assert pushed.after(source(4, "r1")) == []
    assert pushed.after(source(5, "r2")) == ["app drift: Bucket/ns/fleet ends waits"]


def test_a_run_under_way_has_not_applied_it_whatever_its_status_says() -> None:
    pushed = Pushed()
    pushed.after(ks(1, status=ready("r2")), source(2, "r1"))

    with pushed.triggers.running(APP):
        assert pushed.after(source(3, "r2")) == ["app drift: Bucket/ns/fleet ends waits"]


def test_a_dependency_wakes_its_dependants_when_it_is_ready_and_when_it_has_applied() -> None:
    pushed = Pushed()
    pushed.after(source(1, "r2"), ks(2, "base"), ks(3, depends_on=["base"]))
    woken = ["app drift: Kustomization/ns/base"]

    assert pushed.after(ks(4, "base", status=ready("r1"))) == woken
    assert pushed.after(ks(5, "base", status=ready("r1"))) == []
    assert pushed.after(ks(6, "base", status=ready("r2"))) == woken


def test_who_no_longer_names_an_object_is_not_woken_by_it() -> None:
    pushed = Pushed()
    other = ks(2, generation=2)
    other["spec"]["sourceRef"]["name"] = "other"
    pushed.after(ks(1), other)

    assert pushed.after(source(3, "r1")) == []


def test_a_malformed_reference_names_nothing() -> None:
    assert references_of({"metadata": {"name": "a"}, "spec": {}}) == frozenset()


def test_another_tolerance_of_drift_is_looked_at_at_once() -> None:
    pushed = Pushed()
    pushed.after(ks(1))

    lines = pushed.after(ks(2, annotations={"gitops.lockstep/drift": "warn"}))

    assert lines == ["app drift: another tolerance of drift"]
