"""The kinds that keep a number of Pods: as many there, up to date and ready as wanted, or not."""

from typing import Final

from engine.objects.kstatus.result import (
    Health,
    Status,
    conditions,
    current,
    failed,
    generation,
    in_progress,
    integer,
    shortfall,
    string,
    surplus,
)
from engine.objects.ref import Object

_NO_DEADLINE: Final = 2**31 - 1
"""What the Deployment controller takes for no `progressDeadlineSeconds` (math.MaxInt32)."""


def deployment(obj: Object) -> Health:
    """Health of a Deployment: Failed once its progress deadline has passed."""
    deadline = integer(obj, "spec.progressDeadlineSeconds", _NO_DEADLINE)
    is_progressing, is_available = deadline == _NO_DEADLINE, False
    for condition in conditions(obj):
        match condition.type, condition.status, condition.reason:
            case "Progressing", _, "ProgressDeadlineExceeded":
                return failed("Progress deadline exceeded")
            case "Progressing", "True", "NewReplicaSetAvailable":
                is_progressing = True
            case "Available", "True", _:
                is_available = True
    want, have = integer(obj, "spec.replicas", 1), integer(obj, "status.replicas", 0)
    updated = integer(obj, "status.updatedReplicas", 0)
    unfinished = (
        shortfall(("Replicas", have, want), ("Updated", updated, want))
        or surplus(have, want)
        or shortfall(
            ("Available", integer(obj, "status.availableReplicas", 0), updated),
            ("Ready", integer(obj, "status.readyReplicas", 0), want),
        )
    )
    if unfinished:
        return unfinished
    if not is_progressing:
        return in_progress("ReplicaSet not Available")
    if not is_available:
        return in_progress("Deployment not Available")
    return current(f"Deployment is available. Replicas: {have}")


def stateful_set(obj: Object) -> Health:
    """Health of a StatefulSet; with a partition only the ordinals above it are to be updated."""
    if string(obj, "spec.updateStrategy.type", "") == "OnDelete":
        return current("StatefulSet is using the ondelete update strategy")
    want, have = integer(obj, "spec.replicas", 1), integer(obj, "status.replicas", 0)
    ready = integer(obj, "status.readyReplicas", 0)
    unfinished = shortfall(("Replicas", have, want), ("Ready", ready, want)) or surplus(have, want)
    if unfinished:
        return unfinished
    partition = integer(obj, "spec.updateStrategy.rollingUpdate.partition", -1)
    if partition != -1:
        updated = integer(obj, "status.updatedReplicas", 0)
        return shortfall(("updated", updated, want - partition)) or current(
            f"Partition rollout complete. updated: {updated}"
        )
    if too_few := shortfall(("current", integer(obj, "status.currentReplicas", 0), want)):
        return too_few
    if string(obj, "status.currentRevision", "") != string(obj, "status.updateRevision", ""):
        return in_progress("Waiting for updated revision to match current")
    return current(f"All replicas scheduled as expected. Replicas: {have}")


def replica_set(obj: Object) -> Health:
    """Health of a ReplicaSet."""
    if any(c.type == "ReplicaFailure" and c.status == "True" for c in conditions(obj)):
        return in_progress("Replica Failure condition. Check Pods")
    want, have = integer(obj, "spec.replicas", 1), integer(obj, "status.replicas", 0)
    return (
        shortfall(
            ("Labelled", integer(obj, "status.fullyLabeledReplicas", 0), want),
            ("Available", integer(obj, "status.availableReplicas", 0), want),
            ("Ready", integer(obj, "status.readyReplicas", 0), want),
        )
        or surplus(have, want)
        or current(f"ReplicaSet is available. Replicas: {have}")
    )


def daemon_set(obj: Object) -> Health:
    """Health of a DaemonSet; its controller sets both generations, so they must be there."""
    for path in (("metadata", "generation"), ("status", "observedGeneration")):
        if generation(obj, *path) is None:
            return in_progress(f"{obj.get('kind', '')} {'.'.join(path)} not found")
    want = integer(obj, "status.desiredNumberScheduled", -1)
    if want == -1:
        return in_progress("Missing .status.desiredNumberScheduled")
    return shortfall(
        ("Current", integer(obj, "status.currentNumberScheduled", 0), want),
        ("Updated", integer(obj, "status.updatedNumberScheduled", 0), want),
        ("Available", integer(obj, "status.numberAvailable", 0), want),
        ("Ready", integer(obj, "status.numberReady", 0), want),
    ) or current(f"All replicas scheduled as expected. Replicas: {want}")


def with_failed_pods(own: Health, count: int) -> Health:
    """Health of a ReplicaSet or StatefulSet once its Pods have been looked at.

    While it is InProgress, Pods that have failed for good make it Failed.
    Source: cli-utils pkg/kstatus/polling/statusreaders/pod_controller.go.
    """
    is_affected = count > 0 and own.status is Status.IN_PROGRESS
    return failed(f"{count} pods have failed") if is_affected else own


def is_lost(pod: Object, own: Health) -> bool:
    """Whether a Pod, by its own health, has failed for good.

    One that is being deleted or that no node has room for has not, since the rollout or an
    autoscaler may still help.
    """
    return own.status is Status.FAILED and not _may_recover(pod)


def _may_recover(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp")) or any(
        c.type == "PodScheduled" and c.status == "False" and c.reason == "Unschedulable"
        for c in conditions(pod)
    )
