from typing import Any

import pytest

from engine.apiserver.http.discovery import version_order
from tests.unit.apiserver.conftest import Client

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/g.io/v1/namespaces/default/things"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1},
                "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
                "every": {"type": "string", "pattern": "^[0-9]+s$"},
                "short": {"type": "string", "maxLength": 2},
                "port": {"x-kubernetes-int-or-string": True},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {"type": "object", "properties": {"ok": {"type": "boolean"}}},
    },
}


def definition(**version: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.g.io"},
        "spec": {
            "group": "g.io",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": SCHEMA},
                    "subresources": {"status": {}},
                    **version,
                }
            ],
        },
    }


def thing(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "g.io/v1",
        "kind": "Thing",
        "metadata": {"name": "t"},
        "spec": {"size": 1, **spec},
    }


@pytest.fixture
def things(client: Client) -> Client:
    """A server that serves Things."""
    client.create(DEFINITIONS, definition())
    return client


def test_a_definition_is_established(things: Client) -> None:
    status = things.get(f"{DEFINITIONS}/things.g.io")["status"]

    conditions = {each["type"]: each["status"] for each in status["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert status["storedVersions"] == ["v1"]
    assert status["acceptedNames"]["listKind"] == "ThingList"


def test_defaults_are_given_and_unknown_fields_dropped(things: Client) -> None:
    code, made = things.create(THINGS, thing(foo=1, free={"x": {"y": 1}}))

    assert code == 201
    assert made["spec"] == {"size": 1, "mode": "a", "free": {"x": {"y": 1}}}
    assert made["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"size": None}, "spec.size: Required value"),
        ({"size": "x"}, 'spec.size: Invalid value: "string": spec.size in body must be of type'
         ' integer: "string"'),
        ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or"
         " equal to 1"),
        ({"mode": "c"}, 'spec.mode: Unsupported value: "c": supported values: "a", "b"'),
        ({"every": "1m"}, 'spec.every: Invalid value: "1m": spec.every in body should match'
         " '^[0-9]+s$'"),
        ({"short": "abc"}, "spec.short: Too long: may not be more than 2 bytes"),
        ({"port": True}, 'spec.port: Invalid value: "boolean": spec.port in body must be of type'
         ' integer,string: "boolean"'),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_as_the_real_server_does(
    things: Client, spec: dict[str, Any], message: str
) -> None:
    code, status = things.create(THINGS, thing(**spec))

    assert code == 422
    assert status["message"] == f'Thing.g.io "t" is invalid: {message}'


def test_a_missing_field_is_required(things: Client) -> None:
    code, status = things.create(THINGS, {**thing(), "spec": {}})

    assert (code, status["details"]["causes"][0]) == (
        422,
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.size"},
    )


def test_strict_validation_names_unknown_fields(things: Client) -> None:
    code, status = things.create(f"{THINGS}?fieldValidation=Strict", thing(foo=1))

    assert code == 400
    assert status["message"].endswith('strict decoding error: unknown field "spec.foo"')


def test_applying_an_unknown_field_is_refused(things: Client) -> None:
    code, status = things.apply(f"{THINGS}/t", thing(foo=1))

    assert (code, status["message"]) == (
        500,
        "failed to create typed patch object (/t; g.io/v1, Kind=Thing): .spec.foo: field not"
        " declared in schema",
    )


def test_status_of_a_custom_resource_is_separate(things: Client) -> None:
    things.create(THINGS, {**thing(), "status": {"ok": True}})
    assert "status" not in things.get(f"{THINGS}/t")

    things.merge(f"{THINGS}/t/status", {"status": {"ok": True}, "spec": {"size": 5}})

    live = things.get(f"{THINGS}/t")
    assert (live["status"], live["spec"]["size"]) == ({"ok": True}, 1)
    assert live["metadata"]["generation"] == 1


def test_a_default_of_status_is_given_to_new_objects(client: Client) -> None:
    status = {"type": "object", "default": {"ok": False}, **SCHEMA["properties"]["status"]}
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "status": status}}
    client.create(DEFINITIONS, definition(schema={"openAPIV3Schema": schema}))

    _, made = client.create(THINGS, {**thing(), "status": {"ok": True}})

    assert made["status"] == {"ok": False}


def test_without_the_subresource_status_is_a_field_like_others(client: Client) -> None:
    client.create(DEFINITIONS, definition(subresources={}))

    _, made = client.create(THINGS, {**thing(), "status": {"ok": True}})
    assert made["status"] == {"ok": True}
    assert client.send("GET", f"{THINGS}/t/status")[0] == 404


def test_a_definition_takes_its_objects_along(things: Client) -> None:
    things.create(THINGS, {**thing(), "metadata": {"name": "t", "finalizers": ["x.io/f"]}})

    things.delete(f"{DEFINITIONS}/things.g.io")
    kinds = [c["type"] for c in things.get(f"{DEFINITIONS}/things.g.io")["status"]["conditions"]]
    assert "Terminating" in kinds
    things.merge(f"{THINGS}/t", {"metadata": {"finalizers": None}})

    assert things.send("GET", f"{DEFINITIONS}/things.g.io")[0] == 404
    assert things.send("GET", THINGS)[0] == 404


def test_an_object_is_served_at_every_version(client: Client) -> None:
    body = definition()
    older = {**body["spec"]["versions"][0], "name": "v1beta1", "storage": False}
    body["spec"]["versions"].append({**older, "deprecated": True})
    client.create(DEFINITIONS, body)
    client.create(THINGS, thing())

    found = client.get(THINGS.replace("v1", "v1beta1"))

    assert [item["apiVersion"] for item in found["items"]] == ["g.io/v1beta1"]


def test_a_definition_that_contradicts_itself_is_refused(client: Client) -> None:
    body = definition(storage=False)

    code, status = client.create(DEFINITIONS, body)

    assert code == 422
    assert "must have exactly one version marked as storage version" in status["message"]


def test_versions_are_ordered_as_kubernetes_orders_them() -> None:
    names = ["v1alpha1", "v2", "v1beta1", "v1", "v1beta2", "foo"]

    assert sorted(names, key=version_order) == [
        "v2",
        "v1",
        "v1beta2",
        "v1beta1",
        "v1alpha1",
        "foo",
    ]


def test_a_finalizer_as_flux_names_it_is_accepted(things: Client) -> None:
    metadata = {"name": "t", "finalizers": ["finalizers.fluxcd.io"]}

    code, _ = things.create(THINGS, {**thing(), "metadata": metadata})

    assert code == 201


def test_a_pattern_that_is_none_is_refused_with_its_definition(client: Client) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?!x)"}}}

    code, status = client.create(DEFINITIONS, definition(schema={"openAPIV3Schema": schema}))

    assert code == 422
    assert "openAPIV3Schema.properties.a.pattern" in status["message"]
    assert "must be a valid regular expression" in status["message"]


def test_a_pattern_takes_linear_time_and_reads_dollar_as_go(client: Client) -> None:
    spec = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    schema = {"type": "object", "properties": {"spec": spec}}
    client.create(DEFINITIONS, definition(schema={"openAPIV3Schema": schema}))

    codes = [
        client.create(THINGS, {**thing(), "metadata": {"name": "t"}, "spec": {"a": text}})[0]
        for text in ("a" * 40 + "b", "a\n", "aaa")
    ]

    assert codes == [422, 422, 201]
