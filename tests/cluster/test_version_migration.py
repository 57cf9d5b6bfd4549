"""Objects whose managedFields name an API version that the API server cannot read any more."""

from typing import Any

import pytest

from engine.cluster import Resource
from engine.objects.ref import Object
from tests.cluster.test_live_view import redefine, served, touch, widget
from tests.support.build import definition
from tests.support.fleet import Fleet, is_at, is_ready

OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


def closed(**spec: Object) -> dict[str, Any]:
    """A schema in which only these fields of the spec are known."""
    properties = {"spec": {"type": "object", "properties": spec}}
    return {"type": "object", "properties": properties}


def defined(group: str, **versions: Object) -> dict[str, Any]:
    """The definition with these versions and their schemas; the last is the one that is stored."""
    crd = definition(group)
    (template,) = crd["spec"]["versions"]
    crd["spec"]["versions"] = [
        {
            **template,
            "name": name,
            "storage": name == list(versions)[-1],
            "schema": {"openAPIV3Schema": schema},
        }
        for name, schema in versions.items()
    ]
    return crd


async def drop(fleet: Fleet, group: str, new: Resource) -> None:
    """From now on there is only v1, and nobody can read what was written in v1beta1."""
    await touch(fleet, new)  # stored in the new version from now on
    stored = {"status": {"storedVersions": ["v1"]}}
    await redefine(fleet, {**defined(group, v1=OPEN), **stored}, subresource="status")
    await redefine(fleet, defined(group, v1=OPEN))


async def spec_of(fleet: Fleet, resource: Resource) -> Any:
    found = await fleet.client.get(resource, fleet.namespace, "w")
    assert found is not None
    return found["spec"]


async def goes_live(fleet: Fleet, obj: Object) -> None:
    commit = fleet.commit({"app/w.yaml": obj})
    await fleet.request("GitRepository", "fleet", commit)
    await fleet.until("Kustomization", "app", is_at(commit))


@pytest.mark.limit(90)
async def test_an_object_written_in_a_version_that_is_dropped_can_still_be_changed(
    fleet: Fleet,
) -> None:
    group = f"{fleet.namespace}.example.com"
    await fleet.put(defined(group, v1beta1=OPEN))
    await served(fleet, group, "v1beta1")
    await fleet.app({"app/w.yaml": widget("w", group, "v1beta1", x="1", y="1")}, interval="1h")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await redefine(fleet, defined(group, v1beta1=OPEN, v1=OPEN))
        new = await served(fleet, group, "v1")
        await drop(fleet, group, new)
        await goes_live(fleet, widget("w", group, "v1", x="2"))

    assert await spec_of(fleet, new) == {"x": "2"}


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.limit(90)
async def test_a_version_without_a_field_that_a_newer_one_defaults_is_in_nobodys_way(
    fleet: Fleet, gate: bool
) -> None:
    group = f"{fleet.namespace}.example.com"
    old, new = closed(x=text()), closed(x=text(), mode=text(default="fast"))
    await fleet.put(defined(group, v1beta1=old))
    await served(fleet, group, "v1beta1")
    await fleet.app({"app/w.yaml": widget("w", group, "v1beta1", x="1")}, interval="1h")

    async with fleet.engine(migrate_api_version=gate):
        await fleet.until("Kustomization", "app", is_ready)
        await redefine(fleet, defined(group, v1beta1=old, v1=new))
        resource = await served(fleet, group, "v1")
        await touch(fleet, resource)
        await goes_live(fleet, widget("w", group, "v1", x="2"))
        live = await fleet.client.get(resource, fleet.namespace, "w")

    assert live is not None
    assert live["spec"] == {"x": "2", "mode": "fast"}
    own = [each for each in live["metadata"]["managedFields"] if "kustomize" in each["manager"]]
    assert [each["apiVersion"] for each in own] == [f"{group}/v1"]
