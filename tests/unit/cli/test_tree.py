import gzip
from base64 import b64encode
from typing import Any

import orjson

from tests.support.scripted_api import ScriptedApi, json
from tests.unit.cli.conftest import Lockstep

KS = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"
HR = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/flux-system/helmreleases"
NESTED = "flux-system_{}_kustomize.toolkit.fluxcd.io_Kustomization"
RELEASE = "flux-system_web_helm.toolkit.fluxcd.io_HelmRelease"


def kustomization(api: ScriptedApi, name: str, *ids: str, **spec: Any) -> None:
    obj = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": spec,
        "status": {"inventory": {"entries": [{"id": each, "v": "v1"} for each in ids]}},
    }
    api.on("GET", f"{KS}/{name}", json(obj))


async def test_two_that_hold_each_other_end(api: ScriptedApi, lockstep: Lockstep) -> None:
    kustomization(api, "a", NESTED.format("a"), NESTED.format("b"))
    kustomization(api, "b", NESTED.format("a"), "x_y__ConfigMap")
    ended = await lockstep("tree", "ks", "a")

    assert ended.out.splitlines()[:4] == [
        "Kustomization/flux-system/a",
        "└── Kustomization/flux-system/b",
        "    ├── Kustomization/flux-system/a",
        "    └── ConfigMap/x/y",
    ]


async def test_one_that_is_gone_is_told_and_the_rest_is_shown(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    kustomization(api, "a", NESTED.format("gone"), "x_y__ConfigMap")
    ended = await lockstep("tree", "ks", "a")

    assert ended.status == 0
    assert "└── ConfigMap/x/y" in ended.out
    assert ended.err == (
        "! Kustomization/flux-system/gone is in an inventory, but not in the cluster\n"
    )


async def test_what_is_in_another_cluster_is_not_looked_for_here(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    kustomization(api, "a", NESTED.format("b"), kubeConfig={"secretRef": {"name": "x"}})
    ended = await lockstep("tree", "ks", "a")

    assert ended.err == ""
    assert not api.asked("GET", f"{KS}/b")


def release(api: ScriptedApi, stored: bytes) -> None:
    status = {
        "storageNamespace": "shop",
        "history": [{"name": "web", "version": 3, "namespace": "shop"}],
    }
    metadata = {"name": "web", "namespace": "flux-system"}
    api.on(
        "GET", f"{HR}/web", json({"kind": "HelmRelease", "metadata": metadata, "status": status})
    )
    secret = {"data": {"release": b64encode(stored).decode()}}
    api.on("GET", "/api/v1/namespaces/shop/secrets/sh.helm.release.v1.web.v3", json(secret))
    api.on("GET", "/api", json({"versions": ["v1"]}))
    api.on("GET", "/apis", json({"groups": []}))
    kinds = [{"name": "services", "kind": "Service", "namespaced": True}]
    api.on("GET", "/api/v1", json({"resources": kinds}))


async def test_a_release_shows_what_helm_stored(api: ScriptedApi, lockstep: Lockstep) -> None:
    manifest = (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    )
    release(api, b64encode(gzip.compress(orjson.dumps({"manifest": manifest}))))
    kustomization(api, "a", RELEASE)
    ended = await lockstep("tree", "ks", "a")

    assert ended.out.splitlines()[:4] == [
        "Kustomization/flux-system/a",
        "└── HelmRelease/flux-system/web",
        "    ├── Service/shop/web",
        "    └── Namespace/shop",
    ]


async def test_a_release_that_helm_did_not_store_is_an_error_without_its_content(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    release(api, b64encode(b"secret words"))
    kustomization(api, "a", RELEASE)
    ended = await lockstep("tree", "ks", "a")

    assert ended.status == 1
    assert "failed to decode the Helm storage object for HelmRelease/flux-system/web" in ended.err
    assert "secret" not in ended.err
