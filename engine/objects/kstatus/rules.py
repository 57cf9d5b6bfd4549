"""The rules for all kinds, in order; the first that applies decides."""

from collections.abc import Callable
from typing import Final

from engine.objects.kstatus import kinds, workloads
from engine.objects.kstatus.result import (
    Health,
    MalformedError,
    Status,
    conditions,
    current,
    failed,
    field,
    generation,
    in_progress,
)
from engine.objects.ref import Object

_RULES: Final[dict[tuple[str, str], Callable[[Object], Health]]] = {
    ("", "ConfigMap"): kinds.always_ready,
    ("", "Secret"): kinds.always_ready,
    ("batch", "CronJob"): kinds.always_ready,
    ("", "Service"): kinds.service,
    ("", "PersistentVolumeClaim"): kinds.volume_claim,
    ("policy", "PodDisruptionBudget"): kinds.disruption_budget,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): kinds.definition,
    ("apps", "Deployment"): workloads.deployment,
    ("extensions", "Deployment"): workloads.deployment,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("extensions", "DaemonSet"): workloads.daemon_set,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("extensions", "ReplicaSet"): workloads.replica_set,
    ("bitnami.com", "SealedSecret"): kinds.sealed_secret,
}


def health(obj: Object, now: float, *, started_job_is_current: bool = False) -> Health:
    """How the object is doing; Unknown, with the reason, if its status cannot be read.

    now: epoch seconds, asked for by unscheduled Pods only.
    started_job_is_current: False as Flux waits for a Job's end; True as the library itself says.
    """
    try:
        return _by_common_fields(obj) or _by_kind(obj, now, started_job_is_current)
    except MalformedError as error:
        return Health(Status.UNKNOWN, str(error))


def _by_common_fields(obj: Object) -> Health | None:
    """What deletion, generations and the two standard conditions decide, None if nothing."""
    deleted, found = field(obj, "metadata", "deletionTimestamp")
    if found and not isinstance(deleted, str):
        raise MalformedError(f".metadata.deletionTimestamp is {deleted!r}, not a string")
    if deleted:
        return Health(Status.TERMINATING, "Resource scheduled for deletion")
    wanted = generation(obj, "metadata", "generation")
    seen = generation(obj, "status", "observedGeneration") if wanted is not None else None
    if seen is not None and seen != wanted:
        kind = obj.get("kind", "")
        return in_progress(
            f"{kind} generation is {wanted}, but latest observed generation is {seen}"
        )
    for condition in conditions(obj):
        match condition.type, condition.status:
            case "Reconciling", "True":
                return in_progress(condition.message)
            case "Stalled", "True":
                return failed(condition.message)
    return None


def _by_kind(obj: Object, now: float, started_job_is_current: bool) -> Health:
    kind = (str(obj.get("apiVersion", "")).rpartition("/")[0], obj.get("kind", ""))
    match kind:
        case "", "Pod":
            return kinds.pod(obj, now)
        case "batch", "Job":
            return kinds.job(obj, started_job_is_current)
    if rule := _RULES.get(kind):
        return rule(obj)
    return _by_ready_condition(obj) or current("Resource is current")


def _by_ready_condition(obj: Object) -> Health | None:
    for condition in conditions(obj):
        match condition.type, condition.status:
            case "Ready", "True":
                return current("Resource is Ready")
            case "Ready", "False" | "Unknown":
                return in_progress(condition.message)
    return None
