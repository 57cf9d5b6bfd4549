"""Delete what left Git: in the reverse order, only what was judged, and only what is ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from engine.apply.changes import Done, Outcome
from engine.apply.execute import Executor, each
from engine.apply.failures import refused
from engine.cluster import Conflict, UnknownKind
from engine.objects.ref import Ref
from engine.plan import Action, Change, Plan
from engine.plan.order import rank_of
from engine.plan.policy import is_kept

_TRIES = 3  # judgements of an object that keeps changing


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
                why = refused(change.ref, result, "delete", "")
                survivors[change.ref] = (change.version, why)
    return Pruned(tuple(done), survivors)


async def _pruned(change: Change, plan: Plan, executor: Executor) -> Done:
    ref, version, live = change.ref, change.version, change.live
    if change.action is not Action.DELETE or live is None:
        return Done(ref, version, Outcome.SKIPPED)
    try:
        resource = await executor.client.discovery.resource(ref.group, version, ref.kind)
    except UnknownKind:
        # Its definition is gone, and with it every object of the kind.
        return Done(ref, version, Outcome.DELETED)
    for attempt in range(_TRIES):
        metadata = live["metadata"]
        try:
            await executor.client.delete(
                resource,
                ref.namespace,
                ref.name,
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )
        except Conflict:
            if attempt == _TRIES - 1:
                raise
            live = await executor.client.get(resource, ref.namespace, ref.name)
            if live is None:
                break
            if not plan.policy.owner.owns(live) or is_kept(live):
                return Done(ref, version, Outcome.SKIPPED, live)
        else:
            break
    return Done(ref, version, Outcome.DELETED)


def messages_of(survivors: dict[Ref, tuple[str, str]]) -> str:
    """A line for each object that could not be deleted."""
    return "\n".join(why for _, why in survivors.values())


def told(done: Sequence[Done]) -> list[Done]:
    """What an event tells of a prune: everything but objects that were gone already."""
    return [each for each in done if each.outcome is Outcome.DELETED or each.live is not None]
