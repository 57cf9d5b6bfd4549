"""Plan and apply on a cluster in memory."""

from random import Random
from typing import Any

from engine.apply import ChangeSet, Executor, apply, prune
from engine.apply.pruning import Pruned
from engine.cluster.live import Live
from engine.objects.ref import Object, Ref, version_of
from engine.plan import Plan, View, make_plan
from engine.plan.policy import Policy
from tests.support.build import OWNER, owned
from tests.support.clock import ImpatientClock
from tests.support.memory_client import MemoryClient

MANAGER = "kustomize-controller"


def executor(client: MemoryClient, **more: Any) -> Executor:
    """An Executor that never really sleeps; one request at a time, so that calls have an order."""
    wanted: dict[str, Any] = {
        "client": client.as_client(),
        "clock": ImpatientClock(),
        "manager": MANAGER,
        "overridden": (),
        "in_flight": 1,
        "group_timeout": 60.0,
        "origins": {},
        "live": Live(client.as_client(), ImpatientClock(), Random(0), MANAGER),
        "settle": lambda _ref, _signature: None,
    }
    return Executor(**(wanted | more))


def plan_for(
    client: MemoryClient, *desired: Object, owns: tuple[Object, ...] = (), **policy: Any
) -> Plan:
    """The plan for what the cluster holds now."""
    inventory = {Ref.of(obj): version_of(obj) for obj in owns}
    policy_ = Policy(OWNER, **policy)
    return make_plan(
        [owned(obj) for obj in desired], View(dict(client.objects)), inventory, policy_
    )


async def applied(client: MemoryClient, *desired: Object, **policy: Any) -> ChangeSet:
    """Plans and applies."""
    return await apply(plan_for(client, *desired, **policy), executor(client))


async def pruned(client: MemoryClient, *owns: Object, **policy: Any) -> Pruned:
    """Plans with nothing desired, and prunes."""
    return await prune(plan_for(client, owns=owns, **policy), executor(client))
