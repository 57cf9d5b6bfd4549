"""SealedSecrets, whose condition `Synced` is health, and decryption keys that are to be renewed."""

import base64
from typing import Any

import anyio

from engine.cluster import Conflict, NotFound, Resource
from plugins import PLUGIN
from tests.support.fleet import Fleet, condition_of, is_checking, is_ready
from tests.support.sealing import Person, Seal

SEALED = Resource("bitnami.com", "v1alpha1", "SealedSecret", "sealedsecrets", namespaced=True)
ME, OLD = Person(), Person()
SOPS = {"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}}


async def define(fleet: Fleet) -> None:
    """The definition as the controller's chart has it, in short; it stays for later tests."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": SEALED.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"plural": SEALED.plural, "singular": "sealedsecret", "kind": SEALED.kind}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{SEALED.plural}.{SEALED.group}"},
        "spec": {
            "group": SEALED.group,
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }
    try:
        await fleet.client.create(await fleet.resource("CustomResourceDefinition"), crd)
    except Conflict:
        return
    with anyio.fail_after(30):
        while True:
            try:
                await fleet.client.list(SEALED, fleet.namespace)
            except NotFound:
                await anyio.sleep(0.1)
            else:
                return


async def unsealed(fleet: Fleet, status: str, message: str = "") -> None:
    """What the controller writes of its attempt."""
    found = await fleet.client.get(SEALED, fleet.namespace, "login")
    assert found is not None
    condition = {"type": "Synced", "status": status, "message": message}
    said = {
        "status": {
            "observedGeneration": found["metadata"]["generation"],
            "conditions": [condition],
        }
    }
    await fleet.client.merge_patch(
        SEALED, fleet.namespace, "login", said, subresource="status", field_manager="controller"
    )


def sealed(value: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{SEALED.group}/{SEALED.version}",
        "kind": SEALED.kind,
        "metadata": {"name": "login"},
        "spec": {"encryptedData": {"password": value}},
    }


async def test_a_sealed_secret_is_waited_for_until_it_is_synced(fleet: Fleet) -> None:
    await define(fleet)
    await fleet.client.create(SEALED, sealed("AgB1"), fleet.namespace)
    await unsealed(fleet, "False", "no key could decrypt secret (password)")
    await fleet.app({"app/a.yaml": sealed("AgB1")}, wait=True)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        await unsealed(fleet, "True")
        ready = await fleet.until("Kustomization", "app", is_ready)

    assert condition_of(ready, "Healthy")["status"] == "True"


def keys(*people: Person) -> dict[str, Any]:
    data = {
        f"{number}.agekey": base64.b64encode(person.key_file).decode()
        for number, person in enumerate(people)
    }
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": data}


def login(*people: Person) -> str:
    obj = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login"},
        "stringData": {"password": "c4n4ry"},
    }
    return Seal(people, "^stringData$").yaml(obj).decode()


async def warnings(fleet: Fleet, reason: str) -> list[tuple[str, str]]:
    """(Kustomization, message) of the Warning events of that reason."""
    events = await fleet.client.list(await fleet.resource("Event"), fleet.namespace)
    return [
        (each["involvedObject"]["name"], each["message"])
        for each in events.items
        if each["reason"] == reason and each["type"] == "Warning"
    ]


async def until_warned(fleet: Fleet, reason: str) -> list[tuple[str, str]]:
    """The same once there are any: events trail the status."""
    while True:
        found = await warnings(fleet, reason)
        if found:
            return found
        await anyio.sleep(0.05)


async def test_a_key_that_no_file_needs_is_told_once_all_users_of_the_secret_are_built(
    fleet: Fleet,
) -> None:
    await fleet.put(keys(ME, OLD))
    await fleet.app({"app/a.yaml": login(ME), "more/a.yaml": login(ME, OLD)}, **SOPS)
    await fleet.kustomization("more", path="./more", **SOPS)

    async with fleet.engine(plugins=PLUGIN):
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.until("Kustomization", "more", is_ready)
        assert await warnings(fleet, "DecryptionKeyUnused") == []

        await fleet.goes_live({"more/a.yaml": login(ME)})
        await fleet.reconcile("Kustomization", "more")
        await fleet.reconcile("Kustomization", "app")
        with anyio.fail_after(20):
            told = await until_warned(fleet, "DecryptionKeyUnused")

    assert len(told) == 1
    assert OLD.recipient in told[0][1]
    assert ME.recipient not in told[0][1]
    assert OLD.secret not in told[0][1]
