from typing import Any

import pytest

from engine.cluster import Forbidden
from engine.objects.ref import Ref
from tests.support.build import config, marked
from tests.support.reconciling import APP, Workshop

A = Ref("", "ConfigMap", "ns", "a")


async def deleted(**spec: Any) -> Workshop:
    """One whose Kustomization has applied an object and is being deleted."""
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    await shop.run()
    old = shop.kustomization(**spec)
    shop.told()
    shop.tell({**old, "metadata": {**old["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    return shop


def is_finished(shop: Workshop) -> bool:
    return not shop.client.objects[APP]["metadata"].get("finalizers")


@pytest.mark.parametrize(
    ("spec", "goes"),
    [
        ({}, True),
        ({"prune": False}, False),
        ({"deletionPolicy": "Delete", "prune": False}, True),
        ({"deletionPolicy": "WaitForTermination", "prune": False}, True),
        ({"deletionPolicy": "Orphan"}, False),
        ({"suspend": True}, False),
        ({"suspend": True, "deletionPolicy": "Delete"}, False),
    ],
)
async def test_the_policy_says_whether_the_objects_go(spec: dict[str, Any], goes: bool) -> None:
    shop = await deleted(**spec)

    await shop.run()

    assert (A not in shop.client.objects) is goes
    assert is_finished(shop)
    assert shop.told() == (["Normal Progressing: ConfigMap/ns/a deleted"] if goes else [])


async def test_an_object_that_resists_keeps_the_finalizer() -> None:
    shop = await deleted()
    shop.client.refuse("delete ConfigMap/ns/a", Forbidden(403, "Forbidden", "no"))

    requeue = await shop.run()

    assert not is_finished(shop)
    assert requeue.after == 60
    assert shop.told()[0].startswith(
        "Warning PruneFailed: pruning for deleted resource failed: ConfigMap/ns/a delete failed"
    )


async def test_termination_is_waited_for_and_given_up_in_time() -> None:
    shop = await deleted(deletionPolicy="WaitForTermination", timeout="2m")
    shop.client.objects[A]["metadata"]["finalizers"] = ["example.com/hold"]
    began = shop.clock.monotonic()

    await shop.run()

    assert shop.clock.monotonic() - began >= 120
    assert is_finished(shop)
    assert shop.told()[-1] == (
        "Warning PruneFailed: failed to wait for resources termination: "
        "timeout waiting for: [ConfigMap/ns/a]"
    )


async def test_what_is_protected_is_not_waited_for() -> None:
    shop = await deleted(deletionPolicy="WaitForTermination")
    shop.client.put(marked(shop.client.objects[A], prune="disabled"))
    began = shop.clock.monotonic()

    await shop.run()

    assert is_finished(shop)
    assert shop.clock.monotonic() - began < 5


async def test_a_missing_service_account_does_not_hold_the_deletion() -> None:
    shop = await deleted(serviceAccountName="tenant")

    await shop.run()

    assert is_finished(shop)
    assert A in shop.client.objects
    assert shop.told()[0].startswith("Warning PruneFailed: unable to prune objects: ")


async def test_objects_are_deleted_under_the_service_account() -> None:
    shop = await deleted(serviceAccountName="tenant")
    shop.client.put(
        {"apiVersion": "v1", "kind": "ServiceAccount"}
        | {"metadata": {"name": "tenant", "namespace": "flux"}}
    )

    await shop.run()

    assert "as system:serviceaccount:flux:tenant" in shop.client.calls
    assert A not in shop.client.objects


async def test_objects_of_a_remote_cluster_are_not_looked_for_in_this_one() -> None:
    shop = await deleted(kubeConfig={"secretRef": {"name": "remote"}})

    await shop.run()

    assert A in shop.client.objects
    assert not is_finished(shop)
    assert "KubeConfig secret 'flux/remote' error: there is none" in shop.said()
    assert "set spec.suspend to true or spec.deletionPolicy to Orphan" in shop.said()


async def test_what_others_may_want_keeps_the_finalizer_and_says_for_whom() -> None:
    shop = await deleted(timeout="5m")
    other = Ref(APP.group, APP.kind, APP.namespace, "other")
    shop.kustomization(other, path="./other")

    requeue = await shop.run()

    told = "ConfigMap/ns/a stays for now: it may be wanted by Kustomization/flux/other: not built"
    assert shop.told()[0].startswith(f"Normal PruneFailed: {told}")
    assert not is_finished(shop)
    assert requeue.after is not None
    assert 290 < requeue.after <= 300
    assert len(shop.status()["inventory"]["entries"]) == 1


async def test_what_nobody_claims_in_time_is_deleted() -> None:
    shop = await deleted(timeout="5m")
    shop.kustomization(Ref(APP.group, APP.kind, APP.namespace, "other"), path="./other")
    await shop.run()

    shop.clock.skip(300)
    await shop.run()

    assert is_finished(shop)
    assert A not in shop.client.objects


async def test_what_a_new_name_is_to_take_over_is_never_deleted_for_being_late() -> None:
    shop = await deleted(timeout="5m")
    shop.kustomization(Ref(APP.group, APP.kind, APP.namespace, "new"))  # of the same path
    await shop.run()

    shop.clock.skip(300)
    requeue = await shop.run()

    assert A in shop.client.objects
    assert not is_finished(shop)
    assert requeue.after == 60  # retryInterval
    assert "Kustomization/flux/new, not built yet, is to take its owner's place" in shop.said()
