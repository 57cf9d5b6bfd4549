"""What the engine knows of live objects: what an unchanged one costs, also after a restart."""

import secrets
from collections import Counter
from typing import Any

import anyio
import pytest

from engine import app
from engine.cluster import NotFound, Resource
from engine.objects.ref import Object
from tests.support.build import definition
from tests.support.fleet import Fleet, condition_of, config_map, is_at, is_ready

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


@pytest.mark.real("the embedded API server never forgets who wrote in a version that is gone")
@pytest.mark.limit(90)
async def test_objects_of_a_definition_that_drops_their_version_stay_ours(fleet: Fleet) -> None:
    """The API server forgets who wrote in words that it no longer knows; else `y` would stay."""
    group = f"{fleet.namespace}.example.com"
    await fleet.put(defined(group, v1beta1=True))
    await served(fleet, group, "v1beta1")
    await fleet.app({"app/w.yaml": widget("w", group, "v1beta1", x="1", y="1")}, interval="1h")
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await redefine(fleet, defined(group, v1beta1=False, v1=True))
        new = await served(fleet, group, "v1")
        old = await touch(fleet, new)  # stored in the new version from now on
        stored = {"status": {"storedVersions": ["v1"]}}
        await redefine(fleet, {**defined(group, v1=True), **stored}, subresource="status")
        await redefine(fleet, defined(group, v1=True))
        await until_forgotten(fleet, new)
        commit = fleet.commit({"app/w.yaml": widget("w", group, "v1", x="1")})
        await fleet.request("GitRepository", "fleet", commit)
        await fleet.until("Kustomization", "app", is_at(commit))
        applied = await fleet.client.get(new, fleet.namespace, "w")
        patch = {"spec": {"x": "edited"}}
        await fleet.client.merge_patch(new, fleet.namespace, "w", patch, field_manager="somebody")
        with anyio.fail_after(30):
            while (corrected := await fleet.client.get(new, fleet.namespace, "w")) is not None:
                if corrected["spec"] == {"x": "1"}:
                    break
                await anyio.sleep(0.1)

    assert applied is not None
    assert applied["spec"] == {"x": "1"}
    assert corrected is not None
    assert corrected["metadata"]["uid"] == old["metadata"]["uid"]


def widget(name: str, group: str, version: str, **spec: str) -> dict[str, Any]:
    return made(f"{group}/{version}", "Widget", name, spec=spec)


def defined(group: str, **versions: bool) -> dict[str, Any]:
    """Its definition; versions: whether each is served, the last is the one that is stored."""
    crd = definition(group)
    (template,) = crd["spec"]["versions"]
    crd["spec"]["versions"] = [
        {**template, "name": name, "served": is_served, "storage": name == list(versions)[-1]}
        for name, is_served in versions.items()
    ]
    return crd


async def redefine(fleet: Fleet, crd: Object, **how: Any) -> None:
    resource = await fleet.resource("CustomResourceDefinition")
    body = {key: crd[key] for key in ("spec", "status") if key in crd}
    if how:
        body.pop("spec")
    await fleet.client.merge_patch(resource, "", crd["metadata"]["name"], body, **how)


async def served(fleet: Fleet, group: str, version: str) -> Resource:
    """The kind once it is served in that version."""
    found = Resource(group, version, "Widget", "widgets", namespaced=True)
    with anyio.fail_after(30):
        while True:
            try:
                await fleet.client.list(found, fleet.namespace)
            except NotFound:
                await anyio.sleep(0.1)
            else:
                return found


async def until_forgotten(fleet: Fleet, resource: Resource) -> None:
    """An operator writes its objects: then who wrote in the version that is gone is forgotten."""
    with anyio.fail_after(30):
        while True:
            entries = (await touch(fleet, resource))["metadata"].get("managedFields") or ()
            if not any(entry["apiVersion"].endswith("/v1beta1") for entry in entries):
                return
            await anyio.sleep(0.1)


async def touch(fleet: Fleet, resource: Resource) -> dict[str, Any]:
    patch = {"metadata": {"annotations": {"touched": secrets.token_hex(4)}}}
    return await fleet.client.merge_patch(
        resource, fleet.namespace, "w", patch, field_manager="somebody"
    )
