"""A Kustomization whose folder is not there: what it may still build, and when it is deleted."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pytest

from engine.app import _concerned
from engine.objects.manifests import dump
from engine.objects.ref import Object, Ref
from engine.reconcile.access import Access, Rights
from engine.reconcile.reservations import Reservations
from engine.source.artifact import Artifact
from engine.source.tree import MemoryTree
from tests.support.build import config
from tests.support.reconciling import APP, SOURCE, Workshop, _object

OTHER = Ref(APP.group, APP.kind, APP.namespace, "other")
PARENT = Ref(APP.group, APP.kind, APP.namespace, "parent")
X = Ref("", "ConfigMap", "ns", "x")


@pytest.fixture
def shop() -> Workshop:
    """With the engine's own judgement of what a commit concerns."""
    made = Workshop()
    engine = made.engine
    concerned = partial(_concerned, engine.mirror, engine.artifacts, engine.readers)
    engine.triggers._concerned = concerned
    reservations = Reservations(
        engine.mirror,
        engine.clusters,
        engine.triggers,
        lambda user, source: bool(concerned([user], source)),
        made.clock,
        Rights(Access(made.clock), "", ""),
    )
    reservations.complete()
    made.engine = replace(engine, reservations=reservations)
    return made


def commit(shop: Workshop, number: int, **folders: Mapping[str, Object]) -> None:
    """A revision with these folders of manifests."""
    content = {
        f"{folder}/{name}.yaml": dump(obj).encode()
        for folder, objects in folders.items()
        for name, obj in objects.items()
    }
    revision = f"main@sha1:{number}"
    artifact = Artifact(revision, f"sha256:{number}", MemoryTree(content))
    shop.engine.artifacts.put(SOURCE, artifact)
    described = {"revision": revision, "digest": artifact.digest, "url": "http://x"}
    shop.tell(_object(SOURCE, {}, status={"artifact": described}))


def configs(*names: str) -> dict[str, Object]:
    return {name: config(name) for name in names}


async def test_what_a_folder_that_is_still_to_come_may_hold_is_not_deleted(shop: Workshop) -> None:
    commit(shop, 1, a=configs("a"), other=configs("x", "y"))
    shop.kustomization(path="./a")
    shop.kustomization(OTHER, path="./other")
    await shop.run()
    await shop.run(OTHER)
    shop.kustomization(path="./b")  # its folder comes with the next commit
    await shop.run()

    commit(shop, 2, a=configs("a"), b=configs("x"), other=configs("y"))
    await shop.run(OTHER)

    assert X in shop.client.objects
    assert any(
        "x stays for now: it may be wanted by Kustomization/flux/app" in each
        for each in shop.told()
    )


async def test_a_kustomization_that_leaves_git_with_its_folder_is_deleted_at_once(
    shop: Workshop,
) -> None:
    app = shop.kustomization(path="./a")
    spec = {"apiVersion": app["apiVersion"], "kind": APP.kind, "spec": app["spec"]}
    manifest = {**spec, "metadata": {"name": APP.name, "namespace": APP.namespace}}
    commit(shop, 1, a=configs("a"), clusters={"app": manifest, **configs("y")})
    shop.kustomization(PARENT, path="./clusters")
    await shop.run()
    await shop.run(PARENT)

    commit(shop, 2, clusters=configs("y"))
    await shop.run(PARENT)
    assert "deletionTimestamp" not in shop.client.objects[APP]["metadata"]
    shop.pushed.clear()
    await shop.run()
    assert PARENT in shop.pushed
    await shop.run(PARENT)

    assert "deletionTimestamp" in shop.client.objects[APP]["metadata"]
