import pytest

from engine.objects.schema import (
    built_in_groups,
    definition,
    kind_schema,
    kubernetes_version,
    resource_of,
    schema_of,
)

POD = ("spec",)
TEMPLATE = ("spec", "template", "spec")

MERGE_FACTS = [
    # kind, path, list type, list map keys, patch strategy, patch merge key
    ("apps/v1/Deployment", (*TEMPLATE, "containers"), "map", ("name",), "merge", "name"),
    (
        "apps/v1/Deployment",
        (*TEMPLATE, "containers", "ports"),
        "map",
        ("containerPort", "protocol"),
        "merge",
        "containerPort",
    ),
    (
        "apps/v1/Deployment",
        (*TEMPLATE, "volumes"),
        "map",
        ("name",),
        "merge,retainKeys",
        "name",
    ),
    ("/v1/Pod", (*POD, "tolerations"), "atomic", (), "", ""),
    ("/v1/Pod", (*POD, "containers", "volumeMounts"), "map", ("mountPath",), "merge", "mountPath"),
    ("/v1/Pod", (*POD, "containers", "command"), "atomic", (), "", ""),
    ("/v1/Pod", ("metadata", "finalizers"), "set", (), "merge", ""),
    ("/v1/Pod", ("metadata", "ownerReferences"), "map", ("uid",), "merge", "uid"),
    ("/v1/Service", ("spec", "ports"), "map", ("port", "protocol"), "merge", "port"),
    ("/v1/ServiceAccount", ("secrets",), "map", ("name",), "merge", "name"),
    ("rbac.authorization.k8s.io/v1/ClusterRole", ("rules",), "atomic", (), "", ""),
    ("networking.k8s.io/v1/Ingress", ("spec", "rules"), "atomic", (), "", ""),
]


@pytest.mark.parametrize(
    ("kind", "path", "list_type", "keys", "strategy", "merge_key"), MERGE_FACTS
)
def test_lists_merge_as_kubernetes_declares(
    kind: str,
    path: tuple[str, ...],
    list_type: str,
    keys: tuple[str, ...],
    strategy: str,
    merge_key: str,
) -> None:
    whole = kind_schema(*kind.split("/"))
    assert whole is not None

    field = whole.at(*path)

    assert field is not None
    assert field.type == "array"
    assert (field.list_type, field.list_map_keys) == (list_type, keys)
    assert (field.patch_strategy, field.patch_merge_key) == (strategy, merge_key)


def test_a_property_has_the_attributes_of_its_definition_too() -> None:
    deployment = kind_schema("apps", "v1", "Deployment")
    assert deployment is not None

    strategy = deployment.at("spec", "strategy")
    selector = deployment.at("spec", "selector")

    assert strategy is not None
    assert selector is not None
    assert (strategy.name, strategy.type) == ("io.k8s.api.apps.v1.DeploymentStrategy", "object")
    assert strategy.patch_strategy == "retainKeys"
    assert selector.map_type == "atomic"


def test_the_default_of_a_key_is_known() -> None:
    port = definition("io.k8s.api.core.v1.ContainerPort")

    protocol = port.property("protocol")

    assert protocol is not None
    assert protocol.default == "TCP"


def test_a_map_has_the_same_schema_under_any_key() -> None:
    labels = definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").property("labels")

    assert labels is not None
    assert labels.properties == ()
    assert labels.property("anything") is labels.values
    assert labels.values is not None
    assert labels.values.type == "string"


def test_a_struct_has_no_schema_for_an_undeclared_field() -> None:
    assert definition("io.k8s.api.core.v1.PodSpec").property("nosuch") is None
    assert definition("io.k8s.api.core.v1.PodSpec").at("nosuch", "deeper") is None


def test_a_definition_may_contain_itself() -> None:
    props = definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")

    assert props.at("properties", "a", "properties", "b") is props


def test_a_port_may_be_a_number_or_a_name() -> None:
    port = definition("io.k8s.api.core.v1.ServicePort").property("targetPort")

    assert port is not None
    assert port.int_or_string
    assert port.type == ""


def test_a_custom_kind_has_the_same_view() -> None:
    node = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "additionalProperties": True,
        "properties": {
            "template": {"type": "object", "x-kubernetes-embedded-resource": True},
            "port": {"x-kubernetes-int-or-string": True},
            "rows": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["id"],
                "items": {"type": "object", "properties": {"id": {"type": "integer"}}},
            },
        },
    }

    schema = schema_of(node)

    assert schema.name == ""
    assert schema.preserve_unknown
    assert schema.values is None
    assert schema.properties == ("template", "port", "rows")
    template, port, rows = (schema.property(name) for name in schema.properties)
    assert template is not None
    assert template.embedded_resource
    assert port is not None
    assert port.int_or_string
    assert rows is not None
    assert rows.list_map_keys == ("id",)
    assert rows.items is not None
    assert rows.items.properties == ("id",)


@pytest.mark.parametrize(
    ("group", "kind", "version", "plural", "namespaced"),
    [
        ("", "Namespace", "v1", "namespaces", False),
        ("", "Endpoints", "v1", "endpoints", True),
        ("apps", "Deployment", "v1", "deployments", True),
        ("autoscaling", "HorizontalPodAutoscaler", "v2", "horizontalpodautoscalers", True),
        ("networking.k8s.io", "IngressClass", "v1", "ingressclasses", False),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding", "v1", "clusterrolebindings", False),
    ],
)
def test_a_kind_is_served_as(
    group: str, kind: str, version: str, plural: str, namespaced: bool
) -> None:
    found = resource_of(group, kind)

    assert found is not None
    assert (found.version, found.plural, found.namespaced) == (version, plural, namespaced)


def test_an_older_version_is_found_when_asked_for() -> None:
    found = resource_of("autoscaling", "HorizontalPodAutoscaler", "v1")

    assert found is not None
    assert found.version == "v1"


def test_what_is_not_built_in_is_none() -> None:
    assert resource_of("kustomize.toolkit.fluxcd.io", "Kustomization") is None
    assert resource_of("apps", "Deployment", "v1beta1") is None
    assert kind_schema("kustomize.toolkit.fluxcd.io", "v1", "Kustomization") is None


def test_every_resource_has_a_schema_and_every_reference_an_end() -> None:
    names = [
        (group.group, group.version, resource.kind)
        for group in built_in_groups()
        for resource in group.resources
    ]

    missing = [name for name in names if kind_schema(*name) is None]

    assert len(names) > 60
    assert missing == []


def test_the_scale_of_a_deployment_is_another_kind() -> None:
    deployment = resource_of("apps", "Deployment")
    assert deployment is not None

    scale = next(sub for sub in deployment.subresources if sub.name == "scale")

    assert (scale.group, scale.version, scale.kind) == ("autoscaling", "v1", "Scale")
    assert deployment.short_names == ("deploy",)
    assert "all" in deployment.categories


def test_the_table_says_whose_it_is() -> None:
    assert kubernetes_version().startswith("v1.36.")
