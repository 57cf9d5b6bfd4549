import json
from pathlib import Path

import pytest

from engine.objects.kstatus import Health, Status, health, is_lost, with_failed_pods
from tests.support import conformance

CORPUS = Path(__file__).parents[3].parent / "shared" / "corpus" / "open" / "kstatus.json"
NOW = 1_800_000_000.0


def obj(kind="apps/v1/Deployment", spec=None, status=None, **metadata):
    api_version, _, name = kind.rpartition("/")
    return {
        "apiVersion": api_version,
        "kind": name,
        "metadata": {"name": "a", **metadata},
        "spec": spec or {},
        "status": status or {},
    }


def condition(kind, status, reason="R", message="some message"):
    return {"type": kind, "status": status, "reason": reason, "message": message}


TOO_LATE = condition("Progressing", "False", "ProgressDeadlineExceeded")
SCHEDULING = {"observedGeneration": 1, "desiredNumberScheduled": 2}
COMPLETE = {"succeeded": 1, "conditions": [condition("Complete", "True")]}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            obj("x/v1/W", deletionTimestamp="2026-01-01T00:00:00Z", generation=2),
            "Terminating: Resource scheduled for deletion",
        ),
        (
            obj("x/v1/W", status={"observedGeneration": 1}, generation=2),
            "InProgress: W generation is 2, but latest observed generation is 1",
        ),
        (
            obj("x/v1/W", status={"conditions": [condition("Stalled", "True")]}),
            "Failed: some message",
        ),
        (obj("x/v1/W", status={"conditions": None}), "Current: Resource is current"),
        (
            obj(status={"conditions": [TOO_LATE]}),
            "Failed: Progress deadline exceeded",
        ),
        (
            obj("apps/v1/StatefulSet", {"replicas": 2}, {"replicas": 2, "readyReplicas": 1}),
            "InProgress: Ready: 1/2",
        ),
        (
            obj(
                "apps/v1/StatefulSet",
                {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
                {"replicas": 3, "readyReplicas": 3, "updatedReplicas": 1},
            ),
            "InProgress: updated: 1/2",
        ),
        (obj("apps/v1/ReplicaSet"), "InProgress: Labelled: 0/1"),
        (obj("apps/v1/DaemonSet"), "InProgress: DaemonSet metadata.generation not found"),
        (
            obj("apps/v1/DaemonSet", generation=1),
            "InProgress: DaemonSet status.observedGeneration not found",
        ),
        (
            obj("apps/v1/DaemonSet", status=SCHEDULING, generation=1),
            "InProgress: Current: 0/2",
        ),
        (obj("batch/v1/Job"), "InProgress: Job in progress"),
        (
            obj("batch/v1/Job", status={"startTime": "2026-01-01T00:00:00Z"}),
            "InProgress: Job in progress",
        ),
        (obj("batch/v1/Job", {"suspend": True}), "Current: Job is suspended"),
        (
            obj("batch/v1/Job", {"parallelism": 2}, COMPLETE),
            "Current: Job Completed. succeeded: 1/2",
        ),
        (obj("v1/Pod", status={"phase": "Lost"}), "Unknown: unknown phase Lost"),
        (
            obj("v1/Pod", status={"phase": "Running", "containerStatuses": {}}),
            "Unknown: .status.containerStatuses is {}, not a list",
        ),
        (obj("bitnami.com/v1alpha1/SealedSecret"), "Current: Resource is current"),
        (
            obj(
                "bitnami.com/v1alpha1/SealedSecret",
                status={"conditions": [{**condition("Synced", "False"), "message": "no key"}]},
            ),
            "InProgress: no key",
        ),
        (
            obj(
                "bitnami.com/v1alpha1/SealedSecret",
                status={"conditions": [condition("Synced", "True")]},
            ),
            "Current: SealedSecret is unsealed",
        ),
        (
            obj("x/v1/W", status={"conditions": [3]}),
            "Unknown: a condition is 3, not a dict",
        ),
        (
            obj("x/v1/W", status={"observedGeneration": "1"}, generation=1),
            "Unknown: looking up status.observedGeneration from resource: "
            ".status.observedGeneration accessor error: '1' is no integer",
        ),
        (
            obj("x/v1/W", deletionTimestamp=None),
            "Unknown: .metadata.deletionTimestamp is None, not a string",
        ),
    ],
)
def test_the_first_rule_that_applies_decides(given, wanted):
    assert str(health(given, NOW)) == wanted


@pytest.mark.parametrize(
    ("age", "wanted"),
    [
        (14.5, Health(Status.IN_PROGRESS, "Pod has not been scheduled", NOW + 0.5)),
        (15.0, Health(Status.FAILED, "Pod could not be scheduled")),
    ],
)
def test_an_unschedulable_pod_fails_after_fifteen_seconds(age, wanted):
    refused = [condition("PodScheduled", "False", "Unschedulable")]
    pod = obj(
        "v1/Pod",
        status={"phase": "Pending", "conditions": refused},
        creationTimestamp="2027-01-15T08:00:00Z",
    )

    found = health(pod, NOW)

    assert found == Health(Status.IN_PROGRESS, "Pod has not been scheduled", NOW + 15)
    assert health(pod, NOW + age).status is wanted.status
    assert health(pod, NOW + age).message == wanted.message


def test_a_pod_of_unknown_age_is_old():
    refused = [condition("PodScheduled", "False", "Unschedulable")]
    pod = obj("v1/Pod", status={"phase": "Pending", "conditions": refused})

    assert health(pod, NOW) == Health(Status.FAILED, "Pod could not be scheduled")


FAILED = Health(Status.FAILED, "Containers in CrashLoop state: c")
WAITING = Health(Status.IN_PROGRESS, "Ready: 0/1")
UNSCHEDULED = {"conditions": [condition("PodScheduled", "False", "Unschedulable")]}


@pytest.mark.parametrize(
    ("own", "pods", "wanted"),
    [
        (WAITING, [(obj("v1/Pod"), FAILED)], Health(Status.FAILED, "1 pods have failed")),
        (WAITING, [(obj("v1/Pod"), WAITING)], WAITING),
        (WAITING, [(obj("v1/Pod", deletionTimestamp="2026-01-01T00:00:00Z"), FAILED)], WAITING),
        (WAITING, [(obj("v1/Pod", status=UNSCHEDULED), FAILED)], WAITING),
        (FAILED, [], FAILED),
        (Health(Status.CURRENT, "ok"), [(obj("v1/Pod"), FAILED)], Health(Status.CURRENT, "ok")),
    ],
)
def test_failed_pods_fail_a_workload_that_is_in_progress(own, pods, wanted):
    count = sum(is_lost(pod, its) for pod, its in pods)

    assert with_failed_pods(own, count) == wanted


def outcome(case):
    try:
        return conformance.kstatus(case["object"])
    except ValueError:
        return "error"


def test_the_corpus_comes_out_as_with_the_library():
    if not CORPUS.exists():
        pytest.skip("the shared folder with the corpus is absent")
    cases = json.loads(CORPUS.read_text())["cases"]

    differ = [
        case["name"]
        for case in cases
        if outcome(case)
        != ((case["status"], case["message"]) if case["outcome"] == "ok" else "error")
    ]

    assert differ == []
