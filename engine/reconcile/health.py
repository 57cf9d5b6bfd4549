"""The health of what a Kustomization applied: what to wait for, and what comes of it."""

from collections.abc import Sequence
from contextlib import closing

from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.api.meta import HEALTHY, KUSTOMIZE_GROUP, PROGRESSING, SUCCEEDED
from engine.apply import ChangeSet, Executor, Outcome, wait_healthy
from engine.apply.wait import Target
from engine.errors import HealthCheckCanceled
from engine.objects.ref import Object, Ref
from engine.reconcile.builds import Desired
from engine.reconcile.correction import corrected
from engine.reconcile.expressions import checked, health_expressions
from engine.reconcile.looks import Drifted, Looks
from engine.reconcile.outcome import requested_at
from engine.reconcile.run import Run
from engine.reconcile.sources import Source
from engine.reconcile.telling import phase
from engine.status.conditions import condition, find, with_condition, without_conditions


def targets_of(ks: Kustomization, changes: ChangeSet) -> list[Target]:
    """What must be healthy: everything applied with `wait`, else `healthChecks`."""
    own = Ref(KUSTOMIZE_GROUP, "Kustomization", ks.metadata.namespace, ks.metadata.name)
    if ks.spec.wait:
        targets = [
            Target(done.ref, done.version, _may_vanish(done.live))
            for done in changes.done
            if done.outcome is not Outcome.SKIPPED
        ]
    else:
        versions = [
            (check.api_version or "apps/v1").rpartition("/")[2] for check in ks.spec.health_checks
        ]
        targets = [Target(ref, version) for ref, version in zip(checked(ks), versions, strict=True)]
    return [target for target in targets if target.ref != own]


async def healthy_targets(
    targets: Sequence[Target],
    desired: Desired,
    ks: Kustomization,
    source: Source,
    executor: Executor,
    run: Run,
) -> None:
    """Returns when all are healthy; holds no slot while it waits, and corrects what drifts then.

    Raises HealthCheckFailed, or HealthCheckCanceled if something newer arrived.
    """
    conditions = run.status.get("conditions") or []
    if not targets:
        if find(conditions, HEALTHY) is not None:
            run.status["conditions"] = without_conditions(conditions, HEALTHY)
        return
    before, message = find(conditions, HEALTHY), phase("Running health checks", ks, source)
    if not run.is_routine:  # a Pod that moves to another node must not make Ready flap
        _set_healthy(run, "Unknown", PROGRESSING, message)
    started = run.engine.clock.monotonic()
    with closing(Looks(executor, run, message, health_expressions(ks))) as looks:
        while not await _is_healthy(targets, looks, ks.timeout, started, run):
            if not run.turn.superseded.is_set():
                await corrected(desired, ks, source, executor, run)
                continue
            newer = _newer(source, run)
            raise HealthCheckCanceled(
                f"New reconciliation triggered by {newer}",
                told=f"Health checks canceled due to new reconciliation triggered by {newer}",
            )
    is_news = run.changed and not run.is_correction
    if before is not None and before["status"] == "True" and not is_news:
        run.status["conditions"] = with_condition(run.status["conditions"], before)
        return
    spent = format_duration(round(run.engine.clock.monotonic() - started, 3))
    message = f"Health check passed in {spent}"
    _set_healthy(run, "True", SUCCEEDED, message)
    run.emit("Normal", PROGRESSING, message, run.told)


async def _is_healthy(
    targets: Sequence[Target], looks: Looks, limit: float, started: float, run: Run
) -> bool:
    """Whether all are healthy; False: something drifted, or something newer arrived."""
    async with run.turn.yielded():
        with run.turn.until_superseded() as scope:
            try:
                await wait_healthy(targets, looks, run.engine.clock, limit, started)
            except Drifted:
                return False
    return not scope.cancelled_caught


def _newer(source: Source, run: Run) -> Ref:
    """What ended the wait: the object itself if it is another one, what it read, or its source."""
    own = run.engine.mirror.get(run.turn.key)
    if own is None or requested_at(own) != requested_at(run.given):
        return run.turn.key
    is_same = own["metadata"].get("generation") == run.given["metadata"].get("generation")
    if not is_same:
        return run.turn.key
    return run.engine.configs.news(run.turn.key) or source.ref


def _may_vanish(obj: Object | None) -> bool:
    """Whether a finished Job removes itself."""
    spec = (obj or {}).get("spec") or {}
    return (obj or {}).get("kind") == "Job" and spec.get("ttlSecondsAfterFinished") is not None


def _set_healthy(run: Run, status: str, reason: str, message: str) -> None:
    generation = run.given["metadata"].get("generation", 0)
    new = condition(HEALTHY, status, reason, message, generation, run.engine.now())
    run.status["conditions"] = with_condition(run.status.get("conditions") or [], new)
