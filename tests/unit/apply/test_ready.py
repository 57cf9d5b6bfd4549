"""What a group waits for is told by the watches; time only bounds it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from random import Random

import anyio

from engine.apply import ChangeSet, apply
from engine.cluster.live import Live
from engine.errors import ReconciliationFailed
from engine.objects.ref import Ref
from tests.support.build import config, made
from tests.support.clock import ManualClock, settle
from tests.support.executing import MANAGER, executor, plan_for
from tests.support.memory_client import MemoryClient

NAMESPACE = Ref("", "Namespace", "", "ns")


class Heard(Live):
    """A live view of which the test says when something is heard."""

    heard: anyio.Event | None = None

    @contextmanager
    def listening(self, refs: Collection[Ref]) -> Iterator[anyio.Event]:
        with super().listening(refs) as self.heard:
            yield self.heard


async def test_a_namespace_that_becomes_ready_is_noticed_by_its_event_while_no_time_passes() -> (
    None
):
    client, clock = MemoryClient(), ManualClock()
    live = Heard(client.as_client(), clock, Random(0), MANAGER)
    namespace = made(
        "Namespace", "ns", "", status={"conditions": [{"type": "Reconciling", "status": "True"}]}
    )
    done: list[ChangeSet] = []

    async def run() -> None:
        plan = plan_for(client, namespace, config("a"))
        done.append(await apply(plan, executor(client, clock=clock, live=live)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await settle()
        assert live.heard is not None
        assert client.writes() == ["apply Namespace/ns"]
        client.objects[NAMESPACE]["status"] = {"phase": "Active"}
        live.heard.set()

    assert str(done[0]) == "Namespace/ns created\nConfigMap/ns/a created"


async def test_a_namespace_that_goes_meanwhile_is_not_waited_for_until_the_time_is_over() -> None:
    client, clock = MemoryClient(), ManualClock()
    live = Heard(client.as_client(), clock, Random(0), MANAGER)
    going = made("Namespace", "ns", "", status={"phase": "Terminating"})
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    refused: list[str] = []

    async def run() -> None:
        try:
            plan = plan_for(client, made("Namespace", "ns", ""), config("a"))
            await apply(plan, executor(client, clock=clock, live=live))
        except ReconciliationFailed as error:
            refused.append(error.message)

    async with anyio.create_task_group() as tasks:
        client.before("apply Namespace/ns", lambda: client.objects.__setitem__(NAMESPACE, going))
        tasks.start_soon(run)
        await settle()
        assert live.heard is not None
        del client.objects[NAMESPACE]
        live.heard.set()

    assert len(refused) == 1
    assert "Namespace/ns was deleted while it was waited for" in refused[0]
