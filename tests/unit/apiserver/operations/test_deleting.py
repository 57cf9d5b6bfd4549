from typing import Any

from tests.unit.apiserver.conftest import Client

MAPS = "/api/v1/namespaces/default/configmaps"


def names(client: Client, path: str = MAPS) -> list[str]:
    found = [item["metadata"]["name"] for item in client.get(path)["items"]]
    return [name for name in found if name != "kube-root-ca.crt"]


def make(client: Client, name: str, **metadata: Any) -> dict[str, Any]:
    made: dict[str, Any] = client.create(MAPS, {"metadata": {"name": name, **metadata}})[1]
    return made


def owner(obj: dict[str, Any], **more: Any) -> dict[str, Any]:
    metadata = obj["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": metadata["name"],
        "uid": metadata["uid"],
        **more,
    }


def test_a_deletion_is_answered_with_success(client: Client) -> None:
    made = make(client, "a")

    code, status = client.delete(f"{MAPS}/a")

    assert (code, status["status"]) == (200, "Success")
    assert status["details"]["uid"] == made["metadata"]["uid"]
    assert names(client) == []


def test_finalizers_hold_an_object_until_they_are_gone(client: Client) -> None:
    make(client, "a", finalizers=["x.io/f"])

    _, marked = client.delete(f"{MAPS}/a")
    assert marked["metadata"]["deletionTimestamp"] == "2026-09-21T14:13:20Z"
    assert names(client) == ["a"]
    client.merge(f"{MAPS}/a", {"metadata": {"finalizers": None}})
    assert names(client) == []


def test_no_finalizer_is_added_to_what_is_being_deleted(client: Client) -> None:
    make(client, "a", finalizers=["x.io/f"])
    client.delete(f"{MAPS}/a")

    code, status = client.merge(f"{MAPS}/a", {"metadata": {"finalizers": ["x.io/f", "x.io/g"]}})

    assert code == 422
    assert "no new finalizers can be added" in status["message"]


def test_a_stale_deletion_is_refused(client: Client) -> None:
    make(client, "a")

    code, status = client.delete(f"{MAPS}/a", {"preconditions": {"uid": "x"}})

    assert code == 409
    assert "the UID in the precondition (x) does not match the UID in record" in status["message"]
    code, _ = client.delete(f"{MAPS}/a", {"preconditions": {"resourceVersion": "1"}})
    assert code == 409


def test_what_loses_its_owner_goes_too(client: Client) -> None:
    parent = make(client, "parent")
    child = make(client, "child", ownerReferences=[owner(parent)])
    make(client, "grandchild", ownerReferences=[owner(child)])

    client.delete(f"{MAPS}/parent")

    assert names(client) == []


def test_an_orphan_stays_without_its_owner(client: Client) -> None:
    parent = make(client, "parent")
    make(client, "child", ownerReferences=[owner(parent)])

    client.delete(f"{MAPS}/parent", {"propagationPolicy": "Orphan"})

    assert names(client) == ["child"]
    assert "ownerReferences" not in client.get(f"{MAPS}/child")["metadata"]


def test_a_foreground_deletion_waits_for_what_blocks_it(client: Client) -> None:
    parent = make(client, "parent")
    references = [owner(parent, blockOwnerDeletion=True)]
    make(client, "child", ownerReferences=references, finalizers=["x.io/f"])

    client.delete(f"{MAPS}/parent", {"propagationPolicy": "Foreground"})

    assert names(client) == ["child", "parent"]
    client.merge(f"{MAPS}/child", {"metadata": {"finalizers": None}})
    assert names(client) == []


def test_an_object_whose_owner_never_was_goes(client: Client) -> None:
    make(client, "a", ownerReferences=[{**owner(make(client, "b")), "uid": "other"}])

    assert names(client) == ["b"]


def test_a_collection_is_deleted_by_selector(client: Client) -> None:
    make(client, "a", labels={"x": "y"})
    make(client, "b")

    client.delete(f"{MAPS}?labelSelector=x=y")

    assert names(client) == ["b"]


def test_a_namespace_goes_with_what_is_in_it(client: Client) -> None:
    client.create("/api/v1/namespaces", {"metadata": {"name": "n"}})
    client.create("/api/v1/namespaces/n/configmaps", {"metadata": {"name": "a"}})

    client.delete("/api/v1/namespaces/n")

    assert client.send("GET", "/api/v1/namespaces/n")[0] == 404
    assert names(client, "/api/v1/namespaces/n/configmaps") == []


def test_nothing_is_made_in_a_namespace_that_goes(client: Client) -> None:
    client.create("/api/v1/namespaces", {"metadata": {"name": "n"}})
    path = "/api/v1/namespaces/n/configmaps"
    client.create(path, {"metadata": {"name": "a", "finalizers": ["x.io/f"]}})
    client.delete("/api/v1/namespaces/n")

    code, status = client.create(path, {"metadata": {"name": "b"}})

    assert code == 403
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert client.get("/api/v1/namespaces/n")["status"]["phase"] == "Terminating"


def test_some_namespaces_stay(client: Client) -> None:
    code, status = client.delete("/api/v1/namespaces/default")

    assert code == 403
    assert "this namespace may not be deleted" in status["message"]


def test_every_namespace_has_a_default_service_account(client: Client) -> None:
    client.create("/api/v1/namespaces", {"metadata": {"name": "n"}})

    assert names(client, "/api/v1/namespaces/n/serviceaccounts") == ["default"]


def test_a_built_in_kind_wants_a_qualified_finalizer(client: Client) -> None:
    code, status = client.create(MAPS, {"metadata": {"name": "a", "finalizers": ["bad"]}})

    assert code == 422
    assert status["details"]["causes"][0]["field"] == "metadata.finalizers[0]"


def test_an_object_that_is_given_to_an_owner_that_is_gone_goes_as_well(client: Client) -> None:
    parent = make(client, "parent")
    client.delete(f"{MAPS}/parent")
    make(client, "child")

    client.merge(f"{MAPS}/child", {"metadata": {"ownerReferences": [owner(parent)]}})

    assert names(client) == []
