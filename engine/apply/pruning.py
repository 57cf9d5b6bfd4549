"""Delete what left Git: in the reverse order, only what was judged, and only what is ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from engine.apply.changes import Done, Outcome
from engine.apply.executor import Executor, each
from engine.apply.failures import refused
from engine.cluster import Conflict, Resource, UnknownKind
from engine.objects.ref import Object, Ref
from engine.plan import Action, Change, Plan
from engine.plan.containment import is_container, is_inside
from engine.plan.order import rank_of
from engine.plan.policy import is_kept
from engine.plan.reservation import Reservation, Reserve, nobody

_TRIES = 5  # judgements of an object that keeps changing


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was done, and what is still there and in the inventory: {ref: (API version, why)}.

    survivors: what resisted.  deferred: what others want or may want.
    """

    done: tuple[Done, ...]
    survivors: dict[Ref, tuple[str, str]]
    deferred: dict[Ref, tuple[str, str]] = field(default_factory=dict)

    def left(self) -> dict[Ref, str]:
        """The API versions of what is still to be deleted."""
        return {ref: version for ref, (version, _) in {**self.survivors, **self.deferred}.items()}


async def prune(plan: Plan, executor: Executor, reserve: Reserve = nobody) -> Pruned:
    """Carries out the deletions of a plan.

    Every DELETE carries uid and resourceVersion of the object that was judged; if it changed in
    between it is judged again.   reserve: as for the plan; asked again right before each request,
    as others may have made up their minds while this one applied.
    """
    done: list[Done] = []
    survivors: dict[Ref, tuple[str, str]] = {}
    deferred: dict[Ref, tuple[str, str]] = {}
    for _, batch in groupby(plan.prunes, lambda change: rank_of(change.ref)):
        changes = list(batch)
        spared = _Spared(reserve, deferred)
        work = partial(_pruned, plan=plan, executor=executor, spared=spared)
        results = await each(changes, work, executor.in_flight)
        for change, result in zip(changes, results, strict=True):
            if isinstance(result, Done):
                done.append(result)
            elif isinstance(result, Reservation):
                deferred[change.ref] = (change.version, result.why)
            else:
                survivors[change.ref] = (change.version, refused(change.ref, result, "delete"))
    return Pruned(tuple(done), survivors, deferred)


@dataclass(frozen=True, slots=True)
class _Spared:
    """What is not deleted now."""

    reserve: Reserve
    deferred: Mapping[Ref, tuple[str, str]]

    def reservation(self, ref: Ref, live: Object) -> Reservation | None:
        """Why the object must stay for now, or for good; a Namespace also for what it holds."""
        if is_container(ref):
            for inner, (_, why) in self.deferred.items():
                if is_inside(inner, ref, live):
                    return Reservation(f"it holds {inner}, {why}")
        return self.reserve(ref)


async def _pruned(
    change: Change, plan: Plan, executor: Executor, spared: _Spared
) -> Done | Reservation:
    """What became of the object, or why it stays for now."""
    ref, version, live = change.ref, change.version, change.live
    if change.action is Action.DEFER:
        return Reservation(change.why)
    if change.action is not Action.DELETE:
        return Done(ref, version, Outcome.SKIPPED, live if change.action is Action.KEEP else None)
    try:
        resource = await executor.client.discovery.existing(ref.group, version, ref.kind)
    except UnknownKind:
        # Its definition is gone, and with it every object of the kind.
        return Done(ref, version, Outcome.DELETED)
    if live is None:  # it could not be read for the plan
        live = await executor.client.get(resource, ref.namespace, ref.name)
    for attempt in range(1, _TRIES + 1):
        if live is None:
            break
        stays = _stays(change, live, plan, spared)
        if stays is not None:
            return stays
        try:
            await _delete(ref, resource, live, executor)
            return Done(ref, version, Outcome.DELETED, live)
        except Conflict:
            if attempt == _TRIES:
                raise
        live = await executor.client.get(resource, ref.namespace, ref.name)
    return Done(ref, version, Outcome.DELETED)


def _stays(change: Change, live: Object, plan: Plan, spared: _Spared) -> Done | Reservation | None:
    """Why the object must not be deleted after all; asked right before the request."""
    reserved = None
    if plan.policy.owner.owns(live) and not is_kept(live):
        reserved = spared.reservation(change.ref, live)
        if reserved is None or not reserved.is_final:
            return reserved
    return Done(change.ref, change.version, Outcome.SKIPPED, live)


async def _delete(ref: Ref, resource: Resource, live: Object, executor: Executor) -> None:
    await executor.client.delete(
        resource,
        ref.namespace,
        ref.name,
        uid=live["metadata"]["uid"],
        resource_version=live["metadata"]["resourceVersion"],
    )


def messages_of(survivors: Mapping[Ref, tuple[str, str]]) -> str:
    """A line for each object that could not be deleted."""
    return "\n".join(why for _, why in survivors.values())


def told(done: Sequence[Done]) -> list[Done]:
    """What an event tells of a prune: everything but objects that were gone already."""
    return [each for each in done if each.live is not None]
