"""Columns of pods and of what makes them.

Source: kubernetes pkg/printers/internalversion.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.apiserver.printing.ages import human, seconds_since
from engine.apiserver.printing.cells import (
    AGE,
    CONTAINERS,
    NAME,
    NONE,
    SELECTOR,
    PrinterColumn,
    at,
    column,
    count,
    number,
    since,
    value,
)
from engine.objects.ref import Object


def _ready(obj: Object, _: float) -> str:
    ready = value(obj, "status", "readyReplicas") or 0
    return f"{ready}/{value(obj, 'spec', 'replicas') or 0}"


def _pod_ready(obj: Object, _: float) -> str:
    statuses = value(obj, "status", "containerStatuses") or ()
    ready = sum(bool(each.get("ready")) for each in statuses)
    return f"{ready}/{len(value(obj, 'spec', 'containers') or ())}"


def _pod_status(obj: Object, _: float) -> str:
    reason = str(value(obj, "status", "reason") or value(obj, "status", "phase") or "")
    for status in reversed(value(obj, "status", "containerStatuses") or ()):
        waiting = value(status, "state", "waiting", "reason")
        ended = value(status, "state", "terminated")
        if waiting:
            reason = waiting
        elif ended is not None:
            reason = ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}"
    over = value(obj, "status", "phase") in ("Succeeded", "Failed")
    return "Terminating" if "deletionTimestamp" in obj["metadata"] and not over else reason


def _restarts(obj: Object, _: float) -> str:
    statuses = value(obj, "status", "containerStatuses") or ()
    return str(sum(each.get("restartCount") or 0 for each in statuses))


def _pod_address(obj: Object, _: float) -> str:
    addresses: Sequence[Mapping[str, Any]] = value(obj, "status", "podIPs") or ({},)
    return str(addresses[0].get("ip") or NONE)


def _gates(obj: Object, _: float) -> str:
    gates = value(obj, "spec", "readinessGates") or ()
    met = {
        each["type"]
        for each in value(obj, "status", "conditions") or ()
        if each["status"] == "True"
    }
    found = sum(gate.get("conditionType") in met for gate in gates)
    return f"{found}/{len(gates)}" if gates else NONE


def _completions(obj: Object, _: float) -> str:
    done = value(obj, "status", "succeeded") or 0
    wanted, parallel = value(obj, "spec", "completions"), value(obj, "spec", "parallelism") or 0
    if wanted is not None:
        return f"{done}/{wanted}"
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(obj: Object, now: float) -> str:
    started = value(obj, "status", "startTime")
    ended = value(obj, "status", "completionTime")
    begin = seconds_since(started, now)
    if begin is None:
        return ""
    return human(begin - (seconds_since(ended, now) or 0.0 if ended else 0.0))


_JOB_STATES = (
    ("Complete", "Complete"),
    ("Failed", "Failed"),
    ("", "Terminating"),
    ("Suspended", "Suspended"),
    ("FailureTarget", "FailureTarget"),
    ("SuccessCriteriaMet", "SuccessCriteriaMet"),
)


def _job_status(obj: Object, _: float) -> str:
    true = {
        each["type"]
        for each in value(obj, "status", "conditions") or ()
        if each["status"] == "True"
    }
    if "deletionTimestamp" in obj["metadata"]:
        true.add("")
    return next((text for kind, text in _JOB_STATES if kind in true), "Running")


def _node_selector(obj: Object, _: float) -> str:
    labels: Mapping[str, Any] = value(obj, "spec", "template", "spec", "nodeSelector") or {}
    return ",".join(f"{name}={each}" for name, each in sorted(labels.items())) or NONE


def _last_schedule(obj: Object, now: float) -> str:
    if not value(obj, "status", "lastScheduleTime"):
        return NONE
    return str(since("status", "lastScheduleTime")(obj, now))


_COUNTS = (
    column("Desired", number("spec", "replicas"), "integer"),
    column("Current", number("status", "replicas"), "integer"),
    column("Ready", number("status", "readyReplicas"), "integer"),
)

WORKLOADS: dict[str, Sequence[PrinterColumn]] = {
    "cronjobs.batch": (
        NAME,
        column("Schedule", at("spec", "schedule")),
        column("Timezone", at("spec", "timeZone", default=NONE)),
        column("Suspend", lambda obj, _: str(bool(value(obj, "spec", "suspend"))), "boolean"),
        column("Active", count("status", "active"), "integer"),
        column("Last Schedule", _last_schedule),
        AGE,
    ),
    "daemonsets.apps": (
        NAME,
        column("Desired", number("status", "desiredNumberScheduled"), "integer"),
        column("Current", number("status", "currentNumberScheduled"), "integer"),
        column("Ready", number("status", "numberReady"), "integer"),
        column("Up-to-date", number("status", "updatedNumberScheduled"), "integer"),
        column("Available", number("status", "numberAvailable"), "integer"),
        column("Node Selector", _node_selector),
        AGE,
        *CONTAINERS,
        SELECTOR,
    ),
    "deployments.apps": (
        NAME,
        column("Ready", _ready),
        column("Up-to-date", number("status", "updatedReplicas")),
        column("Available", number("status", "availableReplicas")),
        AGE,
        *CONTAINERS,
        SELECTOR,
    ),
    "jobs.batch": (
        NAME,
        column("Status", _job_status),
        column("Completions", _completions),
        column("Duration", _job_duration),
        AGE,
        *CONTAINERS,
        SELECTOR,
    ),
    "pods": (
        NAME,
        column("Ready", _pod_ready),
        column("Status", _pod_status),
        column("Restarts", _restarts),
        AGE,
        column("IP", _pod_address, wide=True),
        column("Node", at("spec", "nodeName", default=NONE), wide=True),
        column("Nominated Node", at("status", "nominatedNodeName", default=NONE), wide=True),
        column("Readiness Gates", _gates, wide=True),
    ),
    "replicasets.apps": (NAME, *_COUNTS, AGE, *CONTAINERS, SELECTOR),
    "replicationcontrollers": (NAME, *_COUNTS, AGE, *CONTAINERS, SELECTOR),
    "statefulsets.apps": (NAME, column("Ready", _ready), AGE, *CONTAINERS),
}
