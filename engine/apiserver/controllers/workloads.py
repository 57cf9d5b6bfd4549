"""Workloads that become ready on paper: status as controllers and kubelets would write it.

Without Pods or ReplicaSets: enough for health checks.  Deterministic, driven by changes: what is
written is ready after the next settling.
Source: kstatus' idea of Current for each kind; kubernetes pkg/controller.
"""

from collections.abc import Callable, Mapping
from typing import Any

from engine.apiserver.state import State
from engine.apiserver.storage.store import Change
from engine.objects.ref import Object

_NODES = 1  # a DaemonSet runs once


class WorkloadController:
    """Follows workloads, claims and pods."""

    def __init__(self, state: State) -> None:
        """Write into this state."""
        self._state = state

    def react(self, change: Change) -> None:
        """Bring the status of an object that was written up to its spec."""
        status_of = _STATUS.get(change.record.key.resource)
        record = self._state.store.get(change.record.key)
        if status_of is None or record is None or "deletionTimestamp" in record.obj["metadata"]:
            self._release(change)
            return
        obj = record.obj
        status = status_of(obj, self._state.now())
        if status != obj.get("status"):
            self._state.store.put(record.key, {**obj, "status": status})

    def _release(self, change: Change) -> None:
        """Take the finalizers off that protect storage in use: nothing uses it here."""
        key = change.record.key
        finalizer = _PROTECTION.get(key.resource)
        record = self._state.store.get(key)
        if finalizer is None or record is None:
            return
        metadata = dict(record.obj["metadata"])
        kept = [each for each in metadata.pop("finalizers", ()) if each != finalizer]
        if kept:
            metadata["finalizers"] = kept
            if metadata != record.obj["metadata"]:
                self._state.store.put(key, {**record.obj, "metadata": metadata})
        else:
            self._state.store.delete(key)


_PROTECTION = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
}


def _condition(
    obj: Object, row: tuple[str, str, str, str], now: str, *, updates: bool = False
) -> dict[str, Any]:
    """A condition; its times stay while its status does."""
    kind, status, reason, message = row
    given = (obj.get("status") or {}).get("conditions") or ()
    old: Mapping[str, Any] = next((each for each in given if each["type"] == kind), {})
    same = old.get("status") == status
    condition = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": old.get("lastTransitionTime", now) if same else now,
    }
    if updates:
        condition["lastUpdateTime"] = old.get("lastUpdateTime", now) if same else now
    return {name: value for name, value in condition.items() if value}


def _replicas(obj: Object) -> int:
    replicas = (obj.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _counted(**counts: int) -> dict[str, int]:
    """Counts as Go writes them: without zeros, except `replicas` where a kind needs it."""
    return {name: count for name, count in counts.items() if count}


def _deployment(obj: Object, now: str) -> dict[str, Any]:
    count, name = _replicas(obj), obj["metadata"]["name"]
    available = (
        "Available",
        "True",
        "MinimumReplicasAvailable",
        "Deployment has minimum availability.",
    )
    text = f'ReplicaSet "{name}" has successfully progressed.'
    progressing = ("Progressing", "True", "NewReplicaSetAvailable", text)
    return {
        "observedGeneration": obj["metadata"]["generation"],
        **_counted(
            replicas=count, updatedReplicas=count, readyReplicas=count, availableReplicas=count
        ),
        "conditions": [_condition(obj, row, now, updates=True) for row in (available, progressing)],
    }


def _stateful_set(obj: Object, _: str) -> dict[str, Any]:
    count, name = _replicas(obj), obj["metadata"]["name"]
    revision = f"{name}-{obj['metadata']['generation']}"
    return {
        "observedGeneration": obj["metadata"]["generation"],
        "replicas": count,
        "availableReplicas": count,
        **_counted(readyReplicas=count, currentReplicas=count, updatedReplicas=count),
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
    }


def _daemon_set(obj: Object, _: str) -> dict[str, Any]:
    return {
        "observedGeneration": obj["metadata"]["generation"],
        "currentNumberScheduled": _NODES,
        "desiredNumberScheduled": _NODES,
        "numberMisscheduled": 0,
        "numberReady": _NODES,
        "numberAvailable": _NODES,
        "updatedNumberScheduled": _NODES,
    }


def _replica_set(obj: Object, _: str) -> dict[str, Any]:
    count = _replicas(obj)
    ready = _counted(fullyLabeledReplicas=count, readyReplicas=count, availableReplicas=count)
    generation = obj["metadata"]["generation"]
    return {"observedGeneration": generation, "replicas": count, **ready}


def _job(obj: Object, now: str) -> dict[str, Any]:
    spec = obj.get("spec") or {}
    if spec.get("suspend"):
        row = ("Suspended", "True", "JobSuspended", "Job suspended")
        return {"conditions": [_condition(obj, row, now)]}
    old: Mapping[str, Any] = obj.get("status") or {}
    completions = spec.get("completions")
    rows = (
        (
            "SuccessCriteriaMet",
            "True",
            "CompletionsReached",
            "Reached expected number of succeeded pods",
        ),
        ("Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods"),
    )
    return {
        "conditions": [_condition(obj, row, now) for row in rows],
        "startTime": old.get("startTime", now),
        "completionTime": old.get("completionTime", now),
        "succeeded": 1 if completions is None else completions,
        "ready": 0,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    }


def _claim(obj: Object, _: str) -> dict[str, Any]:
    spec = obj.get("spec") or {}
    return {
        "phase": "Bound",
        "accessModes": spec.get("accessModes") or [],
        "capacity": (spec.get("resources") or {}).get("requests") or {},
    }


def _volume(_obj: Object, _now: str) -> dict[str, Any]:
    return {"phase": "Available"}


def _pod(obj: Object, now: str) -> dict[str, Any]:
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    old: Mapping[str, Any] = obj.get("status") or {}
    started = old.get("startTime", now)
    containers = (obj.get("spec") or {}).get("containers") or ()
    return {
        **old,
        "phase": "Running",
        "observedGeneration": obj["metadata"].get("generation", 1),
        "conditions": [_condition(obj, (kind, "True", "", ""), now) for kind in kinds],
        "startTime": started,
        "containerStatuses": [
            {
                "name": each["name"],
                "image": each.get("image", ""),
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "lastState": {},
                "state": {"running": {"startedAt": started}},
            }
            for each in containers
        ],
    }


def _balanced(obj: Object, _: str) -> dict[str, Any]:
    """A Service of type LoadBalancer gets an address that nobody answers on."""
    status: dict[str, Any] = dict(obj.get("status") or {})
    if (obj.get("spec") or {}).get("type") == "LoadBalancer":
        address = str(obj["spec"].get("clusterIP", ""))
        status["loadBalancer"] = {"ingress": [{"ip": address, "ipMode": "VIP"}]}
    return status


def _scaler(obj: Object, now: str) -> dict[str, Any]:
    least = (obj.get("spec") or {}).get("minReplicas", 1)
    rows = (
        ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size"),
        ("ScalingActive", "True", "ValidMetricFound", "the HPA was able to compute the replicas"),
        ("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the range"),
    )
    return {
        "observedGeneration": obj["metadata"].get("generation", 1),
        "currentReplicas": least,
        "desiredReplicas": least,
        "currentMetrics": None,
        "conditions": [_condition(obj, row, now) for row in rows],
    }


def _budget(obj: Object, now: str) -> dict[str, Any]:
    row = ("DisruptionAllowed", "True", "SufficientPods", "")
    condition = {**_condition(obj, row, now), "message": ""}
    generation = obj["metadata"]["generation"]
    return {
        "observedGeneration": generation,
        "currentHealthy": 1,
        "desiredHealthy": 1,
        "disruptionsAllowed": 1,
        "expectedPods": 1,
        "conditions": [{**condition, "observedGeneration": generation}],
    }


def _api_service(obj: Object, now: str) -> dict[str, Any]:
    row = ("Available", "True", "Passed", "all checks passed")
    return {"conditions": [_condition(obj, row, now)]}


_STATUS: Mapping[str, Callable[[Object, str], dict[str, Any]]] = {
    "apiservices.apiregistration.k8s.io": _api_service,
    "daemonsets.apps": _daemon_set,
    "deployments.apps": _deployment,
    "horizontalpodautoscalers.autoscaling": _scaler,
    "jobs.batch": _job,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "poddisruptionbudgets.policy": _budget,
    "pods": _pod,
    "replicasets.apps": _replica_set,
    "replicationcontrollers": _replica_set,
    "services": _balanced,
    "statefulsets.apps": _stateful_set,
}
