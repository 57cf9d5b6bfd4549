import pytest

from engine.cluster import Forbidden
from engine.errors import ReconciliationFailed
from engine.objects.ref import Ref
from tests.support.build import config, marked
from tests.support.executing import applied
from tests.support.memory_client import MemoryClient, invalid

REF = Ref("", "ConfigMap", "ns", "a")
NEW = config("a", data={"x": "2"})


def cluster(**metadata: object) -> MemoryClient:
    """One that holds an object which cannot be changed in place."""
    client = MemoryClient(config("a", data={"x": "1"}, uid="old", **metadata))
    client.refuse("dry-run ConfigMap/ns/a", invalid())
    return client


async def test_without_force_an_immutable_field_is_refused() -> None:
    with pytest.raises(ReconciliationFailed, match="may not change"):
        await applied(cluster(), NEW)


@pytest.mark.parametrize("by", ["spec", "desired", "live"])
async def test_with_force_the_object_is_deleted_and_created(by: str) -> None:
    mark = {"annotations": {"kustomize.toolkit.fluxcd.io/force": "Enabled"}}
    client = cluster(**(mark if by == "live" else {}))
    desired = marked(NEW, force="enabled") if by == "desired" else NEW

    changes = await applied(client, desired, force=by == "spec")

    assert str(changes) == "ConfigMap/ns/a created"
    assert client.writes() == [
        "delete ConfigMap/ns/a",
        "apply ConfigMap/ns/a",
    ]
    assert client.objects[REF]["metadata"]["uid"] != "old"


async def test_an_object_that_is_invalid_in_itself_is_not_deleted() -> None:
    client = cluster()
    client.refuse("probe ConfigMap/ns/a-probe", invalid("data: wrong in itself"))

    with pytest.raises(ReconciliationFailed, match="may not change"):
        await applied(client, NEW, force=True)

    assert client.objects[REF]["metadata"]["uid"] == "old"


async def test_nothing_is_deleted_where_creating_is_forbidden() -> None:
    client = cluster()
    client.refuse("probe ConfigMap/ns/a-probe", Forbidden(403, "Forbidden", "cannot create"))

    with pytest.raises(ReconciliationFailed, match="cannot create"):
        await applied(client, NEW, force=True)

    assert client.objects[REF]["metadata"]["uid"] == "old"


async def test_a_quota_that_is_full_does_not_count_as_deleting_makes_room() -> None:
    client = cluster()
    full = Forbidden(403, "Forbidden", "exceeded quota: pods")
    client.refuse("probe ConfigMap/ns/a-probe", full)

    assert str(await applied(client, NEW, force=True)) == "ConfigMap/ns/a created"


async def test_nothing_is_deleted_while_another_object_of_the_group_is_refused() -> None:
    client = cluster()
    client.put(config("b"))
    client.refuse("dry-run ConfigMap/ns/b", Forbidden(403, "Forbidden", "no"))

    with pytest.raises(ReconciliationFailed, match="ConfigMap/ns/b"):
        await applied(client, NEW, config("b"), force=True)

    assert client.objects[REF]["metadata"]["uid"] == "old"


async def test_the_old_object_is_put_back_if_the_new_one_is_refused_after_all() -> None:
    client = cluster()
    client.refuse("apply ConfigMap/ns/a", Forbidden(403, "Forbidden", "changed my mind"))

    with pytest.raises(ReconciliationFailed, match="changed my mind"):
        await applied(client, NEW, force=True)

    assert client.objects[REF]["data"] == {"x": "1"}


async def test_a_finalizer_that_holds_the_old_object_is_named() -> None:
    client = cluster(finalizers=["example.com/hold"])

    with pytest.raises(ReconciliationFailed, match=r"not gone 60s after.*example\.com/hold"):
        await applied(client, NEW, force=True)
