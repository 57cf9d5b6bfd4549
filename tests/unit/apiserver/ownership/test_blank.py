from engine.apiserver.ownership.blank import blank
from tests.unit.apiserver.conftest import Client

ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def fields_of(obj):
    return [entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", ())]


def test_an_empty_object_has_structs_and_what_is_never_left_out():
    empty = blank("io.k8s.api.apps.v1.Deployment")

    assert empty["spec"]["template"]["spec"] == {"containers": None}
    assert empty["metadata"] == {"creationTimestamp": None}
    assert "replicas" not in empty["spec"]
    assert blank("io.k8s.api.scheduling.v1.PriorityClass")["value"] == 0


def test_an_empty_list_that_is_written_belongs_to_who_wrote_it(client: Client):
    code, given = client.send("POST", ROLES, {"metadata": {"name": "a"}, "rules": []})
    absent = client.send("POST", ROLES, {"metadata": {"name": "b"}})[1]

    assert code == 201
    assert fields_of(given) == [{"f:rules": {}}]
    assert fields_of(absent) == []
