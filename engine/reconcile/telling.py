"""What a Kustomization's run tells: phases, events and its final status."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.api.meta import HEALTHY, PROGRESSING, RECONCILIATION_SUCCEEDED
from engine.apply import ChangeSet
from engine.apply.changes import Done, lines_of
from engine.apply.pruning import Pruned, messages_of, told
from engine.errors import Failure, FolderLost, HealthCheckFailed, PruneFailed
from engine.objects.redact import MASK, masked_values, masker
from engine.objects.ref import Object
from engine.plan.contention import WINDOW
from engine.plan.drift import Difference, writer_of
from engine.reconcile.builds import Desired
from engine.reconcile.outcome import Result
from engine.reconcile.places import places_in_git
from engine.reconcile.run import Run
from engine.reconcile.sources import Source
from engine.render.explanation import Places
from engine.status.conditions import condition, with_condition
from engine.status.history import Outcome, with_outcome
from engine.telemetry import logger

FIELDS, _VALUE = 10, 80  # fields of an object, and characters of a value, that an event shows
_OVERDUE = 3  # objects that a status names
_RECORDED = ("ReconciliationSucceeded", "ReconciliationFailed", "PruneFailed", "HealthCheckFailed")


def phase(what: str, ks: Kustomization, source: Source) -> str:
    """The message of Reconciling while a phase lasts."""
    return f"{what} for revision {source.revision} with a timeout of {format_duration(ks.timeout)}"


async def tell_applied(changes: ChangeSet, desired: Desired, run: Run) -> None:
    """One event with a line for each object that was written, and what had drifted."""
    changed = changes.changed()
    if not changed:
        return
    run.changed = True
    manager = run.engine.settings.field_manager
    for done in changed:
        if done.before is not None or run.is_correction:
            _note_contention(done, manager, run)
    corrected = [done for done in changed if done.before is not None]
    if corrected:
        find = partial(places_in_git, corrected, FIELDS, run)
        await run.engine.reports.add(find, partial(_tell, changed, desired, run))
    else:
        _tell(changed, desired, run, {})


def _tell(changed: Sequence[Done], desired: Desired, run: Run, places: Places) -> None:
    manager, hide = run.engine.settings.field_manager, masker(run.secrets)
    lines = [f"{done}{essence(done, manager)}" for done in changed]
    found = [
        explained(discreet(done, hide), desired, manager, places.get(done.ref, {}))
        for done in changed
        if done.before is not None
    ]
    run.emit("Normal", PROGRESSING, "\n".join([*lines, *found]), run.told)


def _note_contention(done: Done, manager: str, run: Run) -> None:
    """Counts a correction, and warns, once, of an object that somebody else keeps changing."""
    run.engine.metrics.corrections.labels(done.ref.kind).inc()
    before = done.before or {"metadata": {}}
    writers = ((each.path, writer_of(before, each, manager)) for each in done.differences)
    fields = {path: writer.manager if writer else "" for path, writer in writers}
    contended = run.cluster.drift.corrected(done.ref, fields or {"the whole object": ""})
    if contended is not None:
        text = (
            f"contention: {contended.flips} corrections within {format_duration(WINDOW)} were "
            f"undone: {contended}; from now on it is corrected less and less often: stop the other "
            "writer, or leave the field to it (remove it from Git, or spec.ignore)"
        )
        run.emit("Warning", "Contention", text, run.told)
        logger.warning("%s", text)


def discreet(done: Done, hide: Callable[[str], str]) -> Done:
    """The same without the values that `hide` masks: later, long ones would be cut by then.

    What was decrypted may stand in any object.  What somebody wrote in its place is hidden, too.
    """
    if not done.differences:
        return done
    return replace(done, differences=tuple(_discreet(each, hide) for each in done.differences))


def _discreet(difference: Difference, hide: Callable[[str], str]) -> Difference:
    desired = masked_values(difference.desired, hide)
    live = masked_values(difference.live, hide)
    if live is not None and desired != difference.desired:
        live = MASK
    return replace(difference, live=live, desired=desired)


def essence(done: Done, manager: str) -> str:
    """What had drifted, for the end of an event's line: ` (drift: .spec.replicas, by kubectl)`.

    `kubectl get events` shows the first line alone.
    """
    if done.before is None:
        return ""
    if not done.differences:
        return " (drift: its field owners)"
    first = done.differences[0]
    writer = writer_of(done.before, first, manager)
    more = len(done.differences) - 1
    others = f" and {more} more field{'s' * (more > 1)}" if more else ""
    return f" (drift: {first.path}{others}{f', by {writer.manager}' if writer else ''})"


def explained(done: Done, desired: Desired, manager: str, places: Mapping[str, str]) -> str:
    """What was corrected of one object: each field, its values, who wrote it, where Git has it.

    places: `file:line` by the path of a field, for those that are not where the object is.
    """
    origin = desired.origins.get(done.ref)
    fields: list[str] = []
    for each in done.differences[:FIELDS]:
        place = places.get(each.path, origin)
        at = f" ({place})" if place != origin else ""
        fields.append(_field(each, done.before or {}, manager) + at)
    if len(done.differences) > FIELDS:
        fields.append(f"and {len(done.differences) - FIELDS} more fields")
    where = f" ({origin})" if origin else ""
    return f"drift of {done.ref} corrected{where}: {'; '.join(fields) or 'its field owners'}"


def _field(difference: Difference, before: Object, manager: str) -> str:
    writer = writer_of(before, difference, manager)
    by = f" (written by {writer})" if writer else ""
    if difference.live is None:
        return f"{difference.path} was removed, now {shown(difference.desired)}"
    if difference.desired is None:
        return f"{difference.path} was {shown(difference.live)}{by}, now removed"
    was = f"{shown(difference.live)}{by}"
    return f"{difference.path} was {was}, now {shown(difference.desired)}"


def shown(value: Any) -> str:
    """A value as an event shows it: JSON, cut where it is long."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}..."


def tell_pruned(pruned: Pruned, run: Run) -> None:
    """One event with a line for each object that left.  Raises PruneFailed if one resisted."""
    lines = told(pruned.done)
    if lines:
        run.changed = True
        run.emit("Normal", PROGRESSING, lines_of(lines), run.told)
    untold = run.engine.reservations.untold(run.turn.key)
    if untold:
        run.emit("Normal", PROGRESSING, "\n".join(untold), run.told)
    if pruned.survivors:
        raise PruneFailed(messages_of(pruned.survivors))


def success(ks: Kustomization, source: Source, run: Run) -> Result:
    """The end of a good run: the revision counts as applied."""
    run.status["lastAppliedRevision"] = source.revision
    remaining = run.engine.reservations.remaining(run.turn.key)
    if source.origin_revision:
        run.status["lastAppliedOriginRevision"] = source.origin_revision
    else:
        run.status.pop("lastAppliedOriginRevision", None)
    spent, interval = format_duration(round(run.seconds, 3)), format_duration(ks.interval)
    contended = run.cluster.drift.contended(run.turn.key)
    listed = f"; contended: {'; '.join(map(str, contended))}" if contended else ""
    listed += _overdue(run.engine.reservations.overdue(run.turn.key))
    return Result(
        message=f"Applied revision: {source.revision}{listed}",
        reason=RECONCILIATION_SUCCEEDED,
        requeue_after=ks.interval if remaining is None else min(remaining or 1.0, ks.interval),
        note=f"Reconciliation finished in {spent}, next run in {interval}",
        metadata={**run.told, "commit_status": "update"},
    )


def _overdue(lines: Sequence[str]) -> str:
    """What a status says of objects that left Git and are still not deleted: first of all, why."""
    if not lines:
        return ""
    more = f" and {len(lines) - _OVERDUE} more" if len(lines) > _OVERDUE else ""
    return f"; left Git, not deleted: {'; '.join(lines[:_OVERDUE])}{more}"


def close(run: Run, reason: str, failure: Failure | None) -> None:
    """Records the outcome in the history and in Healthy, and that a folder is gone.

    Nothing is recorded for a success that says what the newest entry says already, unless the
    heartbeat is on: an unchanged object costs no write.
    """
    now = run.engine.now()
    if isinstance(failure, FolderLost):
        # Most often a commit removed it together with the Kustomization, which must not be waited
        # for before it is pruned.
        run.engine.reservations.lost_folder(run.given, run.told["revision"])
    if isinstance(failure, HealthCheckFailed):
        generation = run.given["metadata"].get("generation", 0)
        new = condition(HEALTHY, "False", reason, failure.message, generation, now)
        run.status["conditions"] = with_condition(run.status.get("conditions") or [], new)
    is_corrected = run.is_correction and failure is None  # drift changes no status
    if not run.digest or reason not in _RECORDED or is_corrected:
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
