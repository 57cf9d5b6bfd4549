"""What a Kustomization's run tells: phases, events and its final status."""

from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.api.meta import HEALTHY, PROGRESSING, RECONCILIATION_SUCCEEDED
from engine.apply import ChangeSet
from engine.apply.changes import lines_of
from engine.apply.pruning import Pruned, messages_of, told
from engine.errors import Failure, HealthCheckFailed, PruneFailed
from engine.objects.ref import Object
from engine.reconcile.outcome import Result
from engine.reconcile.run import Run
from engine.reconcile.sources import Source
from engine.status.conditions import condition, with_condition
from engine.status.history import Outcome, with_outcome

_RECORDED = ("ReconciliationSucceeded", "ReconciliationFailed", "PruneFailed", "HealthCheckFailed")


def phase(what: str, ks: Kustomization, source: Source) -> str:
    """The message of Reconciling while a phase lasts."""
    return f"{what} for revision {source.revision} with a timeout of {format_duration(ks.timeout)}"


def tell_applied(changes: ChangeSet, run: Run) -> None:
    """One event with a line for each object that was written."""
    changed = changes.changed()
    if changed:
        run.changed = True
        run.emit("Normal", PROGRESSING, lines_of(changed), run.told)


def tell_pruned(pruned: Pruned, run: Run) -> None:
    """One event with a line for each object that left.  Raises PruneFailed if one resisted."""
    lines = told(pruned.done)
    if lines:
        run.changed = True
        run.emit("Normal", PROGRESSING, lines_of(lines), run.told)
    if pruned.survivors:
        raise PruneFailed(messages_of(pruned.survivors))


def success(ks: Kustomization, source: Source, run: Run) -> Result:
    """The end of a good run: the revision counts as applied."""
    run.status["lastAppliedRevision"] = source.revision
    if source.origin_revision:
        run.status["lastAppliedOriginRevision"] = source.origin_revision
    else:
        run.status.pop("lastAppliedOriginRevision", None)
    spent, interval = format_duration(round(run.seconds, 3)), format_duration(ks.interval)
    return Result(
        message=f"Applied revision: {source.revision}",
        reason=RECONCILIATION_SUCCEEDED,
        requeue_after=ks.interval,
        note=f"Reconciliation finished in {spent}, next run in {interval}",
        metadata={**run.told, "commit_status": "update"},
    )


def close(run: Run, reason: str, failure: Failure | None) -> None:
    """Records the outcome in the history and in Healthy.

    Nothing is recorded for a success that says what the newest entry says already, unless the
    heartbeat is on: an unchanged object costs no write.
    """
    now = run.engine.now()
    if isinstance(failure, HealthCheckFailed):
        generation = run.given["metadata"].get("generation", 0)
        new = condition(HEALTHY, "False", reason, failure.message, generation, now)
        run.status["conditions"] = with_condition(run.status.get("conditions") or [], new)
    if not run.digest or reason not in _RECORDED:
        return
    history = run.status.get("history") or []
    known = bool(history) and _says(history[0], run, reason)
    if known and not run.changed and not run.engine.settings.status_heartbeat:
        return
    spent = format_duration(round(run.seconds, 3))
    new_outcome = Outcome(run.digest, reason, now, spent, run.told)
    run.status["history"] = with_outcome(history, new_outcome)


def _says(entry: Object, run: Run, reason: str) -> bool:
    return bool(
        entry.get("digest") == run.digest
        and entry.get("lastReconciledStatus") == reason
        and (entry.get("metadata") or {}) == run.told
    )
