"""What is watched after a start, before anything was built."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio

from engine.api.meta import KUSTOMIZE_GROUP
from engine.cluster import Resource
from engine.cluster.client import Query
from engine.objects.ref import Ref
from engine.plan.inventory import format_inventory
from engine.reconcile.expecting import expect
from tests.support.clock import ManualClock, settle
from tests.support.memory_client import MemoryClient, kind
from tests.support.memory_wire import Line
from tests.support.reconciling import APP, Workshop

OTHER, REMOTE = (Ref(KUSTOMIZE_GROUP, "Kustomization", "flux", name) for name in ("b", "c"))
CONFIGS, SECRETS = kind("v1", "ConfigMap", "configmaps"), kind("v1", "Secret", "secrets")
SERVICES = kind("v1", "Service", "services")


class Asked(MemoryClient):
    """Notes which kinds are watched."""

    watched: list[str]

    @asynccontextmanager
    async def stream(
        self, resource: Resource, namespace: str, query: Query, parameters: Mapping[str, str]
    ) -> AsyncIterator[Line]:
        self.watched.append(resource.plural)
        async with super().stream(resource, namespace, query, parameters) as line:
            yield line


def shop_with(**inventories: tuple[str, ...]) -> tuple[Workshop, Asked]:
    """Kustomizations that have applied an object of each of these kinds."""
    client = Asked(kinds=[CONFIGS, SECRETS, SERVICES])
    client.watched = []
    shop = Workshop(client=client, clock=ManualClock())
    for name, kinds in inventories.items():
        ref = {"app": APP, "b": OTHER, "remote": REMOTE}[name]
        elsewhere = {"kubeConfig": {"secretRef": {"name": "x"}}} if name == "remote" else {}
        ks = shop.kustomization(ref, **elsewhere)
        owned = {Ref("", each, "ns", f"{name}-{each}".lower()): "v1" for each in kinds}
        shop.tell({**ks, "status": {"inventory": format_inventory(owned)}})
    return shop, client


async def after_start(shop: Workshop) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shop.engine.clusters.own.live.serve)
        await settle()
        await expect(shop.engine)
        await settle()
        tasks.cancel_scope.cancel()


async def test_what_was_applied_is_watched_before_anything_runs() -> None:
    shop, client = shop_with(app=("ConfigMap", "Secret"), b=("Secret",))

    await after_start(shop)

    assert sorted(client.watched) == ["configmaps", "secrets"]


async def test_what_was_applied_to_another_cluster_is_not_watched_here() -> None:
    shop, client = shop_with(remote=("Secret",), app=("Service",))

    await after_start(shop)

    assert client.watched == ["services"]


async def test_a_kind_that_is_not_served_any_more_is_left_out() -> None:
    shop, client = shop_with(app=("Gone", "Service"))

    await after_start(shop)

    assert client.watched == ["services"]


async def test_before_all_kustomizations_are_known_nothing_is_watched() -> None:
    shop, client = shop_with(app=("Secret",))
    shop.engine.reservations.known = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shop.engine.clusters.own.live.serve)
        tasks.start_soon(expect, shop.engine)
        await settle()
        assert client.watched == []

        shop.kustomization(OTHER)
        shop.engine.reservations.complete()
        await settle()
        assert client.watched == ["secrets"]
        tasks.cancel_scope.cancel()
