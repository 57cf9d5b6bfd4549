"""What the engine knows of live objects: what an unchanged one costs, also after a restart."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from engine import app
from engine.cluster import Client
from engine.cluster.live import OWNED
from engine.objects.ref import Object
from tests.support.fleet import Fleet, condition_of, config_map, is_ready

COUNT = 25  # of each kind
MANAGED = ("configmaps", "secrets", "services", "deployments.apps")


def files() -> dict[str, Object]:
    """A hundred objects, some of whose values the API server writes in another way or adds to."""
    found: dict[str, Object] = {}
    for number in range(COUNT):
        name = f"o{number}"
        labels = {"app": name}
        container = {
            "name": "web",
            "image": "web:1",
            "ports": [{"containerPort": 80}],
            "env": [{"name": "A", "value": "1"}],
            "resources": {"limits": {"cpu": "0.5", "memory": "64Mi"}},
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
        spec = {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}]},
            },
        }
        found[f"app/c{number}.yaml"] = config_map(name, x=str(number))
        found[f"app/s{number}.yaml"] = made("v1", "Secret", name, stringData={"token": name})
        ports = [{"port": 80, "name": "http"}]
        service = {"selector": labels, "ports": ports}
        found[f"app/v{number}.yaml"] = made("v1", "Service", name, spec=service)
        found[f"app/d{number}.yaml"] = made("apps/v1", "Deployment", name, spec=spec)
    return found


def made(api_version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


def requests(state: app.State) -> Counter[tuple[str, str]]:
    """The engine's requests on managed objects, by verb and resource; watches are none."""
    assert state.client is not None
    counted = Counter(state.client.statistics().requests)
    return Counter(
        {key: n for key, n in counted.items() if key[1] in MANAGED and key[0] != "watch"}
    )


async def test_after_a_restart_a_hundred_unchanged_objects_cost_no_request(fleet: Fleet) -> None:
    await fleet.app(files(), interval="1h")
    async with fleet.engine() as first:
        before = await fleet.until("Kustomization", "app", is_ready)
        cold = requests(first)
    async with fleet.engine() as second:
        await fleet.reconcile("GitRepository", "fleet")
        commit = fleet.commit({"unrelated/a.yaml": config_map("a")})
        await fleet.request("GitRepository", "fleet", commit)
        after = await fleet.until(
            "Kustomization", "app", lambda ks: commit in ks["status"]["lastAppliedRevision"]
        )
        warm = requests(second)

    assert condition_of(before)["status"] == condition_of(after)["status"] == "True"
    assert sum(n for (verb, _), n in cold.items() if verb == "patch") == 4 * COUNT
    assert [key for key in warm if key[0] in ("patch", "get")] == []


async def test_what_was_edited_while_the_engine_was_down_is_corrected_when_it_is_back(
    fleet: Fleet,
) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue")}, interval="1h")
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
    await fleet.patch("ConfigMap", "web", {"data": {"color": "red"}})

    async with fleet.engine():
        await fleet.until("ConfigMap", "web", lambda obj: obj["data"].get("color") == "blue")


@pytest.mark.real("the embedded API server has no admission policies")
async def test_an_object_whose_label_a_policy_strips_is_looked_at_each_time(fleet: Fleet) -> None:
    """No watch tells of it; each look corrects it, and it wakes nobody in between."""
    async with stripping(fleet.client, fleet.namespace):
        await fleet.app({"app/a.yaml": config_map("web", color="blue")}, interval="1h")
        async with fleet.engine() as state:
            await fleet.until("Kustomization", "app", is_ready)
            await fleet.reconcile("Kustomization", "app")
            settled = requests(state)
            await fleet.reconcile("Kustomization", "app")
            again = requests(state) - settled
            await fleet.patch("ConfigMap", "web", {"data": {"color": "red"}})
            await fleet.reconcile("Kustomization", "app")
            data = await fleet.data("web")

    assert again == {("get", "configmaps"): 1}
    assert data == {"color": "blue"}


@asynccontextmanager
async def stripping(client: Client, namespace: str) -> AsyncIterator[None]:
    """Inside, ConfigMaps of the namespace are stored without the label of their owner."""
    name = f"strip-{namespace}"
    policy = {
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["configmaps"],
                }
            ],
        },
        "matchConditions": [{"name": "owned", "expression": f"'{OWNED}' in {_LABELS}"}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "mutations": [
            {
                "patchType": "JSONPatch",
                "jsonPatch": {
                    "expression": "[JSONPatch{op: 'remove', path: '/metadata/labels/' + "
                    f"jsonpatch.escapeKey('{OWNED}')}}]"
                },
            }
        ],
    }
    kinds = {
        "MutatingAdmissionPolicy": policy,
        "MutatingAdmissionPolicyBinding": {"policyName": name},
    }
    group = "admissionregistration.k8s.io"
    for kind, spec in kinds.items():
        resource = await client.discovery.resource(group, None, kind)
        await client.create(resource, made(resource.api_version, kind, name, spec=spec))
    try:
        await _until_stripped(client, namespace)
        yield
    finally:
        for kind in reversed(kinds):
            resource = await client.discovery.resource(group, None, kind)
            await client.delete(resource, "", name)


_LABELS = "(has(object.metadata.labels) ? object.metadata.labels : {})"


async def _until_stripped(client: Client, namespace: str) -> None:
    """A policy holds a moment after it was made."""
    resource = await client.discovery.resource("", "v1", "ConfigMap")
    probe = config_map("probe", namespace)
    probe["metadata"]["labels"] = {OWNED: "probe"}
    with anyio.fail_after(20):
        while True:
            answer = await client.create(resource, probe, namespace, dry_run=True)
            if OWNED not in (answer["metadata"].get("labels") or {}):
                return
            await anyio.sleep(0.1)
