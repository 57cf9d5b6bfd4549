"""Who wants an object of another cluster, and may not change it there, has no say of it.

In the engine's own cluster that is asked with each claim (claiming.py).  The credentials of a
kubeconfig are asked only once somebody else wants the same object: what nobody else wants costs
nothing.
"""

from collections.abc import Collection, Mapping

from engine.apply import Executor
from engine.cluster import Resource
from engine.objects.ref import Ref
from engine.reconcile.access import user_of
from engine.reconcile.run import Run
from engine.reconcile.view import served


async def contest(versions: Mapping[Ref, str], executor: Executor, run: Run) -> None:
    """Drops the claims to these objects of those who may not change them, our own included.

    versions: API versions by object.
    """
    claims, owner = run.cluster.claims, run.turn.key
    contested = {ref: each for ref, each in versions.items() if claims.rivals(owner, ref)}
    if not contested:
        return
    resources = await served(contested, executor)
    for ref in contested:
        resource = resources.get((ref.group, ref.kind))
        if resource is not None:
            await _contest(ref, claims.owners_of(ref), resource, run)


async def _contest(ref: Ref, owners: Collection[Ref], resource: Resource, run: Run) -> None:
    for owner in sorted(owners):
        cluster, ks = run.engine.clusters.of(owner), run.engine.mirror.get(owner)
        if cluster.link is None or cluster.outage is not None or ks is None:
            continue
        user = user_of(ks, run.engine.settings.default_service_account)
        client = cluster.client.at(run.turn.priority, owner.namespace)
        client = client.impersonating(user) if user else client
        if not await run.engine.access.may_change(client, ref, resource):
            cluster.claims.forfeit(owner, ref)
