"""Kustomizations for other clusters, on clusters in memory."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from engine.api.meta import KUSTOMIZE_GROUP
from engine.cluster.endpoint import Endpoint
from engine.cluster.errors import ApiError, Forbidden, Unreachable
from engine.cluster.pool import Link
from engine.cluster.retry import BREAKS
from engine.objects.ref import Ref
from engine.plan.partition import ANNOTATION
from engine.reconcile.clusters import Cluster
from engine.reconcile.reaching import CLUSTER
from tests.support.apiserver import kubeconfig
from tests.support.build import config
from tests.support.clock import ManualClock, settle
from tests.support.memory_client import KINDS, MemoryClient
from tests.support.reconciling import APP, Workshop

EAST, WEST = "http://east", "http://west"
A = Ref("", "ConfigMap", "ns", "a")
OTHER = Ref(KUSTOMIZE_GROUP, "Kustomization", "flux", "other")
TENANT = Ref(KUSTOMIZE_GROUP, "Kustomization", "tenant", "app")


def cluster(uid: str) -> MemoryClient:
    return MemoryClient(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": uid}}
    )


def put_secret(
    shop: Workshop, name: str, host: str, namespace: str = "flux", token: str = "t"
) -> None:
    text = json.dumps(kubeconfig(host, token))
    shop.client.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "data": {"value": base64.b64encode(text.encode()).decode()},
        }
    )


@asynccontextmanager
async def working(*, west: str = "uid-west") -> AsyncIterator[Workshop]:
    """A workshop with two other clusters; the Secrets `east` and `west` lead there."""
    shop = Workshop(client=cluster("uid-own"), clock=ManualClock())
    shop.remote = {EAST: cluster("uid-east"), WEST: cluster(west)}
    for name, host in (("east", EAST), ("west", WEST)):
        put_secret(shop, name, host)
    shop.source("r1", a=config("a"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shop.engine.clusters.own.live.serve)
        tasks.start_soon(shop.engine.clusters.serve)
        await settle()
        yield shop
        tasks.cancel_scope.cancel()


def remote(name: str) -> dict[str, Any]:
    return {"kubeConfig": {"secretRef": {"name": name}}}


def of(shop: Workshop, ref: Ref) -> Cluster:
    return shop.engine.clusters.of(ref)


async def test_objects_go_where_the_secret_leads() -> None:
    async with working() as shop:
        shop.kustomization(**remote("east"))
        await shop.run()

        assert shop.said().startswith("True ")
        assert A in shop.remote[EAST].objects
        assert A not in shop.client.objects
        assert A not in shop.remote[WEST].objects


async def test_the_secret_is_read_again_only_once_it_changes() -> None:
    async with working() as shop:
        shop.kustomization(**remote("east"))
        for _ in range(3):
            await shop.run()
        reads = shop.client.calls.count("get Secret/flux/east")
        put_secret(shop, "east", EAST, token="new")
        await settle()
        await shop.run()

        assert reads == 1
        assert shop.client.calls.count("get Secret/flux/east") == 2
        assert shop.engine.clusters.pool.statistics().links == 2  # the old one is idle


async def test_new_credentials_for_the_same_cluster_change_nothing_there() -> None:
    async with working() as shop:
        shop.kustomization(**remote("east"))
        await shop.run()
        put_secret(shop, "east", EAST, token="new")
        await settle()
        shop.remote[EAST].calls.clear()
        shop.told()
        await shop.run()

        assert shop.remote[EAST].writes() == []
        assert shop.told() == []


async def test_tenants_share_no_view_but_what_they_want() -> None:
    async with working() as shop:
        put_secret(shop, "east", EAST, "tenant")
        shop.kustomization(**remote("east"))
        named = {"kind": "GitRepository", "name": "fleet", "namespace": "flux"}
        shop.kustomization(TENANT, **remote("east"), sourceRef=named)
        await shop.run()
        await shop.run(TENANT)

        one, other = of(shop, APP), of(shop, TENANT)
        assert one.live is not other.live
        assert one.claims is other.claims
        assert one.claims.rivals(APP, A) == {TENANT}


async def test_who_may_not_change_an_object_there_keeps_it_from_nobody() -> None:
    async with working() as shop:
        shop.remote["tenant/east"] = limited = copy(shop.remote[EAST])
        limited._forbidden = {("", "ConfigMap", "ns")}
        put_secret(shop, "east", EAST, "tenant")
        named = {"kind": "GitRepository", "name": "fleet", "namespace": "flux"}
        shop.kustomization(**remote("east"))
        shop.kustomization(TENANT, **remote("east"), sourceRef=named)
        await shop.run(TENANT)
        await shop.run()

        assert of(shop, APP).claims is of(shop, TENANT).claims
        assert of(shop, APP).claims.owners_of(A) == {APP}
        await shop.run(TENANT)
        assert of(shop, APP).claims.owners_of(A) == {APP}
        assert shop.engine.reservations.judge(APP, 300.0)(A) is None


async def test_what_nobody_else_wants_asks_for_no_rights() -> None:
    async with working() as shop:
        shop.kustomization(**remote("east"))
        await shop.run()

        assert [each for each in shop.remote[EAST].calls if each.startswith("may ")] == []


async def test_a_cluster_that_only_says_to_be_another_one_is_not_believed() -> None:
    async with working(west="uid-east") as shop:
        shop.kustomization(**remote("east"))
        shop.kustomization(OTHER, **remote("west"))
        await shop.run()
        await shop.run(OTHER)

        assert of(shop, APP).claims is not of(shop, OTHER).claims
        assert not of(shop, APP).claims.rivals(APP, A)


async def test_who_may_not_see_which_cluster_it_is_works_all_the_same() -> None:
    async with working() as shop:
        shop.remote[EAST].refuse("get Namespace/kube-system", Forbidden(403, "Forbidden", "no"))
        shop.kustomization(**remote("east"))
        await shop.run()

        assert "get Namespace/kube-system" in shop.remote[EAST].calls
        assert shop.said().startswith("True ")


async def test_the_engines_own_cluster_is_recognised_behind_a_kubeconfig() -> None:
    async with working() as shop:
        put_secret(shop, "own", "http://memory")
        shop.remote["http://memory"] = shop.client
        shop.client.endpoint = Endpoint("http://memory")
        shop.kustomization(**remote("own"))
        await shop.run()

        assert shop.engine.clusters.own.claims.wanted(APP) == {A}


async def test_what_answers_otherwise_than_an_api_server_is_not_quoted() -> None:
    async with working() as shop:
        leak = ApiError(404, "", "HTTP 404: aws-secret-key")
        shop.remote[EAST].refuse("get Namespace/kube-system", leak)
        shop.kustomization(**remote("east"))
        await shop.run()

        assert "not as an API server does: HTTP 404" in shop.said()
        assert "aws-secret-key" not in json.dumps(shop.status()) + "".join(shop.told())


async def test_a_kubeconfig_that_leads_elsewhere_is_told_and_deletes_nothing() -> None:
    async with working() as shop:
        shop.kustomization(**remote("east"))
        await shop.run()
        shop.told()
        put_secret(shop, "east", WEST)
        await settle()
        await shop.run(
            reasons=(str(Ref("source.toolkit.fluxcd.io", "GitRepository", "flux", "fleet")),)
        )

        assert A in shop.remote[EAST].objects
        assert A in shop.remote[WEST].objects
        [told] = [each for each in shop.told() if "KubeConfigChanged" in each]
        assert "1 objects stay in cluster 'flux/east'" in told


async def test_one_whose_cluster_is_not_known_holds_back_no_deletion_for_long() -> None:
    async with working() as shop:
        shop.source("r1", a=config("a"), b=config("b"))
        shop.kustomization(timeout="5m")
        await shop.run()
        shop.kustomization(OTHER, **remote("missing"))
        shop.source("r2", b=config("b"))
        await shop.run()
        kept = A in shop.client.objects
        await shop.run(OTHER)
        await shop.run()

        assert kept  # it may be about to be built, and for this cluster
        assert "there is none" in shop.said(ref=OTHER)
        assert A not in shop.client.objects


async def test_one_for_another_cluster_holds_back_nothing() -> None:
    async with working() as shop:
        shop.source("r1", a=config("a"), b=config("b"))
        shop.kustomization()
        shop.kustomization(OTHER, **remote("east"))
        await shop.run()
        await shop.run(OTHER)
        shop.source("r2", b=config("b"))
        await shop.run()

        assert A not in shop.client.objects
        assert A in shop.remote[EAST].objects


def begin_anew(shop: Workshop) -> None:
    """As an engine that has just begun: what is known is what the objects say."""
    for owner in (APP, OTHER):
        shop.engine.clusters.forget(owner)
        shop.engine.builds.forget(owner)
        shop.engine.triggers.behind.add(owner)


@pytest.mark.parametrize(("where", "is_kept"), [("east-too", True), ("west", False)])
async def test_what_a_suspended_one_holds_is_kept_once_its_cluster_is_known(
    where: str, is_kept: bool
) -> None:
    async with working() as shop:
        put_secret(shop, "east-too", EAST, token="other")
        shop.kustomization(OTHER, **remote(where))
        shop.kustomization(**remote("east"))
        await shop.run(OTHER)
        await shop.run()
        shop.kustomization(OTHER, suspend=True)
        begin_anew(shop)
        await shop.run()
        shop.source("r2", b=config("b"))
        await shop.run()
        waited = A in shop.remote[EAST].objects
        shop.pushed.clear()
        await shop.run(OTHER)
        await shop.run()

        assert waited  # its cluster was not known
        assert APP in shop.pushed
        assert (A in shop.remote[EAST].objects) is is_kept


@pytest.mark.parametrize(
    ("now", "is_told"),
    [("west", True), ("east-too", False), ("east", False), ("", True)],
)
async def test_what_stays_in_another_cluster_is_told_by_the_next_engine_too(
    now: str, is_told: bool
) -> None:
    async with working() as shop:
        put_secret(shop, "east-too", EAST, token="other")
        shop.kustomization(**remote("east"))
        await shop.run()
        begin_anew(shop)
        shop.kustomization(**remote(now) if now else {"kubeConfig": None})
        shop.told()
        for _ in range(2):
            await shop.run()

        told = [each for each in shop.told() if "KubeConfigChanged" in each]
        assert len(told) == is_told
        assert all("1 objects stay in cluster 'flux/east'" in each for each in told)


async def test_clusters_that_nobody_uses_are_forgotten() -> None:
    async with working() as shop:
        clusters = shop.engine.clusters
        shop.kustomization(**remote("east"))
        await shop.run()
        link = of(shop, APP).link
        assert link is not None
        known = len(clusters._claims)
        clusters.forget(APP)
        link.scope.cancel()
        await settle()

        assert (known, list(clusters._claims.values())) == (2, [clusters.own.claims])


async def test_when_a_cluster_answers_again_all_that_use_it_are_woken() -> None:
    async with working() as shop:
        shop.kustomization(**remote("east"))
        shop.kustomization(OTHER, **remote("west"))
        await shop.run()
        await shop.run(OTHER)
        link = of(shop, APP).link
        assert link is not None
        link.breaker.failed(Unreachable(0, "", "gone"), BREAKS)
        shop.pushed.clear()
        requeue = await shop.run()
        again = await shop.run()
        link.breaker.answered()

        assert shop.pushed == [APP]
        assert requeue.after == again.after == 600
        assert len([each for each in shop.told() if "gives no answer" in each]) == 1


async def test_a_silent_cluster_is_asked_nothing_by_a_run() -> None:
    async with working() as shop:
        shop.kustomization(**remote("east"))
        await shop.run()
        link = of(shop, APP).link
        assert link is not None
        link.breaker.failed(Unreachable(0, "", "gone"), BREAKS)
        shop.remote[EAST].calls.clear()
        await shop.run()

        assert [each for each in shop.remote[EAST].calls if each != "ping"] == []


async def test_a_write_there_without_an_answer_keeps_the_lease_here() -> None:
    async with working() as shop:
        shop.kustomization(**remote("east"))
        await shop.run()
        shop.remote[EAST].doubtful_until = 123.0

    assert shop.client.doubtful_until == 123.0


async def test_a_deleted_kustomization_leaves_nothing_in_memory() -> None:
    async with working() as shop:
        shop.kustomization(**remote("east"))
        await shop.run()
        clusters = shop.engine.clusters
        clusters.forget(APP)

        assert clusters.of(APP) is clusters.own
        assert clusters.pool.statistics().users == 0
        assert clusters._places == clusters._named == clusters._of == {}


@pytest.mark.parametrize("name", ["missing", "empty"])
async def test_a_secret_without_kubeconfig_is_named(name: str) -> None:
    async with working() as shop:
        metadata = {"name": "empty", "namespace": "flux"}
        shop.client.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        shop.kustomization(**remote(name))
        await shop.run()

        assert shop.said().startswith("False ReconciliationFailed: failed to build kube client: ")
        assert f"'flux/{name}'" in shop.said()


async def cut_off(shop: Workshop) -> Link:
    """The Kustomization has run, and was told that its cluster gives no answer; it is held then."""
    shop.source("r1", a=config("a", data={"k": "v"}))
    shop.kustomization(**remote("east"))
    await shop.run()
    link = of(shop, APP).link
    assert link is not None
    link.breaker.failed(Unreachable(0, "", "gone"), BREAKS)
    await shop.run()
    shop.annotate({ANNOTATION: "hold"})
    return link


async def test_what_is_held_after_an_outage_is_held_by_the_next_engine_too() -> None:
    async with working() as shop:
        link = await cut_off(shop)
        changed = {**shop.remote[EAST].objects[A], "data": {"k": "by hand"}}
        shop.remote[EAST].put(changed)
        shop.engine.clusters.forget(APP)  # as an engine that has just begun
        link.breaker.answered()
        await shop.run()

        assert "cluster 'flux/east' was out of reach, and 1 objects were changed" in shop.said()
        assert shop.remote[EAST].objects[A]["data"] == {"k": "by hand"}


async def test_what_was_deleted_in_an_outage_is_held_by_the_next_engine_too() -> None:
    async with working() as shop:
        link = await cut_off(shop)
        shop.remote[EAST].remove(A)
        await settle()
        shop.engine.clusters.forget(APP)  # as an engine that has just begun
        link.breaker.answered()
        await shop.run()

        assert "ConfigMap/ns/a (app/a.yaml:1): was deleted, is to be created again" in shop.said()
        assert A not in shop.remote[EAST].objects


async def test_an_outage_is_remembered_whatever_else_goes_wrong_until_it_was_looked_at() -> None:
    async with working() as shop:
        link = await cut_off(shop)
        changed = {**shop.remote[EAST].objects[A], "data": {"k": "by hand"}}
        shop.remote[EAST].put(changed)
        link.breaker.answered()
        shop.kustomization(**remote("east"), dependsOn=[{"name": "none"}])
        await shop.run()
        shop.engine.clusters.forget(APP)  # as an engine that has just begun
        shop.kustomization(**remote("east"), dependsOn=[])
        await shop.run()

        assert "1 objects were changed there; nothing is written" in shop.said()
        shop.annotate({ANNOTATION: "apply"})
        await shop.run()
        assert shop.said().startswith("True ")
        assert shop.remote[EAST].objects[A]["data"] == {"k": "v"}
        types = [each["type"] for each in shop.status()["conditions"]]
        assert types == ["Ready", CLUSTER]


async def test_a_secret_of_which_no_connection_could_be_made_is_not_watched() -> None:
    async with working() as shop:
        shop.kustomization(**remote("missing"))
        await shop.run()

        assert repr(shop.engine.clusters.kubeconfigs) == "<Kubeconfigs: 0 are watched>"


async def test_who_names_its_own_certificate_behind_another_ones_address_is_not_believed() -> None:
    async with working() as shop:
        config = kubeconfig(EAST, "t")
        config["clusters"][0]["cluster"]["tls-server-name"] = "mine.example"
        value = base64.b64encode(json.dumps(config).encode()).decode()
        old = shop.client.objects[Ref("", "Secret", "flux", "west")]
        shop.client.put({**old, "data": {"value": value}})
        shop.kustomization(**remote("east"))
        shop.kustomization(OTHER, **remote("west"))
        await shop.run()
        await shop.run(OTHER)

        assert of(shop, APP).claims is not of(shop, OTHER).claims


async def test_a_view_that_could_not_begin_is_begun_anew_by_the_next_run() -> None:
    async with working() as shop:
        shop.kustomization(**remote("east"))
        clusters = shop.engine.clusters
        link = await _linked(shop)
        with anyio.CancelScope() as scope:

            async def cancelled(*_: object, **__: object) -> None:
                scope.cancel()
                await anyio.lowlevel.checkpoint()

            tasks, link.tasks = link.tasks, cast("Any", SimpleNamespace(start=cancelled))
            await clusters.at(link)
        link.tasks = tasks
        first = await clusters.at(link)

        assert scope.cancelled_caught
        assert await first.live.follow(APP, [KINDS[0]]) == {("", "ConfigMap")}


async def _linked(shop: Workshop) -> Link:
    async def endpoint() -> Endpoint:
        return Endpoint(EAST)

    return await shop.engine.clusters.pool.link(APP, "east", "flux/east", endpoint)
