"""The built-in kinds that keep no number of replicas, each with its own rule."""

from datetime import UTC, datetime
from typing import Final

from engine.objects.kstatus.result import (
    Condition,
    Health,
    MalformedError,
    Status,
    conditions,
    current,
    failed,
    field,
    in_progress,
    integer,
    string,
)
from engine.objects.ref import Object

_SCHEDULE_WINDOW: Final = 15.0
"""Seconds that a Pod may stay unscheduled before it counts as Failed (kstatus)."""


def always_ready(_: Object) -> Health:
    """Health of a kind that nothing happens to."""
    return current("Resource is always ready")


def service(obj: Object) -> Health:
    """Health of a Service; a load balancer's address is not waited for."""
    is_balanced = string(obj, "spec.type", "ClusterIP") == "LoadBalancer"
    if is_balanced and not string(obj, "spec.clusterIP", ""):
        return in_progress("ClusterIP not set. Service type: LoadBalancer")
    return current("Service is ready")


def volume_claim(obj: Object) -> Health:
    """Health of a PersistentVolumeClaim."""
    phase = string(obj, "status.phase", "unknown")
    if phase != "Bound":
        return in_progress(f"PVC is not Bound. phase: {phase}")
    return current("PVC is Bound")


def disruption_budget(_: Object) -> Health:
    """Health of a PodDisruptionBudget whose generation was observed."""
    return current("AllowedDisruptions has been computed.")


def definition(obj: Object) -> Health:
    """Health of a CustomResourceDefinition."""
    for condition in conditions(obj):
        match condition.type, condition.status:
            case "NamesAccepted", "False":
                return failed(condition.message)
            case "Established", "False" if condition.reason != "Installing":
                return failed(condition.message)
            case "Established", "True":
                return current("CRD is established")
    return in_progress("Install in progress")


def sealed_secret(obj: Object) -> Health:
    """Health of a SealedSecret, by the condition that its controller writes in place of Ready.

    kstatus has no rule for it, and would call it Current while its Secret cannot be unsealed.
    """
    for condition in conditions(obj):
        match condition.type, condition.status:
            case "Synced", "True":
                return current("SealedSecret is unsealed")
            case "Synced", _:
                return in_progress(condition.message or "SealedSecret is not unsealed")
    return current("Resource is current")


def job(obj: Object, started_is_current: bool) -> Health:
    """Health of a Job; started_is_current: the library's own rule, which Flux replaces."""
    completions = integer(obj, "spec.completions", integer(obj, "spec.parallelism", 1))
    succeeded = integer(obj, "status.succeeded", 0)
    failures = integer(obj, "status.failed", 0)
    for condition in conditions(obj):
        match condition.type, condition.status:
            case "Complete", "True":
                return current(f"Job Completed. succeeded: {succeeded}/{completions}")
            case "Failed", "True":
                return failed(f"Job Failed. failed: {failures}/{completions}")
    if not started_is_current:
        if field(obj, "spec", "suspend")[0] is True:
            return current("Job is suspended")
        return in_progress("Job in progress")
    if not string(obj, "status.startTime", ""):
        return in_progress("Job not started")
    active = integer(obj, "status.active", 0)
    return current(f"Job in progress. success:{succeeded}, active: {active}, failed: {failures}")


def pod(obj: Object, now: float) -> Health:
    """Health of a Pod; now: epoch seconds."""
    found = list(conditions(obj))
    match phase := string(obj, "status.phase", ""):
        case "Succeeded":
            return current("Pod has completed successfully")
        case "Failed":
            return current("Pod has completed, but not successfully")
        case "Running":
            return _running_pod(obj, found)
        case "Pending":
            return _pending_pod(obj, found, now)
        case "":
            return in_progress("Pod phase not available")
    raise MalformedError(f"unknown phase {phase}")


def _running_pod(obj: Object, found: list[Condition]) -> Health:
    if any(condition.type == "Ready" and condition.status == "True" for condition in found):
        return current("Pod is Ready")
    if crashing := _crashing_containers(obj):
        return failed(f"Containers in CrashLoop state: {','.join(crashing)}")
    return in_progress("Pod is running but is not Ready")


def _pending_pod(obj: Object, found: list[Condition], now: float) -> Health:
    refused = next((c for c in found if c.type == "PodScheduled" and c.status == "False"), None)
    if refused is None or refused.reason != "Unschedulable":
        return in_progress("Pod is in the Pending phase")
    recheck_at = _created_at(obj) + _SCHEDULE_WINDOW
    if now < recheck_at:
        return Health(Status.IN_PROGRESS, "Pod has not been scheduled", recheck_at)
    return failed("Pod could not be scheduled")


def _crashing_containers(obj: Object) -> list[str]:
    """Names of the containers that wait in CrashLoopBackOff."""
    statuses, _ = field(obj, "status", "containerStatuses")
    if not isinstance(statuses, list | None):
        raise MalformedError(f".status.containerStatuses is {statuses!r}, not a list")
    return [
        status["name"]
        for status in statuses or ()
        if field(status, "state", "waiting", "reason")[0] == "CrashLoopBackOff" and "name" in status
    ]


def _created_at(obj: Object) -> float:
    """When the object was created, in epoch seconds; long ago if that cannot be read."""
    try:
        created = datetime.fromisoformat(string(obj, "metadata.creationTimestamp", ""))
    except ValueError:
        return float("-inf")
    return created.replace(tzinfo=created.tzinfo or UTC).timestamp()
