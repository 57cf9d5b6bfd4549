"""What went wrong elsewhere, and must not here: the rows of users.md 3b that want a cluster.

The others are in tests/unit/test_cves.py, test_canaries.py, test_tenancy.py and beside what they
test.
"""

import json
from typing import Any

import pytest

from plugins import PLUGIN
from tests.cluster.conftest import NewNamespace
from tests.support.audit import STARTS, audited
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_ready
from tests.support.tenants import Tenants


def secret(name: str, **values: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": values,
    }


async def test_cve_2021_41254_nothing_that_a_tenant_writes_is_executed(fleet: Fleet) -> None:
    script = "#!/bin/sh\ntouch /tmp/lockstep-was-here; $(touch x) `touch x`\n"
    function = {"config.kubernetes.io/function": "exec: {path: /bin/sh}"}
    hook = {"kind": "X", "metadata": {"name": "x", "annotations": function}}
    await fleet.put(secret("variables", SCRIPT=script, PATH_="$(id)"))
    await fleet.put(secret("keys", **{"identity.asc": script, "x.agekey": script}))
    await fleet.app(
        {
            "app/map.yaml": config_map("map", run="${SCRIPT}", path="$(id)"),
            "app/secret.yaml": secret("script", run=script),
            "exec/kustomization.yaml": {"resources": ["m.yaml"], "transformers": ["t.yaml"]},
            "exec/m.yaml": config_map("m"),
            "exec/t.yaml": {"apiVersion": "x/v1", **hook},
            "helm/kustomization.yaml": {"helmCharts": [{"name": "x", "repo": "file:///x"}]},
        },
        postBuild={"substituteFrom": [{"kind": "Secret", "name": "variables"}]},
        decryption={"provider": "sops", "secretRef": {"name": "keys"}},
    )
    for name in ("exec", "helm"):
        await fleet.kustomization(name, path=f"./{name}")
    await fleet.source("odd", url="ssh://-oProxyCommand=touch@127.0.0.1/x")

    with audited(*STARTS) as started:  # also of what a builder does: it is this process here
        async with fleet.engine(plugins=PLUGIN, concurrent_builds=0):
            for name, why in (("exec", "no containers and programs"), ("helm", "not supported")):
                failed = await fleet.until("Kustomization", name, has_reason("BuildFailed"))
                assert why in condition_of(failed)["message"]
            await fleet.until("GitRepository", "odd", lambda obj: bool(condition_of(obj)))
            await fleet.until("Kustomization", "app", lambda obj: bool(condition_of(obj)))
            await fleet.reconcile("Kustomization", "app")

    assert [list(map(str, arguments[1])) for _, arguments in started] == []


@pytest.fixture
def tenants(fleet: Fleet, new_namespace: NewNamespace) -> Tenants:
    return Tenants(fleet, new_namespace)


async def test_cve_2026_44935_no_reference_reads_a_secret_of_another_namespace(
    tenants: Tenants,
) -> None:
    fleet, own, other = tenants.fleet, await tenants.tenant("configmaps"), await tenants.tenant()
    for kind in ("Secret", "ConfigMap"):
        values = {"stringData" if kind == "Secret" else "data": {"value": "canary", "a": "canary"}}
        await tenants.create({"kind": kind, "metadata": {"name": "theirs"}, **values}, other)
    fleet.commit({"app/a.yaml": config_map("a", own, x="${value}")})
    await tenants.source(own)
    theirs = {"name": "theirs", "namespace": other}
    specs: dict[str, dict[str, Any]] = {
        "secret": {"postBuild": {"substituteFrom": [{"kind": "Secret", **theirs}]}},
        "map": {"postBuild": {"substituteFrom": [{"kind": "ConfigMap", **theirs}]}},
        "decryption": {"decryption": {"provider": "sops", "secretRef": theirs}},
        "cluster": {"kubeConfig": {"secretRef": theirs}},
        "cluster-map": {"kubeConfig": {"configMapRef": theirs}},
    }
    for name, spec in specs.items():
        await tenants.kustomization(own, name, path="./app", **spec)

    async with fleet.engine(plugins=PLUGIN, **tenants.settings):
        for name in specs:
            failed = await tenants.until(own, is_failed, name)
            message = condition_of(failed)["message"]
            assert "not found" in message or "there is none" in message, message
            assert "canary" not in message

    assert await tenants.at(own).get("ConfigMap", "a") is None


def is_failed(obj: Any) -> bool:
    ready = condition_of(obj)
    return ready.get("status") == "False" and ready.get("reason") != "ArtifactFailed"


async def test_cve_2023_22736_a_shard_is_held_to_its_namespaces(tenants: Tenants) -> None:
    fleet, own = tenants.fleet, await tenants.tenant("configmaps")
    fleet.commit({"app/a.yaml": config_map("a")})
    for namespace in (own, fleet.namespace):
        await tenants.source(namespace)
        await tenants.kustomization(namespace, serviceAccountName="", targetNamespace=namespace)
    settings = {**tenants.settings, "watch_all_namespaces": False}

    async with fleet.engine(**settings):
        await fleet.until("Kustomization", "app", is_ready)
        await tenants.reconcile(fleet.namespace, "now")

    untouched = await tenants.at(own).get("Kustomization", "app")
    assert untouched is not None
    assert condition_of(untouched) == {}
    assert "finalizers" not in untouched["metadata"]
    assert await tenants.at(own).get("ConfigMap", "a") is None


HELM_RELEASES = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/{}/helmreleases"


@pytest.mark.real("the embedded API server refuses what is nested so deep")
async def test_cve_2024_27454_an_object_nested_without_measure_hides_no_other(fleet: Fleet) -> None:
    """It claims to be ours, and so is told by the watch that tells of all others of its kind."""
    spec = {"interval": "1h", "chartRef": {"kind": "OCIRepository", "name": "x"}}
    labels = {f"kustomize.toolkit.fluxcd.io/{key}": "x" for key in ("name", "namespace")}
    release = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease"}
    deep = {
        **release,
        "metadata": {"name": "deep", "labels": labels},
        "spec": {**spec, "values": 0},
    }
    text = json.dumps(deep).replace(
        '"values": 0', '"values": ' + '{"a":' * 1_500 + "1" + "}" * 1_500
    )
    async with fleet.server.session() as session:
        path, kind = HELM_RELEASES.format(fleet.namespace), {"Content-Type": "application/json"}
        async with session.post(path, data=text, headers=kind) as answer:
            assert answer.status == 201
    await fleet.app({"app/r.yaml": {**release, "metadata": {"name": "good"}, "spec": spec}})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("HelmRelease", "good", {"spec": {"interval": "9h"}})
        await fleet.until("HelmRelease", "good", lambda obj: obj["spec"]["interval"] == "1h")
