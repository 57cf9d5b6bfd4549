from typing import Any

from engine.api import decode
from engine.api.kustomize import Kustomization
from engine.cli.comparing import compared
from engine.cli.places import Place
from engine.cli.rendering import How, made, reading_nothing
from engine.cluster import Resource, UnknownKind
from engine.objects.manifests import dump
from engine.objects.ref import Object, Ref
from engine.plan.policy import Owner, labelled
from engine.source.tree import MemoryTree
from tests.support.memory_client import MemoryClient

OWNER = Owner("app", "flux")


class Serving(MemoryClient):
    """Serves each kind in the one version of its table."""

    async def resource(self, group: str, version: str | None, kind: str) -> Resource:
        found = await super().resource(group, version, kind)
        if version not in (None, found.version):
            raise UnknownKind(f"no kind {kind!r} in {group}/{version}")
        return found

    async def existing(self, group: str, version: str, kind: str) -> Resource:
        return await self.resource(group, None, kind)


def deployment(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"x": 1}}


def kustomization(name: str, *inventory: Object, version: str = "v1", **spec: Any) -> Object:
    entries = [{"id": Ref.of(each).id, "v": version} for each in inventory]
    wanted = {
        "interval": "1m",
        "prune": True,
        "path": ".",
        "sourceRef": {"kind": "GitRepository", "name": "fleet"},
        **spec,
    }
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux"},
        "spec": wanted,
        "status": {"inventory": {"entries": entries}},
    }


async def said(client: MemoryClient, live: Object, *desired: Object) -> list[str]:
    """What applying the objects would do, a line each."""
    files = {f"{number}.yaml": dump(obj).encode() for number, obj in enumerate(desired)}
    place = Place(MemoryTree(files), ".")
    one = await made(decode(Kustomization, live), place, reading_nothing, How())
    found = await compared(one, live, client.as_client())
    return [str(each) for each in found.predictions]


async def test_what_was_applied_in_a_version_not_served_any_more_hides_nothing() -> None:
    stays, goes = deployment("stays"), deployment("goes")
    client = Serving(*(labelled(each, OWNER) for each in (stays, goes)))
    live = kustomization("app", goes, version="v1beta1")

    told = await said(client, live, stays)

    assert [line.rpartition(" (")[0] or line for line in told] == [
        "Deployment/ns/stays configured",
        "Deployment/ns/goes deleted",
    ]


async def test_what_a_kustomization_of_another_cluster_has_holds_nothing_here() -> None:
    goes, stays = deployment("goes"), deployment("stays")
    elsewhere = {"secretRef": {"name": "kubeconfig"}}
    client = Serving(
        *(labelled(each, OWNER) for each in (goes, stays)),
        kustomization("remote", goes, kubeConfig=elsewhere),
        kustomization("local", stays),
    )

    assert await said(client, kustomization("app", goes, stays)) == [
        "Deployment/ns/stays kept (in the inventory of Kustomization/flux/local)",
        "Deployment/ns/goes deleted",
    ]
