import pytest

from engine.apiserver.typed.openapi import from_openapi
from engine.apiserver.typed.schema import TypeMismatch

DEFINITIONS = {
    "meta.ObjectMeta": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "creationTimestamp": {"type": "string", "format": "date-time"},
        },
    },
    "core.Port": {
        "type": "object",
        "properties": {
            "port": {"type": "integer"},
            "protocol": {"type": "string", "default": "TCP"},
        },
    },
    "core.Selector": {"type": "object", "additionalProperties": {"type": "string"}},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
    "core.Tree": {
        "type": "object",
        "properties": {
            "children": {
                "type": "array",
                "items": {"$ref": "core.Tree"},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
            "name": {"type": "string"},
        },
    },
}
KIND = {
    "type": "object",
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"default": {}, "allOf": [{"$ref": "#/components/schemas/meta.ObjectMeta"}]},
        "ports": {
            "type": "array",
            "items": {"$ref": "core.Port"},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
        },
        "old": {
            "type": "array",
            "items": {"type": "string"},
            "x-kubernetes-patch-strategy": "merge",
        },
        "args": {"type": "array", "items": {"type": "string"}},
        "selector": {"$ref": "core.Selector", "x-kubernetes-map-type": "atomic"},
        "labels": {"$ref": "core.Selector"},
        "cpu": {"$ref": "io.k8s.apimachinery.pkg.api.resource.Quantity"},
        "tree": {"$ref": "core.Tree"},
    },
}
CRD = {
    "type": "object",
    "properties": {
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "properties": {
                "port": {
                    "x-kubernetes-int-or-string": True,
                    "anyOf": [{"type": "integer"}, {"type": "string"}],
                },
                "values": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "any": {"x-kubernetes-preserve-unknown-fields": True},
                "template": {"type": "object", "x-kubernetes-embedded-resource": True},
            },
        },
    },
}


def resolve(ref: str) -> dict:
    return DEFINITIONS[ref.rpartition("/")[2]]


def owned(schema: dict, value: dict) -> dict:
    typ = from_openapi(schema, resolve)
    typ.validate(value)
    return typ.field_set(value).format()


def test_lists_and_maps_merge_as_the_extensions_say():
    value = {
        "metadata": {"labels": {"a": "b"}, "creationTimestamp": None},
        "ports": [{"port": 80}],
        "old": ["x"],
        "args": ["y"],
        "selector": {"a": "b"},
        "labels": {"a": "b"},
        "cpu": 1.5,
    }

    assert owned(KIND, value) == {
        "f:args": {},
        "f:cpu": {},
        "f:labels": {"f:a": {}},
        "f:metadata": {"f:creationTimestamp": {}, "f:labels": {"f:a": {}}},
        "f:old": {'v:"x"': {}},
        "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
        "f:selector": {},
    }


def test_a_type_may_hold_itself():
    value = {"tree": {"children": [{"name": "a", "children": [{"name": "b"}]}]}}

    assert owned(KIND, value) == {
        "f:tree": {
            "f:children": {
                'k:{"name":"a"}': {
                    ".": {},
                    "f:children": {'k:{"name":"b"}': {".": {}, "f:name": {}}},
                    "f:name": {},
                }
            }
        }
    }


def test_an_undeclared_field_is_refused():
    with pytest.raises(TypeMismatch, match=r"^\.metadata\.nmae: field not declared in schema$"):
        owned(KIND, {"metadata": {"nmae": "a"}})


def test_a_custom_resource_has_the_metadata_of_every_object():
    value = {
        "apiVersion": "x/v1",
        "metadata": {
            "finalizers": ["f"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "a", "uid": "u"}],
        },
    }

    assert owned(CRD, value) == {
        "f:apiVersion": {},
        "f:metadata": {
            "f:finalizers": {'v:"f"': {}},
            "f:ownerReferences": {'k:{"uid":"u"}': {}},
        },
    }


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"port": "http"}, {"f:port": {}}),
        ({"port": 80}, {"f:port": {}}),
        ({"values": {"a": {"b": [1]}}}, {"f:values": {"f:a": {".": {}, "f:b": {}}}}),
        ({"any": [1]}, {"f:any": {}}),
        ({"any": {"a": 1}}, {"f:any": {"f:a": {}}}),
        (
            {"template": {"metadata": {"finalizers": ["f"]}, "spec": {}}},
            {"f:template": {"f:metadata": {"f:finalizers": {'v:"f"': {}}}, "f:spec": {}}},
        ),
    ],
)
def test_what_a_crd_leaves_open_is_owned_by_its_value(spec, wanted):
    assert owned(CRD, {"spec": spec}) == {"f:spec": wanted}


@pytest.mark.parametrize("extension", ["x-kubernetes-list-type", "x-kubernetes-map-type"])
def test_an_unknown_way_to_merge_is_refused(extension):
    kind = "array" if "list" in extension else "object"
    with pytest.raises(TypeMismatch, match="unknown"):
        from_openapi({"properties": {"a": {"type": kind, extension: "odd"}}}, resolve)


def test_a_reference_to_nothing_is_found_when_it_is_needed():
    typ = from_openapi({"properties": {"a": {"$ref": "missing"}}}, resolve)
    typ.validate({})

    with pytest.raises(TypeMismatch, match="no type found matching: missing"):
        typ.validate({"a": 1})
