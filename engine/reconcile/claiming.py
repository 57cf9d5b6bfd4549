"""Who wants which object: a claim counts only if the one who claims may change the object.

Else a tenant could keep another one's object from being deleted, or from being corrected, by
writing it into its own Git.
Source: design section 5, "Deleting" (by an identity that may update it).
"""

from collections.abc import Iterable, Mapping
from math import inf

from engine.apply import Executor
from engine.objects.ref import Ref
from engine.plan.reservation import Reserve
from engine.reconcile.builds import Desired
from engine.reconcile.contesting import contest
from engine.reconcile.run import Run
from engine.reconcile.view import served
from engine.runtime.slices import turn


async def claim(desired: Desired, revision: str, executor: Executor, run: Run) -> None:
    """What is desired is claimed, but for what the identity that applies may not change."""
    denied: frozenset[Ref] = frozenset()
    if executor.client.user:
        resources = await served(desired.versions(), executor)
        since = run.started_at if run.is_verification else -inf
        denied = await run.engine.access.denied(executor.client, desired.contents, resources, since)
    await turn()
    run.engine.reservations.claim(run.given, revision, desired.contents.keys() - denied)
    await turn()
    await contest(desired.versions(), executor, run)


async def reserve_of(
    stale: Mapping[Ref, str], limit: float, executor: Executor, run: Run, *, is_last: bool = False
) -> Reserve:
    """What others say of objects that are to be deleted.

    stale: {object: API version}.   limit, is_last: see `Reservations.judge`.
    """
    engine, owner = run.engine, run.turn.key
    await contest(stale, executor, run)
    resources = await served(stale, executor)
    for ref in stale:
        resource = resources.get((ref.group, ref.kind))
        if resource is None:
            continue
        for user in sorted(engine.reservations.strangers(owner, ref)):
            await engine.access.may_change(executor.client.impersonating(user), ref, resource)
    return engine.reservations.judge(owner, limit, stale, is_last=is_last)


def stale_of(inventory: Mapping[Ref, str], desired: Iterable[Ref]) -> dict[Ref, str]:
    """What left Git."""
    wanted = frozenset(desired)
    return {ref: version for ref, version in inventory.items() if ref not in wanted}
