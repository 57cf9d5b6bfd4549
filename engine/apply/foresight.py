"""What a plan would overwrite, asked by dry-runs before anything is written."""

from collections.abc import Sequence

from engine.apply.changes import Done, Outcome
from engine.apply.executor import Executor, each
from engine.apply.write import send
from engine.cluster import Unreachable
from engine.plan import Change
from engine.plan.drift import differences


async def foreseen(changes: Sequence[Change], executor: Executor) -> list[Done]:
    """Of these changes those that would alter a live object, or bring back one that is gone.

    What the API server refuses is left out: applying it will say so.  Raises Unreachable.
    """

    async def foresee(change: Change) -> Done | None:
        ref, desired = change.ref, change.desired or {}
        resource = await executor.client.discovery.resource(ref.group, change.version, ref.kind)
        live = await executor.client.get(resource, ref.namespace, ref.name)
        if live is None:
            return Done(ref, change.version, Outcome.CREATED)
        predicted = await send(desired, resource, live, executor, dry_run=True)
        found = tuple(differences(live, predicted))
        return Done(ref, change.version, Outcome.CONFIGURED, live, found) if found else None

    results = await each(changes, foresee, executor.in_flight)
    for result in results:
        if isinstance(result, Unreachable):
            raise result
    return [result for result in results if isinstance(result, Done)]
