from base64 import b64encode
from typing import Any

import pytest

from engine.render.normalise import normalised


def workload(kind: str, version: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}


PORTS = [{"containerPort": 1}, {"containerPort": 2, "protocol": "UDP"}]
WANTED = [{"containerPort": 1, "protocol": "TCP"}, {"containerPort": 2, "protocol": "UDP"}]


@pytest.mark.parametrize(
    ("kind", "version", "path"),
    [
        ("Pod", "v1", []),
        ("Deployment", "apps/v1", ["template", "spec"]),
        ("CronJob", "batch/v1", ["jobTemplate", "spec", "template", "spec"]),
    ],
)
def test_ports_of_containers_get_the_default_protocol(
    kind: str, version: str, path: list[str]
) -> None:
    def nested(ports: list[dict[str, Any]]) -> dict[str, Any]:
        spec: dict[str, Any] = {"containers": [{"name": "c", "ports": ports}]}
        for key in reversed(path):
            spec = {key: spec}
        return workload(kind, version, spec)

    assert normalised(nested(PORTS)) == nested(WANTED)


def test_ports_of_services_get_the_default_protocol() -> None:
    service = workload("Service", "v1", {"ports": [{"port": 1}]})

    assert normalised(service)["spec"] == {"ports": [{"port": 1, "protocol": "TCP"}]}


def test_string_data_becomes_data_and_wins() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "data": {"a": "b2xk", "b": "Yg=="},
        "stringData": {"a": "new"},
    }

    assert normalised(secret) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "data": {"a": "bmV3", "b": "Yg=="},
    }


@pytest.mark.parametrize(
    ("kind", "version", "is_kept"),
    [
        ("Foo", "example.com/v1", False),
        ("CustomResourceDefinition", "apiextensions.k8s.io/v1", True),
        ("CustomResourceDefinition", "example.com/v1", False),
    ],
)
def test_status_goes_except_for_definitions(kind: str, version: str, is_kept: bool) -> None:
    obj = {"apiVersion": version, "kind": kind, "status": {"a": 1}}

    assert ("status" in normalised(obj)) is is_kept


def test_the_creation_timestamp_goes_and_the_input_stays() -> None:
    obj = {"apiVersion": "v1", "kind": "Foo", "metadata": {"name": "x", "creationTimestamp": None}}

    assert normalised(obj)["metadata"] == {"name": "x"}
    assert "creationTimestamp" in obj["metadata"]


def test_roles_stay_as_they_are() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "status": {}}

    assert normalised(role) is role


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("bundle", "is_kept"),
    [
        (b64encode(CERTIFICATE.encode()).decode(), True),
        (b64encode(b"a comment\n" + CERTIFICATE.encode() * 2).decode(), True),
        ("", True),
        ("Cg==", False),
        ("no base64!", False),
        (b64encode(CERTIFICATE.replace("MAA=", "AAAA").encode()).decode(), False),
    ],
)
def test_a_definition_loses_certificates_that_are_none(bundle: str, is_kept: bool) -> None:
    config = {"caBundle": bundle, "service": {"name": "s"}}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": config}}
    spec = {"conversion": conversion}
    crd = workload("CustomResourceDefinition", "apiextensions.k8s.io/v1", spec)

    found = normalised(crd)["spec"]["conversion"]["webhook"]["clientConfig"]
    assert found == (config if is_kept else {"service": {"name": "s"}})
