"""Delete what left Git: in the reverse order, only what was judged, and only what is ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from engine.apply.changes import Done, Outcome
from engine.apply.executor import Executor, each
from engine.apply.failures import refused
from engine.cluster import Conflict, Resource, UnknownKind
from engine.objects.ref import Object, Ref
from engine.plan import Action, Change, Plan
from engine.plan.order import rank_of
from engine.plan.policy import is_kept

_TRIES = 5  # judgements of an object that keeps changing


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was done, and what resisted: {ref: (API version, why)}, still in the inventory."""

    done: tuple[Done, ...]
    survivors: dict[Ref, tuple[str, str]]


async def prune(plan: Plan, executor: Executor) -> Pruned:
    """Carries out the deletions of a plan.

    Every DELETE carries uid and resourceVersion of the object that was judged; if it changed in
    between it is judged again.
    """
    done: list[Done] = []
    survivors: dict[Ref, tuple[str, str]] = {}
    for _, batch in groupby(plan.prunes, lambda change: rank_of(change.ref)):
        changes = list(batch)
        work = partial(_pruned, plan=plan, executor=executor)
        results = await each(changes, work, executor.in_flight)
        for change, result in zip(changes, results, strict=True):
            if isinstance(result, Done):
                done.append(result)
            else:
                survivors[change.ref] = (change.version, refused(change.ref, result, "delete"))
    return Pruned(tuple(done), survivors)


async def _pruned(change: Change, plan: Plan, executor: Executor) -> Done:
    ref, version, live = change.ref, change.version, change.live
    if change.action is Action.KEEP:
        return Done(ref, version, Outcome.SKIPPED, live)
    if change.action is not Action.DELETE:
        return Done(ref, version, Outcome.SKIPPED)
    try:
        resource = await executor.client.discovery.resource(ref.group, version, ref.kind)
    except UnknownKind:
        # Its definition is gone, and with it every object of the kind.
        return Done(ref, version, Outcome.DELETED)
    if live is None:  # it could not be read for the plan
        live = await executor.client.get(resource, ref.namespace, ref.name)
    for attempt in range(1, _TRIES + 1):
        if live is None:
            break
        if not plan.policy.owner.owns(live) or is_kept(live):
            return Done(ref, version, Outcome.SKIPPED, live)
        try:
            await _delete(ref, resource, live, executor)
            return Done(ref, version, Outcome.DELETED, live)
        except Conflict:
            if attempt == _TRIES:
                raise
        live = await executor.client.get(resource, ref.namespace, ref.name)
    return Done(ref, version, Outcome.DELETED)


async def _delete(ref: Ref, resource: Resource, live: Object, executor: Executor) -> None:
    await executor.client.delete(
        resource,
        ref.namespace,
        ref.name,
        uid=live["metadata"]["uid"],
        resource_version=live["metadata"]["resourceVersion"],
    )


def messages_of(survivors: dict[Ref, tuple[str, str]]) -> str:
    """A line for each object that could not be deleted."""
    return "\n".join(why for _, why in survivors.values())


def told(done: Sequence[Done]) -> list[Done]:
    """What an event tells of a prune: everything but objects that were gone already."""
    return [each for each in done if each.live is not None]
