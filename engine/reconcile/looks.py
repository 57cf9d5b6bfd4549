"""Look at the health of objects: off the watches, and by asking where there is none.

Ours      the live view shows how they are
others'   followed by name while they are not well
Pods      of a ReplicaSet or StatefulSet that is in progress: their failure is its own, so they are
          followed as long.  A Deployment's rules ask for no Pods (cli-utils, statusreaders).
"""

import math
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from engine.apply import Executor
from engine.apply.executor import each as each_of
from engine.apply.wait import Sight, Target
from engine.cluster import Resource, UnknownKind
from engine.cluster.following import Followed, Wanted
from engine.objects.kstatus import Health, Status, health, is_lost, with_failed_pods
from engine.objects.labels import Test, selector_test, selector_text
from engine.objects.ref import Object, Ref
from engine.plan.observation import Observation
from engine.reconcile.expressions import HealthExpressions
from engine.reconcile.reaching import check_reachable
from engine.reconcile.run import Run

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two questions
_LOOK_ANYWAY = 30.0  # seconds between two looks at what the watches show, should one tell nothing
_PODS_OF = ("StatefulSet", "ReplicaSet")  # whose Pods' failure is theirs (flux-behaviour 1.8)
_ABSENT = Health(Status.NOT_FOUND, "")


class Drifted(Exception):  # noqa: N818 - not an error, a reason to stop waiting
    """Something is to be corrected before the next look."""


@dataclass(frozen=True, slots=True)
class _Pod:
    """What is kept of a Pod."""

    labels: Mapping[str, str]
    is_lost: bool


class Looks:
    """Looks at targets, and keeps the status up to date while the waiting lasts.

    Until `close` it follows what it found not to be well.
    """

    def __init__(
        self, executor: Executor, run: Run, message: str, expressions: HealthExpressions
    ) -> None:
        self._executor, self._run, self._message = executor, run, message
        self._expressions = expressions
        self._pause = _FIRST_PAUSE
        self._named: dict[Ref, Followed] = {}
        self._pods: dict[Ref, tuple[Followed, Test]] = {}  # {workload: (Pods, which are its own)}
        self._news = anyio.Event()

    @asynccontextmanager
    async def __call__(self, targets: Sequence[Target]) -> AsyncIterator[Sight]:
        """How they are.  Raises Drifted; ReconciliationFailed while the cluster is silent."""
        live, drift, owner = self._executor.live, self._run.cluster.drift, self._run.turn.key
        refs = [target.ref for target in targets]
        check_reachable(self._run)
        with live.listening(refs) as self._news, drift.waiting(owner, self._wake):
            due = drift.due(owner)
            if due <= 0:
                raise Drifted
            await self._run.progress(self._message, from_here=True)
            self._end_but(refs)
            states = {ref: state for ref in refs if (state := self._shown(ref)) is not None}
            asked = [target for target in targets if target.ref not in states]
            found = await each_of(asked, self._asked, self._executor.in_flight)
            for target, result in zip(asked, found, strict=True):
                states[target.ref] = _state_of(result)
            is_polling = any(
                states[target.ref].status is not Status.CURRENT and self._shown(target.ref) is None
                for target in asked
            )
            pause = min(due, self._again(states, is_polling=is_polling))
            seen = {ref: state for ref, state in states.items() if state is not _ABSENT}
            yield Sight(seen, pause, self._news)

    def close(self) -> None:
        """Nobody waits any more."""
        self._end_but(())

    def _wake(self) -> None:
        self._news.set()

    def _end_but(self, refs: Collection[Ref]) -> None:
        """Follows nothing but what these objects need."""
        for ref in [ref for ref in self._named if ref not in refs]:
            self._executor.live.following.end(self._named.pop(ref), self._wake)
        for ref in [ref for ref in self._pods if ref not in refs]:
            self._end_pods(ref)

    def _end_pods(self, ref: Ref) -> None:
        if ref in self._pods:
            followed, _ = self._pods.pop(ref)
            self._executor.live.following.end(followed, self._wake)

    def _shown(self, ref: Ref) -> Health | None:
        """What the watches show of it; None: not all that decides."""
        own = self._shown_alone(ref)
        if own is None or not self._is_by_pods(ref, own):
            if own is not None:
                self._end_pods(ref)
            return own
        followed, is_own = self._pods.get(ref, (None, None))
        if followed is None or is_own is None or not self._is_fresh(followed):
            return None
        pods: Collection[_Pod] = followed.objects.values()
        return with_failed_pods(own, sum(pod.is_lost and is_own(pod.labels) for pod in pods))

    def _shown_alone(self, ref: Ref) -> Health | None:
        """The same by the object itself, whatever its Pods do."""
        named, seen = self._named.get(ref), self._executor.live.current(ref)
        if named is not None:
            return self._judged(named.objects.get(ref.name)) if self._is_fresh(named) else None
        if seen is None or not self._is_told(ref, seen):
            return None
        again_at = seen.health.recheck_at
        is_due = again_at is not None and again_at <= self._executor.clock.wall()
        return None if is_due else seen.health

    def _is_told(self, ref: Ref, seen: Observation) -> bool:
        """Whether what the live view shows is for us to say: ours, or judged and seen as by all."""
        key = self._run.turn.key
        if seen.owner == (key.name, key.namespace):
            return True
        is_judged = self._executor.live.judges.is_judged(ref, seen.owner)
        return not (self._executor.client.user or is_judged or self._expressions.judges(ref))

    def _is_by_pods(self, ref: Ref, own: Health) -> bool:
        is_open = own.status is Status.IN_PROGRESS and ref.kind in _PODS_OF
        return is_open and not self._expressions.judges(ref)

    def _is_fresh(self, followed: Followed) -> bool:
        return followed.is_fresh(self._executor.clock.monotonic())

    def _judged(self, obj: Object | None) -> Health:
        """How the object is, by our expressions or by the rules for all kinds."""
        if obj is None:
            return _ABSENT
        if self._expressions.judges(Ref.of(obj)):
            return self._expressions.health(obj)
        return health(obj, self._executor.clock.wall())

    def _again(self, states: Mapping[Ref, Health], *, is_polling: bool) -> float:
        """Seconds after which it is worth looking again without news."""
        now = self._executor.clock.wall()
        due = [each.recheck_at - now for each in states.values() if each.recheck_at is not None]
        pause = _LOOK_ANYWAY
        if is_polling:
            pause, self._pause = self._pause, min(self._pause * 1.5, _LONGEST_PAUSE)
        due.append(self._run.progress_due)
        return max(_FIRST_PAUSE, min([pause, *due]))

    async def _asked(self, target: Target) -> Health:
        """How it is, by a request; from then on it is followed, unless it is well or has failed."""
        client, ref = self._executor.client, target.ref
        try:
            resource = await client.discovery.resource(ref.group, target.version, ref.kind)
        except UnknownKind:
            return _ABSENT
        obj = await client.get(resource, ref.namespace, ref.name)
        own = self._judged(obj)
        if own.status in (Status.CURRENT, Status.FAILED) or (obj is None and target.may_vanish):
            return own
        if self._shown_alone(ref) is None and ref not in self._named:
            wanted = Wanted(resource, ref.namespace, _whole, name=ref.name)
            followed = await self._executor.live.following.begin(wanted, client, self._wake)
            if followed is not None:
                self._named[ref] = followed
        own = self._shown_alone(ref) or own
        if obj is None or not self._is_by_pods(ref, own):
            return own
        return self._shown(ref) or await self._with_pods(obj, own)

    async def _with_pods(self, workload: Object, own: Health) -> Health:
        """The same with its Pods, which are followed if they can be."""
        client, ref = self._executor.client, Ref.of(workload)
        selector = selector_text((workload.get("spec") or {}).get("selector") or {})
        try:
            resource = await client.discovery.resource("", "v1", "Pod")
        except UnknownKind:
            return own
        if not selector:  # the API server takes no such workload
            return own
        if ref not in self._pods:
            await self._follow_pods(ref, resource, selector)
        shown = self._shown(ref)
        if shown is not None:
            return shown
        listed = await client.list(resource, ref.namespace, label_selector=selector)
        return with_failed_pods(own, sum(_pod(pod).is_lost for pod in listed.items))

    async def _follow_pods(self, ref: Ref, resource: Resource, selector: str) -> None:
        wanted = Wanted(resource, ref.namespace, _pod, selector=selector)
        following = self._executor.live.following
        followed = await following.begin(wanted, self._executor.client, self._wake)
        if followed is not None:
            self._pods[ref] = followed, selector_test(selector)


def _state_of(result: Health | Exception) -> Health:
    """The health that was found; Unknown, not absent, where the API server refused to tell."""
    if isinstance(result, Exception):
        return Health(Status.UNKNOWN, str(result), None)
    return result


def _whole(obj: Object) -> Object:
    return obj


def _pod(pod: Object) -> _Pod:
    # A clock decides of unscheduled Pods only, which are never lost.
    return _Pod(pod["metadata"].get("labels") or {}, is_lost(pod, health(pod, math.inf)))
