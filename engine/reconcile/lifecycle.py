"""What every reconcile has in common, and the only place where a Failure becomes a status.

Failure, not terminal   Ready False, Reconciling True (ProgressingWithRetry), tried again
Failure, terminal       Ready False and Stalled True, not tried again until the object changes
anything else           a bug: logged with its traceback, Ready False (Failed), back-off
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from engine.api.decode import Undecodable, decode
from engine.api.duration import format_duration
from engine.api.meta import FINALIZER, Model
from engine.cluster import ApiError, LeaseLost, Resource
from engine.cluster.errors import is_outdated
from engine.errors import Failed, Failure, Malformed, ReconciliationFailed
from engine.objects.redact import mask, masker
from engine.objects.ref import Object, Ref
from engine.reconcile.forgetting import forget
from engine.reconcile.outcome import Result, Status, failed, handled, requested_at, succeeded
from engine.reconcile.run import Engine, Run
from engine.reconcile.sources import Outdated
from engine.reconcile.suspension import forget_suspension, rest
from engine.reconcile.triggers import INTERVAL, is_correction
from engine.runtime import Requeue, Turn
from engine.runtime.backoff import jittered
from engine.telemetry import because, concluded, logger, on_behalf_of, reconciling, span

_ROUTINE = (INTERVAL, "retry")  # queued before each run; the reason is what came on top


_SHORTEST = 1.0  # seconds between two runs by the clock: `1ms` would be a request storm


@dataclass(frozen=True, slots=True)
class Story:
    """How one kind is reconciled.

    controller: Flux's name, in events.  manager: field manager of its status.
    reconcile: the happy path.  finalize: what happens before the finalizer goes.
    retry_after: seconds until the next try after a failure; None: growing back-off.
    close: last changes of the draft, once the outcome (its reason) is known.
    salvage: of a malformed object what its deletion needs; decodes in any case.
    """

    group: str
    version: str
    kind: str
    model: type[Model]
    controller: str
    manager: str
    reconcile: Callable[[Any, Run], Awaitable[Result]]
    finalize: Callable[[Any, Run], Awaitable[None]]
    retry_after: Callable[[Any], float | None]
    close: Callable[[Run, str, Failure | None], None]
    salvage: Callable[[Object], Object]


async def lifecycle(turn: Turn[Ref], story: Story, resource: Resource, engine: Engine) -> Requeue:
    """Reconciles one object once, and says when to come back."""
    obj = await _current(turn, resource, engine)
    if obj is None:
        return Requeue()
    try:
        run = Run(engine, turn, resource, obj, story.controller, story.manager)
        requeue = await _traced(run, story)
    finally:
        is_gone = engine.mirror.get(turn.key) is None
        if is_gone:  # meanwhile: what the run noted after that was told would stay
            forget(turn.key, engine)
    return Requeue() if is_gone else requeue


async def _traced(run: Run, story: Story) -> Requeue:
    """One run, as logs, metrics and traces see it; what the API server refused becomes a retry."""
    engine, turn, key, obj = run.engine, run.turn, run.turn.key, run.obj
    news = [reason for reason in turn.reasons if reason not in _ROUTINE]
    why = ", ".join(news or turn.reasons)
    asked_by = engine.requests.begun(key, obj)
    cause = asked_by or engine.triggers.causes.take(key)
    with (
        on_behalf_of(cause),
        reconciling(key.kind, key.group, key.namespace, key.name, why, masker(run.secrets)),
        engine.metrics.duration.labels(key.kind, key.name, key.namespace).time(),
        engine.triggers.running(key),
        engine.triggers.causes.lasting(key, cause),
        run.until_end,
    ):
        logger.debug("begins, because of: %s", why)
        try:
            return await _attempt(run, story)
        except LeaseLost as lost:  # perhaps only renewed late: then the run is still owed
            logger.debug("not written", extra=because(lost))
            return Requeue(failed=True, reason="the Lease")
        except Outdated as stale:
            logger.debug("outdated", extra=because(stale))
            return Requeue(after=0.2, reason="outdated")
        except ApiError as error:
            if is_outdated(error):
                return await _looked_again(run, error)
            logger.error("status not written; tried again", extra=because(error))
            return Requeue(failed=True, reason="API server")


async def _current(turn: Turn[Ref], resource: Resource, engine: Engine) -> Object | None:
    """The object to run for, None if there is none, or if another run of it is queued by now.

    Before a correction it is read anew: the watches of two kinds keep no order, so that it may be
    suspended, changed or gone without our knowing.
    """
    obj, key = engine.mirror.get(turn.key), turn.key
    if obj is None or not is_correction(turn.reasons):
        return obj
    try:
        found = await engine.client.get(resource, key.namespace, key.name)
    except ApiError as error:  # the correction itself will say so, and be tried again
        logger.debug("%s not read before a correction", key, extra=because(error))
        return obj
    if found is None:
        engine.triggers.deleted(obj)
        return None
    engine.triggers.changed(found)
    return None if _is_asked_anew(obj, found) else found


def _is_asked_anew(old: Object, new: Object) -> bool:
    """Whether a person has changed what is wanted, or asked for a look at it."""
    is_same = old["metadata"].get("generation") == new["metadata"].get("generation")
    return not is_same or requested_at(old) != requested_at(new)


async def _attempt(run: Run, story: Story) -> Requeue:
    try:
        model = decode(story.model, run.obj)
    except Undecodable as error:
        if not run.obj["metadata"].get("deletionTimestamp"):
            return await _failed(run, story, Malformed(str(error)), None)
        # What is malformed must still be deletable: its inventory says what it owns.
        model = decode(story.model, story.salvage(run.obj))
    metadata = run.obj["metadata"]
    is_deleted = bool(metadata.get("deletionTimestamp"))
    if not is_deleted and FINALIZER not in (metadata.get("finalizers") or ()):
        await _set_finalizers(run, [*(metadata.get("finalizers") or ()), FINALIZER])
    is_suspended = not is_deleted and bool((run.obj.get("spec") or {}).get("suspend"))
    key = run.turn.key
    run.engine.metrics.suspend(key.kind, key.namespace, key.name, is_suspended)
    if is_suspended:
        await _commit(run, {**run.status, **handled(run.given)})
        requeue = await rest(model, run)
        concluded("Suspended")
        _count(run, "success")
        return requeue
    if not is_deleted:
        await forget_suspension(run)
    return await _worked(run, story, model)


async def _worked(run: Run, story: Story, model: Model) -> Requeue:
    """Runs the story; what it raises becomes the outcome."""
    try:
        if run.obj["metadata"].get("deletionTimestamp"):
            return await _deleted(run, story, model)
        result = await story.reconcile(model, run)
    except Failure as failure:
        return await _failed(run, story, failure, model)
    except (LeaseLost, Outdated):
        raise
    except ApiError as error:
        if is_outdated(error):
            raise
        return await _failed(run, story, ReconciliationFailed(str(error)), model)
    except Exception as bug:
        logger.exception("unexpected: this is a bug in Lockstep")
        text = f"unexpected {type(bug).__name__}: {bug}; this is a bug, the log has its traceback"
        return await _failed(run, story, Failed(text), model)
    return await _succeeded(run, story, result)


async def _succeeded(run: Run, story: Story, result: Result) -> Requeue:
    story.close(run, result.reason, None)
    before = run.obj
    await _commit(run, succeeded(run.given, run.status, result, run.engine.now()))
    news = run.obj is not before or run.changed
    is_told = news and not run.is_correction  # what it corrected is told already
    heartbeat = run.engine.settings.status_heartbeat
    if result.note and (is_told or heartbeat):
        is_stored = heartbeat or not run.is_only_noted
        run.emit("Normal", result.reason, result.note, result.metadata, is_stored=is_stored)
    level = logger.info if news else logger.debug
    level("%s in %s", result.message, _spent(run))
    concluded(result.reason, _revision(run))
    _count(run, "success" if result.requeue_after is None else "requeue_after")
    if not result.requeue_after:  # an interval of 0 means: only when something happens, as in Flux
        return Requeue()
    engine, interval = run.engine, max(result.requeue_after, _SHORTEST)
    after = jittered(interval, engine.settings.jitter, engine.random)
    look = engine.verification.next_look
    is_extra = run.is_correction or run.is_noting
    return Requeue(after=look(run.turn.key, after, is_correction=is_extra))


async def _failed(run: Run, story: Story, failure: Failure, model: Model | None) -> Requeue:
    failure.message, failure.told = (
        mask(text, run.secrets) for text in (failure.message, failure.told)
    )
    story.close(run, failure.reason, failure)
    await _commit(run, failed(run.given, run.status, failure, run.doing, run.engine.now()))
    if failure.event:
        run.emit(failure.event_type, failure.reason, failure.told, run.told)
    requeue = _after(failure, run, story, model)
    is_wait = not failure.event or failure.event_type == "Normal"
    if is_wait:
        logger.info("%s: %s", failure.reason, failure.message)
    else:
        text = f"{failure.reason} after {_spent(run)}, {_next(requeue)}"
        logger.error("%s", text, extra=because(failure.message))
    concluded(failure.reason, _revision(run), "" if is_wait else failure.message)
    _count(run, "requeue_after" if is_wait else "error")
    return requeue


def _after(failure: Failure, run: Run, story: Story, model: Model | None) -> Requeue:
    """When the next try is due."""
    if failure.terminal:
        return Requeue()
    if run.turn.superseded.is_set():
        return Requeue(after=0.0, reason="superseded")
    after = failure.retry_after
    if after is None and model is not None and not isinstance(failure, Failed):
        asked = story.retry_after(model)
        after = None if asked is None else max(asked, _SHORTEST)
    return Requeue(after=after, failed=True, reason="retry")


def _spent(run: Run) -> str:
    return format_duration(round(run.seconds, 3))


def _next(requeue: Requeue) -> str:
    """The same for a log line."""
    if requeue.after is not None:
        return f"next try in {format_duration(requeue.after)}"
    return "next try after a growing pause" if requeue.failed else "stalled until it changes"


async def _deleted(run: Run, story: Story, model: Model) -> Requeue:
    finalizers = run.obj["metadata"].get("finalizers") or []
    if FINALIZER not in finalizers:
        return Requeue()
    with span("finalize"):
        await story.finalize(model, run)
    await _set_finalizers(run, [each for each in finalizers if each != FINALIZER])
    logger.info("deleted in %s", _spent(run))
    concluded("Deleted")
    return Requeue()


async def _commit(run: Run, status: Status) -> None:
    with span("status"):
        await run.write(status)


async def _set_finalizers(run: Run, finalizers: list[str]) -> None:
    metadata = run.obj["metadata"]
    patch = {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "finalizers": finalizers,
        }
    }
    run.obj = await run.client.merge_patch(
        run.resource,
        metadata.get("namespace", ""),
        metadata["name"],
        patch,
        field_manager=run.manager,
    )
    if finalizers or not metadata.get("deletionTimestamp"):
        run.engine.triggers.changed(run.obj)


async def _looked_again(run: Run, error: ApiError) -> Requeue:
    """Asks for the object that changed or went while we worked on what it was, and runs again.

    Not left to its watch: a run that begins before the watch has told would only fail again.
    """
    logger.debug("outdated", extra=because(error))
    key = run.turn.key
    try:
        found = await run.client.get(run.resource, key.namespace, key.name)
    except ApiError as problem:
        logger.error("not read; tried again", extra=because(problem))
        return Requeue(failed=True, reason="API server")
    if found is None:
        run.engine.triggers.deleted(run.obj)
        return Requeue()
    run.engine.triggers.changed(found)
    return Requeue(failed=True, reason="conflict")


def _count(run: Run, result: str) -> None:
    key, metrics = run.turn.key, run.engine.metrics
    metrics.reconciles.labels(key.kind.lower(), result).inc()
    conditions = (run.obj.get("status") or {}).get("conditions") or ()
    ready = next((each["status"] for each in conditions if each["type"] == "Ready"), "Unknown")
    metrics.ready(key.kind, key.namespace, key.name, ready)


def _revision(run: Run) -> str:
    """What was worked on: of a Kustomization its source's revision, of a source its own."""
    artifact = run.status.get("artifact") or {}
    return str(run.told.get("revision") or artifact.get("revision") or "")
