"""What a plan asks the API server for beside what the watches show."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import anyio

from engine.api.meta import KUSTOMIZE_GROUP
from engine.cluster.census import FEW
from engine.objects.ref import Ref
from tests.support.build import config
from tests.support.clock import ManualClock, settle
from tests.support.reconciling import Workshop


@asynccontextmanager
async def watching_shop() -> AsyncIterator[Workshop]:
    """A Workshop whose live view follows what it is asked to."""
    shop = Workshop(clock=ManualClock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shop.engine.clusters.own.live.serve)
        await settle()
        yield shop
        tasks.cancel_scope.cancel()


def asked(shop: Workshop) -> list[str]:
    """The questions about ConfigMaps, watches apart."""
    return [call for call in shop.client.calls if call.startswith(("get ConfigMap", "list Config"))]


async def test_a_new_object_is_looked_for_by_name() -> None:
    async with watching_shop() as shop:
        shop.source("main@sha1:1", a=config("a"))
        shop.kustomization()
        await shop.run()

        assert asked(shop) == ["get ConfigMap/ns/a"]


async def test_where_many_kustomizations_begin_at_once_none_asks_by_name() -> None:
    async with watching_shop() as shop:
        shop.source("main@sha1:1", a=config("a"))
        shop.kustomization()
        with ExitStack() as others:
            for number in range(FEW):
                other = Ref(KUSTOMIZE_GROUP, "Kustomization", "flux", f"other-{number}")
                others.enter_context(shop.engine.triggers.running(other))
            await shop.run()

        assert asked(shop) == ["list ConfigMap"]
        assert "apply ConfigMap/ns/a" in shop.client.calls
