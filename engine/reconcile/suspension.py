"""While an object is suspended: it is resumed when its time is over, and its drift is told.

Nothing else is done for it, and its conditions stay as they are.
Source: flux-behaviour 1.1 (suspend); the annotations are ours (plan/suspension.py).
"""

from dataclasses import replace
from typing import Any

from engine.api.kustomize import Kustomization
from engine.api.meta import RECONCILIATION_SUCCEEDED, Model
from engine.apply import Outcome, apply
from engine.apply.changes import Done
from engine.cluster import ApiError
from engine.errors import Failure
from engine.objects.ref import Object, Ref
from engine.plan import Action, make_plan
from engine.plan.drift import writer_of
from engine.plan.inventory import parse_inventory
from engine.plan.suspension import (
    ENDED,
    MARKS,
    UNTIL,
    Suspension,
    has_ended,
    is_in_git,
    is_suspended,
)
from engine.plan.tolerance import left
from engine.reconcile.builds import Desired
from engine.reconcile.claiming import claim
from engine.reconcile.desired import rendered
from engine.reconcile.reaching import reach
from engine.reconcile.run import Run
from engine.reconcile.sources import current_artifact, source_of
from engine.reconcile.target import executor_of, policy_of
from engine.reconcile.telling import FIELDS
from engine.reconcile.triggers import DRIFT
from engine.reconcile.view import live_view
from engine.runtime import Requeue
from engine.telemetry import because, logger

_LOOK = 3600.0  # seconds between two looks at the clock, which may be set anew


async def rest(model: Model, run: Run) -> Requeue:
    """What is done for an object that is suspended, and when to look at it again."""
    requeue = await _until_its_end(run)
    # Only then: whatever goes wrong with that must not keep it suspended.
    if isinstance(model, Kustomization) and is_suspended(run.obj):
        await _tell_drift(model, run)
        await _find_cluster(model, run)
    return requeue


async def _until_its_end(run: Run) -> Requeue:
    """Resumes it once its time is over."""
    suspension = Suspension.of(run.obj)
    try:
        end = suspension.end
    except ValueError as error:
        _say(f"annotation {UNTIL}: {error}; until it says so nothing but a person resumes", run)
        return Requeue()
    if end is None:
        return Requeue()
    remaining = end - run.engine.clock.wall()
    if remaining > 0:
        return Requeue(after=min(remaining, _LOOK), reason="the end of its suspension")
    if has_ended(run.obj, suspension.until):
        _say(
            f"its suspension was over at {suspension.until}, and somebody set spec.suspend again: "
            f"remove it and the annotation {UNTIL} from Git, or set a later time",
            run,
        )
        return Requeue()
    await _resume(suspension, run)
    return Requeue()


async def _resume(suspension: Suspension, run: Run) -> None:
    """Takes the suspension away.  Raises ApiError, Conflict if anybody has changed the object."""
    marks = {**dict.fromkeys(MARKS), ENDED: suspension.until}
    await _patch({"spec": {"suspend": False}}, marks, run)
    run.engine.suspensions.resumed(run.turn.key)
    text = f"resumed, as its time is over: it was {suspension}"
    logger.info("%s", text)
    run.emit("Normal", "Resumed", text, _metadata(run))


async def forget_suspension(run: Run) -> None:
    """Drops what an object that is not suspended still says: it would count for the next time.

    What Git holds stays, as it would be put back.
    """
    run.engine.suspensions.resumed(run.turn.key)
    annotations = run.obj["metadata"].get("annotations") or {}
    stale = tuple(key for key in MARKS if key in annotations and not is_in_git(run.obj, key))
    if stale:
        await _patch({}, dict.fromkeys(stale), run)


async def _patch(change: dict[str, Any], annotations: dict[str, str | None], run: Run) -> None:
    """One write, None takes an annotation away, if the object is still the one that was read."""
    metadata = run.obj["metadata"]
    identity = {key: metadata[key] for key in ("uid", "resourceVersion")}
    run.obj = await run.client.merge_patch(
        run.resource,
        metadata.get("namespace", ""),
        metadata["name"],
        {**change, "metadata": {**identity, "annotations": annotations}},
        field_manager=run.manager,
    )
    run.engine.triggers.changed(run.obj)


async def _find_cluster(ks: Kustomization, run: Run) -> None:
    """Before its cluster is known, what it holds keeps others from deleting it for a while only."""
    if run.engine.clusters.is_placed(run.obj):
        return
    try:
        await reach(ks, run)
    except Failure as error:
        logger.info("cluster of a suspended object not found", extra=because(error))
        return
    run.engine.reservations.applied(run.turn.key)


async def _tell_drift(ks: Kustomization, run: Run) -> None:
    """A Warning for each object that is not as the last run left it; it stays so.

    That it cannot be found out changes no condition of a suspended object.
    """
    is_known = run.engine.builds.last(run.turn.key) is not None
    if is_known and DRIFT not in run.turn.reasons:
        return
    try:
        desired = await _last_applied(ks, run)
        if desired is not None:
            await _compare(desired, ks, run)
    except (Failure, ApiError) as error:
        what = error if _knows_secrets(ks) else type(error).__name__
        logger.info("drift of a suspended object not looked at", extra=because(what))


def _knows_secrets(ks: Kustomization) -> bool:
    """Whether `run.secrets` has all that the last build may hold: variables are not read here."""
    post_build = ks.spec.post_build
    return post_build is None or all(each.kind != "Secret" for each in post_build.substitute_from)


async def _last_applied(ks: Kustomization, run: Run) -> Desired | None:
    """What was applied last; after a restart it is built again, if that gives just the same."""
    built = run.engine.builds.last(run.turn.key)
    if built is not None:
        run.secrets += built.opened.values
        await reach(ks, run)
        return built
    newest: Object = next(iter(run.status.get("history") or ()), {})
    if newest.get("lastReconciledStatus") != RECONCILIATION_SUCCEEDED:
        return None
    source = await source_of(ks, run)
    if source.revision != run.status.get("lastAppliedRevision"):
        return None
    artifact = await current_artifact(source, ks, run)
    await reach(ks, run)
    desired = await rendered(artifact, ks, run)
    if desired.digest != newest.get("digest"):
        run.engine.builds.forget(run.turn.key)
        return None
    await claim(desired, source.revision, executor_of(ks, run, desired), run)
    return desired


async def _compare(desired: Desired, ks: Kustomization, run: Run) -> None:
    """Looks at the objects and tells what is not as it should be; nothing is written."""
    executor, inventory = executor_of(ks, run, desired), parse_inventory(run.status)
    live = await live_view(desired, inventory, executor, run)
    plan = make_plan(desired.objects, live, inventory, policy_of(ks, run))
    warned = tuple(each for each in plan.applies if each.action is Action.WARN)
    changes = await apply(replace(plan, applies=warned, prunes=()), executor)
    for done in changes.done:
        if done.outcome is Outcome.LEFT and done.live is not None:
            text, news = _drifted(done, done.live, desired, run)
            _say(text, run, "DriftDetected", news)
            signature = run.cluster.live.observed(done.live).signature
            content = left(desired.contents[done.ref])
            run.cluster.claims.settle(run.turn.key, done.ref, content, signature)
    for each in plan.applies:
        if each.action is Action.CREATE:
            text = f"{each.ref}{_place(each.ref, desired)} is not in the cluster; it is not created"
            _say(f"{text}, as this is {Suspension.of(run.obj)}", run, "DriftDetected")


def _drifted(done: Done, live: Object, desired: Desired, run: Run) -> tuple[str, str]:
    """(the fields, and who wrote them when; the same without when: else each write were news).

    No values, as what is secret is not known here.
    """
    fields: list[str] = []
    news = [str(done.ref)]
    for each in done.differences[:FIELDS]:
        writer = writer_of(live, each, run.engine.settings.field_manager)
        fields.append(each.path + (f" (by {writer.manager} at {writer.at})" if writer else ""))
        news += each.path, writer.manager if writer else ""
    if len(done.differences) > FIELDS:
        fields.append(f"and {len(done.differences) - FIELDS} more fields")
    listed = "; ".join(fields) or "a field that cannot be changed, or its field owners"
    text = (
        f"drift of {done.ref}{_place(done.ref, desired)}: {listed}; it is not corrected, as this "
        f"is {Suspension.of(run.obj)}"
    )
    return text, " ".join(news)


def _place(ref: Ref, desired: Desired) -> str:
    origin = desired.origins.get(ref)
    return f" ({origin})" if origin else ""


def _say(text: str, run: Run, reason: str = "Suspended", news: str = "") -> None:
    """A Warning, once while the suspension lasts.  news: what is told once, "": the text."""
    if run.engine.suspensions.is_news(run.turn.key, news or text):
        run.emit("Warning", reason, text, _metadata(run))


def _metadata(run: Run) -> dict[str, str]:
    revision = run.status.get("lastAppliedRevision") or (run.status.get("artifact") or {}).get(
        "revision"
    )
    return {"revision": str(revision)} if revision else {}
