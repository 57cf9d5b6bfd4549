"""The health of what a Kustomization applied: what to wait for, and how to look at it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.api.meta import HEALTHY, KUSTOMIZE_GROUP, PROGRESSING, SUCCEEDED
from engine.apply import ChangeSet, Executor, Outcome, wait_healthy
from engine.apply.executor import each as each_of
from engine.apply.wait import Sight, Target
from engine.cluster import UnknownKind
from engine.errors import HealthCheckCanceled
from engine.objects.kstatus import Health, Status, health, with_pods
from engine.objects.ref import Object, Ref
from engine.reconcile.expressions import HealthExpressions, health_expressions
from engine.reconcile.outcome import requested_at
from engine.reconcile.run import Run
from engine.reconcile.sources import Source
from engine.reconcile.telling import phase
from engine.status.conditions import condition, find, with_condition, without_conditions

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two questions
_LOOK_ANYWAY = 30.0  # seconds between two looks at what the watches show, should one tell nothing
_PODS_OF = ("StatefulSet", "ReplicaSet")  # whose Pods' failure is theirs (flux-behaviour 1.8)


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
        if find(conditions, HEALTHY) is not None:
            run.status["conditions"] = without_conditions(conditions, HEALTHY)
        return
    before, message = find(conditions, HEALTHY), phase("Running health checks", ks, source)
    if not run.is_routine:  # a Pod that moves to another node must not make Ready flap
        _set_healthy(run, "Unknown", PROGRESSING, message)
    started = run.engine.clock.monotonic()
    async with run.turn.yielded():
        with run.turn.until_superseded() as scope:
            look = _Look(executor, run, message, health_expressions(ks))
            await wait_healthy(targets, look, run.engine.clock, ks.timeout)
        if scope.cancelled_caught:
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


def _newer(source: Source, run: Run) -> Ref:
    """What ended the wait: the object itself, where it is another one by now, or its source."""
    own = run.engine.mirror.get(run.turn.key)
    if own is None or requested_at(own) != requested_at(run.given):
        return run.turn.key
    is_same = own["metadata"].get("generation") == run.given["metadata"].get("generation")
    return source.ref if is_same else run.turn.key


class _Look:
    """Looks at targets, and keeps the status up to date while the waiting lasts.

    What the live view shows is not asked for; it is looked at again when its watch tells of it.
    """

    def __init__(
        self, executor: Executor, run: Run, message: str, expressions: HealthExpressions
    ) -> None:
        self._executor, self._run, self._message = executor, run, message
        self._expressions = expressions
        self._pause = _FIRST_PAUSE

    @asynccontextmanager
    async def __call__(self, targets: Sequence[Target]) -> AsyncIterator[Sight]:
        live = self._executor.live
        with live.listening([target.ref for target in targets]) as news:
            await self._run.progress(self._message)
            told = {each.ref: seen.health for each in targets if (seen := live.current(each.ref))}
            asked = [each for each in targets if self._is_asked_for(each, told)]
            found = await each_of(asked, self._health, self._executor.in_flight)
            states = dict(told)
            for target, result in zip(asked, found, strict=True):
                state = _state_of(result)
                states.pop(target.ref, None)
                if state is not None:
                    states[target.ref] = state
            yield Sight(states, self._again(told, is_asking=bool(asked)), news)

    def _is_asked_for(self, target: Target, told: Mapping[Ref, Health]) -> bool:
        """Whether no watch shows all that decides.

        So it is of a foreign object, of one whose Pods count, and of one that expressions judge.
        """
        if self._expressions.judges(target.ref):
            return True
        state, now = told.get(target.ref), self._executor.clock.wall()
        if state is None or (state.recheck_at is not None and state.recheck_at <= now):
            return True
        return state.status is Status.IN_PROGRESS and target.ref.kind in _PODS_OF

    def _again(self, told: Mapping[Ref, Health], *, is_asking: bool) -> float:
        """Seconds after which it is worth looking again without news."""
        now = self._executor.clock.wall()
        due = [state.recheck_at - now for state in told.values() if state.recheck_at is not None]
        pause = _LOOK_ANYWAY
        if is_asking:
            pause, self._pause = self._pause, min(self._pause * 1.5, _LONGEST_PAUSE)
        due.append(self._run.progress_due)
        return max(_FIRST_PAUSE, min([pause, *due]))

    async def _health(self, target: Target) -> Health | None:
        client, ref = self._executor.client, target.ref
        try:
            resource = await client.discovery.resource(ref.group, target.version, ref.kind)
        except UnknownKind:
            return None
        obj = await client.get(resource, ref.namespace, ref.name)
        if obj is None:
            return None
        if self._expressions.judges(ref):
            return self._expressions.health(ref, obj)
        now = self._executor.clock.wall()
        own = health(obj, now)
        if own.status is not Status.IN_PROGRESS or ref.kind not in _PODS_OF:
            return own
        return with_pods(own, [(pod, health(pod, now)) for pod in await self._pods(obj)])

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


def _state_of(result: Health | Exception | None) -> Health | None:
    """The health that was found; Unknown, not absent, where the API server refused to tell."""
    if isinstance(result, Exception):
        return Health(Status.UNKNOWN, str(result), None)
    return result


def _may_vanish(obj: Object | None) -> bool:
    """Whether a finished Job removes itself."""
    spec = (obj or {}).get("spec") or {}
    return (obj or {}).get("kind") == "Job" and spec.get("ttlSecondsAfterFinished") is not None


def _set_healthy(run: Run, status: str, reason: str, message: str) -> None:
    generation = run.given["metadata"].get("generation", 0)
    new = condition(HEALTHY, status, reason, message, generation, run.engine.now())
    run.status["conditions"] = with_condition(run.status.get("conditions") or [], new)
