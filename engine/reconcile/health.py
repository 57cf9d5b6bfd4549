"""The health of what a Kustomization applied: what to wait for, and how to look at it."""

from collections.abc import Mapping, Sequence

from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.api.meta import HEALTHY, PROGRESSING, SUCCEEDED
from engine.apply import ChangeSet, Executor, Outcome, wait_healthy
from engine.apply.execute import each
from engine.apply.wait import Target, healthy
from engine.cluster import UnknownKind
from engine.errors import HealthCheckCanceled
from engine.objects.kstatus import Health
from engine.objects.ref import Object, Ref
from engine.reconcile.run import Run
from engine.reconcile.sources import Source
from engine.reconcile.telling import phase
from engine.status.conditions import condition, is_true, with_condition, without_conditions

_PODS_OF = ("StatefulSet", "ReplicaSet")  # whose Pods' failure is theirs (flux-behaviour 1.8)


def targets_of(ks: Kustomization, changes: ChangeSet) -> list[Target]:
    """What must be healthy: everything applied with `wait`, else `healthChecks`."""
    own = Ref(
        "kustomize.toolkit.fluxcd.io", "Kustomization", ks.metadata.namespace, ks.metadata.name
    )
    if ks.spec.wait:
        targets = [
            Target(done.ref, done.version, _may_vanish(done.live))
            for done in changes.done
            if done.outcome is not Outcome.SKIPPED
        ]
    else:
        targets = [
            Target(Ref(group, check.kind, check.namespace, check.name), version)
            for check in ks.spec.health_checks
            for group, _, version in [(check.api_version or "apps/v1").rpartition("/")]
        ]
    return [target for target in targets if target.ref != own]


async def healthy_targets(
    targets: Sequence[Target], ks: Kustomization, source: Source, executor: Executor, run: Run
) -> None:
    """Returns when all are healthy; holds no slot while it waits.

    Raises HealthCheckFailed, or HealthCheckCanceled if something newer arrived.
    """
    conditions = run.status.get("conditions") or []
    if not targets:
        run.status["conditions"] = without_conditions(conditions, HEALTHY)
        return
    was_healthy = is_true(conditions, HEALTHY)
    _set_healthy(run, "Unknown", PROGRESSING, "Running health checks")
    started = run.engine.clock.monotonic()
    await run.progress(phase("Running health checks", ks, source))
    async with run.turn.yielded():
        with run.turn.until_superseded() as scope:
            await wait_healthy(
                targets,
                _Look(executor, run, phase("Running health checks", ks, source)),
                run.engine.clock,
                ks.timeout,
            )
        if scope.cancelled_caught:
            reasons = ", ".join(run.turn.reasons) or "a newer trigger"
            raise HealthCheckCanceled(f"New reconciliation triggered by {reasons}")
    spent = format_duration(round(run.engine.clock.monotonic() - started, 3))
    if was_healthy and not run.changed:
        run.status["conditions"] = conditions
        return
    message = f"Health check passed in {spent}"
    _set_healthy(run, "True", SUCCEEDED, message)
    run.emit("Normal", PROGRESSING, message, source.told())


class _Look:
    """Reads targets, and keeps the status up to date while the waiting lasts."""

    def __init__(self, executor: Executor, run: Run, message: str) -> None:
        self._executor, self._run, self._message = executor, run, message

    async def __call__(self, targets: Sequence[Target]) -> Mapping[Ref, Health]:
        found = await each(targets, self._health, self._executor.in_flight)
        await self._run.progress(self._message)
        return {
            target.ref: state
            for target, state in zip(targets, found, strict=True)
            if isinstance(state, Health)
        }

    async def _health(self, target: Target) -> Health | None:
        client, ref = self._executor.client, target.ref
        resource = await client.discovery.resource(ref.group, target.version, ref.kind)
        obj = await client.get(resource, ref.namespace, ref.name)
        if obj is None:
            return None
        pods = await self._pods(obj) if ref.kind in _PODS_OF else []
        return healthy(obj, pods, self._executor.clock.wall())

    async def _pods(self, obj: Object) -> Sequence[Object]:
        client = self._executor.client
        labels = ((obj.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        try:
            resource = await client.discovery.resource("", "v1", "Pod")
        except UnknownKind:
            return []
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        namespace = obj["metadata"]["namespace"]
        listed = await client.list(resource, namespace, label_selector=selector)
        return listed.items


def _may_vanish(obj: Object | None) -> bool:
    """Whether a finished Job removes itself."""
    spec = (obj or {}).get("spec") or {}
    return (obj or {}).get("kind") == "Job" and spec.get("ttlSecondsAfterFinished") is not None


def _set_healthy(run: Run, status: str, reason: str, message: str) -> None:
    generation = run.obj["metadata"].get("generation", 0)
    new = condition(HEALTHY, status, reason, message, generation, run.engine.now())
    run.status["conditions"] = with_condition(run.status.get("conditions") or [], new)
