import pytest

from tests.unit.apiserver.conftest import Client

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
THINGS = "/apis/g.io/v1/things"
THING = {
    "metadata": {"name": "things.g.io"},
    "spec": {
        "group": "g.io",
        "scope": "Cluster",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "items": {
                                "type": "array",
                                "x-kubernetes-list-type": "map",
                                "x-kubernetes-list-map-keys": ["k"],
                                "items": {
                                    "type": "object",
                                    "properties": {
                                        "k": {"type": "string"},
                                        "at": {"type": "string", "format": "date-time"},
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def things(client: Client) -> Client:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert client.send("POST", path, THING)[0] == 201
    return client


def deployment(**spec):
    return {"metadata": {"name": "a"}, "spec": spec}


def container(**fields):
    return deployment(template={"spec": {"containers": [fields]}})


# As kube-apiserver 1.36.3 answers.
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            deployment(replicas=1 << 31),
            "number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(replicas=1.5),
            "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(template="x"),
            "string into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec",
        ),
        (
            container(args="x"),
            "field Container.spec.template.spec.containers.args of type []string",
        ),
        (
            deployment(strategy={"rollingUpdate": {"maxSurge": True}}),
            "bool into Go struct field"
            " RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32",
        ),
        (
            container(resources={"requests": {"memory": "1x"}}),
            "quantities must match the regular expression",
        ),
        (
            container(resources={"requests": "x"}),
            "containers.resources.requests of type v1.ResourceList",
        ),
    ],
)
def test_a_value_that_go_cannot_hold_is_a_bad_request(client: Client, body, text):
    code, status = client.send("POST", DEPLOYMENTS, body)

    assert (code, status["reason"]) == (400, "BadRequest")
    assert text in status["message"]


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        (
            {"labels": ["a"]},
            "array into Go struct field ObjectMeta.labels of type map[string]string",
        ),
        ({"labels": {"a": 1}}, "number into Go struct field ObjectMeta.labels of type string"),
        ({"ownerReferences": "x"}, "ObjectMeta.ownerReferences of type []v1.OwnerReference"),
        ({"ownerReferences": ["x"]}, "ObjectMeta.ownerReferences of type v1.OwnerReference"),
        ({"finalizers": "x"}, "ObjectMeta.finalizers of type []string"),
        ({"name": 1}, "number into Go struct field ObjectMeta.name of type string"),
        ([], "array into Go value of type v1.ObjectMeta"),
    ],
)
def test_the_metadata_of_a_custom_object_is_typed(things: Client, metadata, text):
    if isinstance(metadata, dict):
        metadata = {"name": "a", **metadata}
    body = {"apiVersion": "g.io/v1", "kind": "Thing", "metadata": metadata}

    code, status = things.send("POST", THINGS, body)

    assert (code, status["reason"]) == (400, "BadRequest")
    assert text in status["message"]


@pytest.mark.parametrize(
    ("items", "text"),
    [
        (["x"], 'items[0]: Invalid value: "x": must be an object for an array of list-type map'),
        ([{"k": "a", "at": "2026-01-01"}], "items[0].at in body must be of type date-time"),
    ],
)
def test_a_wrong_item_of_a_keyed_list_is_invalid(things: Client, items, text):
    body = {"apiVersion": "g.io/v1", "kind": "Thing", "metadata": {"name": "a"}, "items": items}

    code, status = things.send("POST", THINGS, body)

    assert code == 422
    assert text in status["message"]


def test_finalize_of_something_else_is_a_bad_request(client: Client):
    assert client.send("PUT", "/api/v1/namespaces/default/finalize", [])[0] == 400
