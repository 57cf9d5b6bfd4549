"""What the outcome of a GitRepository's run makes of its status and events.

Source: flux-behaviour 3.3, source-controller (reconcileArtifact, notify, internal/reconcile).
"""

from collections.abc import Sequence
from typing import Any

from engine.api.meta import (
    ARTIFACT_IN_STORAGE,
    ARTIFACT_OUTDATED,
    FETCH_FAILED,
    INCLUDE_UNAVAILABLE,
    SOURCE_VERIFIED,
    STORAGE_OPERATION_FAILED,
    SUCCEEDED,
)
from engine.api.source import GitInclude, GitRepository
from engine.errors import Failure
from engine.objects.ref import Object
from engine.reconcile.git_includes import Include
from engine.reconcile.outcome import Result, requested_at
from engine.reconcile.run import Run
from engine.source.failures import (
    ArchiveOperationFailed,
    CopyFailure,
    IncludeNotFound,
    IncludeWithoutArtifact,
    InvalidCommitSignature,
    InvalidGitObject,
    InvalidTagSignature,
    InvalidVerificationMode,
    VerificationError,
)
from engine.source.git import Fetched
from engine.status.conditions import condition, find, with_condition, without_conditions

_SUBJECT = 50  # characters of a commit's subject in an event, as Flux cuts it
_FAILURES = (FETCH_FAILED, INCLUDE_UNAVAILABLE, STORAGE_OPERATION_FAILED)
_OF_STORAGE = (ArchiveOperationFailed, CopyFailure)
_OF_INCLUDES = (IncludeNotFound, IncludeWithoutArtifact)
_OF_SIGNATURES = (
    InvalidCommitSignature,
    InvalidGitObject,
    InvalidTagSignature,
    InvalidVerificationMode,
)


def without(run: Run, *types: str) -> None:
    """Drop conditions that are true no more."""
    run.status["conditions"] = without_conditions(run.status.get("conditions") or [], *types)


async def outdated(run: Run, reason: str, message: str) -> None:
    """Say that the stored artifact, if there is one, is not what is wanted any more.

    reason: "" if upstream is as it was.
    """
    if reason and run.status.get("artifact"):
        _mark(run, ARTIFACT_OUTDATED, "True", reason, message)
    await run.progress(f"building artifact: {message}")


def tell_new(fetched: Fetched, described: Object, run: Run) -> None:
    """The event of a new artifact; none where the same files were stored again."""
    before = (run.given.get("status") or {}).get("artifact") or {}
    if before.get("digest") == described["digest"]:
        return
    run.changed = True
    _tell("NewArtifact", fetched, described, run)


def tell_recovery(fetched: Fetched, described: Object, run: Run) -> None:
    """The event of a success after failures, where no new artifact is told."""
    conditions = (run.given.get("status") or {}).get("conditions") or []
    if not run.changed and any(find(conditions, type_) for type_ in _FAILURES):
        run.changed = True
        _tell(SUCCEEDED, fetched, described, run)


def tell_unchanged(fetched: Fetched, run: Run) -> None:
    """The event of a look that found nothing new, which Flux writes at each interval.

    Here who asks for the look gets it, and all others only if the heartbeat is on: an unchanged
    source costs no write.
    """
    answered = (run.given.get("status") or {}).get("lastHandledReconcileAt", "")
    is_asked = requested_at(run.given) not in ("", answered)
    if is_asked or run.engine.settings.status_heartbeat:
        text = f"artifact up-to-date with remote revision: '{fetched.revision}'"
        run.emit("Trace", "ArtifactUpToDate", text)


def _tell(reason: str, fetched: Fetched, described: Object, run: Run) -> None:
    subject = fetched.commit.subject
    short = subject if len(subject) <= _SUBJECT else subject[:_SUBJECT] + "..."
    metadata = {"revision": fetched.revision, "digest": described["digest"]}
    run.emit("Normal", reason, f"stored artifact for commit '{short}'", metadata)


def stored(
    repository: GitRepository, described: Object, includes: Sequence[Include], run: Run
) -> Result:
    """The end of a good run."""
    run.status["artifact"] = dict(described)
    _observe(repository, includes, run)
    message = f"stored artifact for revision '{described['revision']}'"
    without(run, ARTIFACT_OUTDATED, *_FAILURES)
    _mark(run, ARTIFACT_IN_STORAGE, "True", SUCCEEDED, message)
    return Result(
        message=message,
        reason=SUCCEEDED,
        requeue_after=repository.spec.interval,
    )


def _observe(repository: GitRepository, includes: Sequence[Include], run: Run) -> None:
    """Note with which settings the artifact was made."""
    spec = repository.spec
    observed = {
        "includedArtifacts": [dict(each.described) for each in includes],
        "observedIgnore": spec.ignore,
        "observedInclude": [_described(each) for each in spec.include],
        "observedRecurseSubmodules": spec.recurse_submodules,
        "observedSparseCheckout": list(spec.sparse_checkout),
    }
    for name, value in observed.items():
        if value or (name == "observedIgnore" and value is not None):
            run.status[name] = value
        else:
            run.status.pop(name, None)


def _described(include: GitInclude) -> dict[str, Any]:
    paths = {"fromPath": include.from_path, "toPath": include.to_path}
    named = {key: path for key, path in paths.items() if path}
    return {"repository": {"name": include.repository.name}, **named}


def close(run: Run, reason: str, failure: Failure | None) -> None:
    """Says in its own condition which part failed."""
    if failure is not None:
        run.engine.artifacts.failed(run.turn.key)
    if failure is None or failure.reason in ("Failed", "FeatureGateDisabled"):
        return
    if isinstance(failure, (*_OF_SIGNATURES, CopyFailure)):
        without(run, FETCH_FAILED)  # there was something to judge, or to put together
    type_, status = FETCH_FAILED, "True"
    if isinstance(failure, _OF_STORAGE):
        type_ = STORAGE_OPERATION_FAILED
    elif isinstance(failure, _OF_INCLUDES):
        type_ = INCLUDE_UNAVAILABLE
    elif isinstance(failure, (*_OF_SIGNATURES, VerificationError)):
        type_, status = SOURCE_VERIFIED, "False"
    _mark(run, type_, status, reason, failure.message)


def _mark(run: Run, type_: str, status: str, reason: str, message: str) -> None:
    generation = run.given["metadata"].get("generation", 0)
    new = condition(type_, status, reason, message, generation, run.engine.now())
    run.status["conditions"] = with_condition(run.status.get("conditions") or [], new)
