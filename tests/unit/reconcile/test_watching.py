"""What is heard of Flux's kinds, and who is told of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from engine.api import KINDS, Kind
from engine.cluster import Resource
from engine.cluster.client import Query
from engine.cluster.errors import Forbidden
from engine.cluster.watch import Event
from engine.objects.ref import Ref
from engine.reconcile.watching import follow, name_unreconciled
from engine.settings import Settings
from tests.support.build import config
from tests.support.clock import ManualClock, settle
from tests.support.memory_client import MemoryClient, kind
from tests.support.memory_wire import Line
from tests.support.observing import logged
from tests.support.reconciling import APP, Workshop

KUSTOMIZATION = KINDS["kustomize.toolkit.fluxcd.io", "Kustomization"]
HELM = KINDS["helm.toolkit.fluxcd.io", "HelmRelease"]


class Asked(MemoryClient):
    """Notes what watches are asked for."""

    def __init__(self) -> None:
        super().__init__(kinds=[kind("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases")])
        self.watches: list[tuple[str, Query]] = []

    @asynccontextmanager
    async def stream(
        self, resource: Resource, namespace: str, query: Query, parameters: Mapping[str, str]
    ) -> AsyncIterator[Line]:
        self.watches.append((namespace, query))
        async with super().stream(resource, namespace, query, parameters) as line:
            yield line


@asynccontextmanager
async def following(
    selector: str = "", **settings: Any
) -> AsyncIterator[tuple[Workshop, Asked, list[str]]]:
    """A workshop that is told of Kustomizations by a watch, and what the watch says of itself."""
    client, said = Asked(), list[str]()
    shop = Workshop(client=client, settings=Settings(**settings), clock=ManualClock())

    def tell(each: Kind, event: Event) -> None:
        said.append(f"{each.name} {event.type}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow, KUSTOMIZATION, selector, shop.engine, tell)
        await settle()
        yield shop, client, said
        tasks.cancel_scope.cancel()


def app(name: str = "app", **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "flux", "generation": 1, "labels": labels}
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": metadata,
        "spec": {},
    }


async def test_each_change_is_a_trigger_and_the_end_of_the_list_is_told() -> None:
    async with following() as (shop, client, said):
        client.put(app())
        await settle()

        assert said == ["Kustomization SYNCED"]
        assert shop.engine.mirror.get(APP) is not None
        assert shop.pushed == [APP]


async def test_what_an_object_left_behind_goes_with_it() -> None:
    async with following() as (shop, client, _):
        client.put(app())
        await settle()
        engine, wanted = shop.engine, Ref("", "ConfigMap", "ns", "a")
        engine.clusters.own.claims.claim(APP, [wanted])
        engine.clusters.own.claims.settle(APP, wanted, b"content", b"left")
        engine.clusters.own.drift.told(wanted, None, {})
        drifted = engine.clusters.own.drift.statistics().drifted
        engine.clusters.own.live.ignored.set(APP, {wanted: [("data",)]})
        assert engine.clusters.own.live.ignored.is_any(wanted)
        engine.verification.is_due(APP, is_asked=False, is_correction=False)
        client.remove(APP)
        await settle()

        assert drifted == 1
        assert engine.clusters.own.drift.statistics().drifted == 0
        assert engine.mirror.get(APP) is None
        assert engine.clusters.own.claims.owners() == {}
        assert not engine.clusters.own.live.ignored.is_any(wanted)
        assert "0 Kustomizations" in repr(engine.verification)


async def test_of_one_that_was_made_again_by_then_nothing_is_forgotten() -> None:
    """The answer to a write of ours may come before the watch tells that the old one is gone."""
    async with following() as (shop, client, _):
        client.put(app())
        await settle()
        engine, wanted = shop.engine, Ref("", "ConfigMap", "ns", "a")
        old = engine.mirror.get(APP)
        assert old is not None
        version = str(int(old["metadata"]["resourceVersion"]) + 50)
        metadata = {**old["metadata"], "uid": "another", "resourceVersion": version}
        engine.triggers.changed({**old, "metadata": metadata})
        engine.clusters.own.claims.claim(APP, [wanted])
        client.remove(APP)
        await settle()

        assert engine.clusters.own.claims.wanted(APP) == {wanted}


async def test_an_odd_object_stops_the_news_of_no_other() -> None:
    async with following() as (shop, client, _):
        odd = app("odd")
        odd["spec"] = "none"
        with logged() as log:
            client.put(odd)
            client.put(app())
            await settle()

        assert "object of kind Kustomization not understood" in log.getvalue()
        assert shop.engine.mirror.get(APP) is not None


async def test_trouble_is_told_and_a_bookmark_is_not() -> None:
    async with following() as (shop, client, said):
        client.wire.bookmark()
        await settle()
        client.refuse("watch Kustomization", Forbidden(403, "Forbidden", "no"))
        client.wire.cut()
        assert isinstance(shop.clock, ManualClock)
        await shop.clock.advance(2)

        assert said == [f"Kustomization {word}" for word in ("SYNCED", "TROUBLE", "SYNCED")]


@pytest.mark.parametrize(
    ("settings", "namespace"),
    [
        ({"watch_all_namespaces": True}, ""),
        ({"watch_all_namespaces": False, "runtime_namespace": "flux"}, "flux"),
    ],
)
async def test_only_what_this_engine_is_for_is_asked_for(
    settings: dict[str, Any], namespace: str
) -> None:
    async with following("shard=a", **settings) as (shop, client, _):
        client.put(app("other", shard="b"))
        client.put(app(shard="a"))
        await settle()

        assert client.watches == [(namespace, {"label_selector": "shard=a"})]
        assert shop.pushed == [APP]


async def test_an_object_that_is_left_to_another_controller_is_named_once() -> None:
    client = Asked()
    shop = Workshop(client=client, clock=ManualClock())
    release = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "web", "namespace": "apps"},
    }
    with logged() as log:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(name_unreconciled, HELM, shop.engine)
            await settle()
            client.put(release)
            client.put({**client.objects[Ref.of(release)], "spec": {"changed": True}})
            client.put(config("unrelated"))
            await settle()
            tasks.cancel_scope.cancel()

    (line,) = log.getvalue().splitlines()
    assert "HelmRelease" in line
    assert "apps/web" in line
    assert "leave its controller of Flux running" in line
    assert client.watches == [("", {"metadata_only": True})]
