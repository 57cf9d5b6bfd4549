import pytest

from engine.render.kustomize.model.schemas import BuiltInSchemas, OpenApiSchemas


@pytest.mark.parametrize(
    ("api_version", "kind", "wanted"),
    [
        ("v1", "Namespace", True),
        ("v1", "ConfigMap", False),
        ("rbac.authorization.k8s.io/v1beta1", "ClusterRole", True),
        ("policy/v1beta1", "PodSecurityPolicy", True),
        ("policy/v1", "PodSecurityPolicy", False),
        ("storage.k8s.io/v1beta1", "CSINode", False),
        ("example.com/v1", "Namespace", False),
        ("gateway.networking.k8s.io/v1", "GatewayClass", False),
    ],
)
def test_scope_is_what_kustomize_knows_of_kubernetes_1_21(
    api_version: str, kind: str, wanted: bool
) -> None:
    assert BuiltInSchemas().is_cluster_scoped(api_version, kind) is wanted


def test_an_old_version_merges_like_the_one_that_replaced_it() -> None:
    shape = BuiltInSchemas().shape({"apiVersion": "batch/v1beta1", "kind": "CronJob"})

    for name in ("spec", "jobTemplate", "spec", "template", "spec", "containers"):
        assert shape is not None
        shape = shape.property(name)
    assert shape is not None
    assert (shape.patch_strategy, shape.patch_merge_key) == ("merge", "name")


def test_younger_kinds_and_fields_are_unknown() -> None:
    schemas = BuiltInSchemas()
    pod = schemas.shape({"apiVersion": "v1", "kind": "Pod"})
    spec = pod.property("spec") if pod else None

    assert (
        schemas.shape({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}) is None
    )
    assert spec is not None
    assert spec.property("schedulingGates") is None


@pytest.mark.parametrize("keys", [None, 3, "id", {"id": 1}, ["id", ["name"]]])
def test_keys_of_a_list_that_are_none_are_not_believed(keys: object) -> None:
    things = {"type": "array", "x-kubernetes-list-map-keys": keys}
    gvk = {"group": "example.com", "version": "v1", "kind": "Thing"}
    thing = {"properties": {"things": things}, "x-kubernetes-group-version-kind": [gvk]}
    shape = OpenApiSchemas({"definitions": {"thing": thing}}).shape(
        {"apiVersion": "example.com/v1", "kind": "Thing"}
    )
    field = shape.property("things") if shape else None

    assert field is not None
    assert field.list_map_keys == ()


def test_a_document_of_ones_own_says_how_its_kinds_merge() -> None:
    item = {"type": "object", "properties": {"id": {"type": "string"}}}
    things = {
        "type": "array",
        "items": {"$ref": "#/definitions/item"},
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": "id",
    }
    gvk = {"group": "example.com", "version": "v1", "kind": "Thing"}
    thing = {"properties": {"things": things}, "x-kubernetes-group-version-kind": [gvk]}
    schemas = OpenApiSchemas({"definitions": {"thing": thing, "item": item}})

    shape = schemas.shape({"apiVersion": "example.com/v1", "kind": "Thing"})
    field = shape.property("things") if shape else None

    assert field is not None
    assert field.patch_merge_key == "id"
    assert field.items is not None
    assert field.items.property("id") is not None
    assert schemas.shape({"apiVersion": "v1", "kind": "Pod"}) is None


def test_a_document_can_also_add_to_what_is_built_in() -> None:
    schemas = OpenApiSchemas({}, keeps_built_in=True)

    assert schemas.shape({"apiVersion": "v1", "kind": "Pod"}) is not None
