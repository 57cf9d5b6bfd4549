"""What an outcome makes of a status: pure.

The order of Flux's conditions, and which of them a success, a failure or progress sets or removes
(flux-behaviour 1.2, 3.3, 4.3).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.api.meta import (
    PROGRESSING,
    PROGRESSING_WITH_RETRY,
    READY,
    RECONCILING,
    REQUESTED_AT,
    STALLED,
)
from engine.errors import Failure
from engine.objects.ref import Object
from engine.status.conditions import (
    condition,
    find,
    is_true,
    with_condition,
    without_conditions,
)

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """How a story ended well.

    message: of Ready True.  requeue_after: seconds before jitter.  note: text of the event that
    tells of it if anything changed, "" = none.
    """

    message: str
    reason: str
    requeue_after: float | None
    note: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def progressing(obj: Object, draft: Status, message: str, now: str) -> Status:
    """The status while a run goes on: Ready Unknown, Reconciling with what is done now."""
    generation = obj["metadata"].get("generation", 0)
    conditions = draft.get("conditions") or []
    ready = condition(READY, "Unknown", PROGRESSING, "Reconciliation in progress", generation, now)
    reconciling = condition(RECONCILING, "True", PROGRESSING, message, generation, now)
    conditions = with_condition(conditions, ready)
    return {**draft, "conditions": with_condition(conditions, reconciling)}


def succeeded(obj: Object, draft: Status, result: Result, now: str) -> Status:
    """The status after a success."""
    generation = obj["metadata"].get("generation", 0)
    conditions = without_conditions(draft.get("conditions") or [], RECONCILING, STALLED)
    ready = condition(READY, "True", result.reason, result.message, generation, now)
    return {
        **draft,
        **handled(obj),
        "conditions": with_condition(conditions, ready),
        "observedGeneration": generation,
    }


def failed(obj: Object, draft: Status, failure: Failure, progress: str, now: str) -> Status:
    """The status after a failure: stalled where trying again is useless, else retrying.

    progress: what the run was doing, "" if it had not begun: then what the run before it did.
    """
    generation = obj["metadata"].get("generation", 0)
    conditions = draft.get("conditions") or []
    before = find(conditions, RECONCILING)
    ready = condition(READY, "False", failure.reason, failure.message, generation, now)
    conditions = with_condition(conditions, ready)
    status = {**draft, **handled(obj)}
    if failure.terminal:
        other = condition(STALLED, "True", failure.reason, failure.message, generation, now)
        status["observedGeneration"] = generation
    else:
        text = progress or (before["message"] if before else "Reconciliation in progress")
        other = condition(RECONCILING, "True", PROGRESSING_WITH_RETRY, text, generation, now)
    return {**status, "conditions": with_condition(conditions, other)}


def handled(obj: Object) -> Status:
    """The request that this run answered, so that `flux reconcile` sees it done."""
    requested = requested_at(obj)
    return {"lastHandledReconcileAt": requested} if requested else {}


def requested_at(obj: Object) -> str:
    """The token of the newest manual request, "" if there was none."""
    return str((obj["metadata"].get("annotations") or {}).get(REQUESTED_AT, ""))


def is_stalled(obj: Object) -> bool:
    """Whether the object waits for a change of its spec."""
    return is_true((obj.get("status") or {}).get("conditions") or [], STALLED)


def is_ready(obj: Object) -> bool:
    """Whether the object says Ready about its newest generation."""
    status = obj.get("status") or {}
    ready = find(status.get("conditions") or [], READY)
    return bool(
        ready
        and ready.get("status") == "True"
        and status.get("observedGeneration") == obj["metadata"].get("generation")
    )


def has_progressed(old: Object | None, new: Object) -> bool:
    """Whether a dependant could go on now: Ready, at a revision or generation that is news."""
    if not is_ready(new):
        return False
    if old is None or not is_ready(old):
        return True
    return _applied(old) != _applied(new)


def _applied(obj: Object) -> object:
    return (obj.get("status") or {}).get("lastAppliedRevision")
