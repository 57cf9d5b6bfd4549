"""Tell what is about to be overwritten in a cluster that was out of reach, before it is.

While nobody could look, others may have changed objects there, perhaps to keep them running.
"""

from engine.api.kustomize import Kustomization
from engine.apply import Executor
from engine.apply.changes import Done, Outcome
from engine.apply.foresight import foreseen
from engine.errors import OverwriteHeld, OverwriteStillHeld
from engine.objects.redact import masker
from engine.plan import Action, Change, Plan
from engine.plan.inventory import parse_inventory
from engine.plan.partition import (
    ANNOTATION,
    APPROVAL,
    OUT_OF_REACH,
    AfterPartition,
    after_partition,
    approval_of,
)
from engine.reconcile.builds import Desired
from engine.reconcile.run import Run
from engine.reconcile.telling import FIELDS, discreet
from engine.reconcile.tolerance import standing
from engine.status.conditions import is_true, without_conditions

_WRITES = (Action.CONFIGURE, Action.CORRECT, Action.CREATE)
_SAFETY_NET = 600.0  # seconds; the approval wakes it
_LISTED = 20  # objects that are told with their fields


async def announce(
    plan: Plan, desired: Desired, ks: Kustomization, executor: Executor, run: Run
) -> None:
    """One event with each object that others changed while the cluster was out of reach.

    Raises ReconciliationFailed where that is to be waited for, or to be approved.
    """
    partitions, owner = run.engine.clusters.partitions, run.turn.key
    if is_true(run.status.get("conditions") or [], OUT_OF_REACH):  # by an engine that is no more
        partitions.begin([owner])
    if not partitions.is_open(owner):
        return
    is_first = not (run.given.get("status") or {}).get("lastAppliedRevision")
    found = [] if is_first else await foreseen(_doubtful(plan, run), executor)
    if found:
        hide = masker(run.secrets)
        lines = [_described(discreet(done, hide), desired, executor) for done in found]
        _tell(lines, ks, run)
    partitions.end(owner)
    conditions = run.status.get("conditions") or []
    run.status["conditions"] = without_conditions(conditions, OUT_OF_REACH)


def _doubtful(plan: Plan, run: Run) -> list[Change]:
    """What is to be written although it is perhaps not as we left it."""
    claims, owner, live = run.cluster.claims, run.turn.key, run.cluster.live
    before = parse_inventory(run.given.get("status") or {})

    def is_doubtful(change: Change) -> bool:
        if change.action not in _WRITES:
            return False
        if change.live is None:  # was it there before?
            return change.ref in before or claims.is_settled_once(owner, change.ref)
        seen = live.get(change.ref)
        return seen is None or not claims.is_as_left(owner, change.ref, seen)

    return [change for change in plan.applies if is_doubtful(change)]


def _tell(lines: list[str], ks: Kustomization, run: Run) -> None:
    """Raises ReconciliationFailed unless it goes on at once."""
    link = run.cluster.link
    name = link.name if link is not None else ""
    mode = after_partition(run.given, run.engine.settings.after_partition)
    partitions, owner, approval = run.engine.clusters.partitions, run.turn.key, approval_of(lines)
    shown = "\n".join(lines[:_LISTED])
    more = f"\nand {len(lines) - _LISTED} more objects" if len(lines) > _LISTED else ""
    head = f"cluster '{name}' was out of reach, and {len(lines)} objects were changed there"
    if mode is AfterPartition.APPLY:
        text = f"{head}; they are overwritten:\n{shown}{more}"
        run.emit("Warning", "DriftDetected", text, run.told)
        return
    annotations = run.given["metadata"].get("annotations") or {}
    if mode is AfterPartition.HOLD:
        if annotations.get(APPROVAL) == approval:
            return
        what = (
            f"nothing is written until the Kustomization is annotated with {APPROVAL}={approval} "
            f"(or {ANNOTATION}=apply)"
        )
        after = _SAFETY_NET
    else:
        now = run.engine.clock.monotonic()
        left = ks.retry_interval - partitions.warned_for(owner, now)
        if left <= 0:
            return
        what, after = "they are overwritten at the next retry: suspend it to prevent that", left
    text = f"{head}; {what}:\n{shown}{more}"
    is_news = partitions.is_news(owner, approval)
    raise (OverwriteHeld if is_news else OverwriteStillHeld)(text, retry_after=after)


def _described(done: Done, desired: Desired, executor: Executor) -> str:
    """One object: which fields are to be overwritten, by whom they were written, what Git says."""
    origin = desired.origins.get(done.ref)
    where = f" ({origin})" if origin else ""
    if done.outcome is Outcome.CREATED:
        return f"{done.ref}{where}: was deleted, is to be created again"
    live = done.live or {}
    fields = [standing(each, live, executor.manager) for each in done.differences[:FIELDS]]
    if len(done.differences) > FIELDS:
        fields.append(f"and {len(done.differences) - FIELDS} more fields")
    return f"{done.ref}{where}: {'; '.join(fields)}"
