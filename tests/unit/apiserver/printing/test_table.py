from typing import Any

import pytest

from engine.apiserver.kinds.resources import Column, Resource
from engine.apiserver.printing.ages import human
from engine.apiserver.printing.jsonpath import find
from engine.apiserver.printing.table import Table
from engine.apiserver.state import timestamp
from tests.unit.apiserver.conftest import NOW, Client

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def test_kubectl_gets_the_columns_of_a_built_in_kind(client: Client) -> None:
    _, table = client.send("GET", "/api/v1/namespaces/default/services", accept=TABLE)

    names = [column["name"] for column in table["columnDefinitions"]]
    assert names == ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector"]
    assert table["rows"][0]["cells"] == [
        "kubernetes",
        "ClusterIP",
        "10.96.0.1",
        "<none>",
        "443/TCP",
        "0s",
        "<none>",
    ]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_a_row_holds_the_object_if_asked_for(client: Client) -> None:
    path = "/api/v1/namespaces/default?includeObject=Object"
    _, table = client.send("GET", path, accept=TABLE)

    assert table["rows"][0]["object"]["kind"] == "Namespace"


def resource(*columns: Column) -> Resource:
    return Resource(
        "g.io", "v1", "Thing", "things", "thing", True, "v1", custom=True, columns=columns
    )


def cells(obj: dict[str, Any], *columns: Column) -> list[Any]:
    table = Table(resource(*columns), "Metadata", NOW).of([obj], {})
    row: list[Any] = table["rows"][0]["cells"]
    return row


def test_printer_columns_of_a_crd() -> None:
    obj = {
        "metadata": {"name": "t", "creationTimestamp": timestamp(NOW - 90)},
        "spec": {"n": 3, "on": True, "tags": ["a", "b"]},
        "status": {"conditions": [{"type": "Ready", "status": "False"}]},
    }

    assert cells(
        obj,
        Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        Column("N", "integer", ".spec.n"),
        Column("On", "string", ".spec.on"),
        Column("Tags", "string", ".spec.tags"),
        Column("Age", "date", ".metadata.creationTimestamp"),
        Column("None", "string", ".spec.missing"),
    ) == ["t", "False", 3, "true", "[a b]", "90s", None]


def test_a_crd_without_columns_has_an_age() -> None:
    obj = {"metadata": {"name": "t", "creationTimestamp": timestamp(NOW - 60)}}

    assert cells(obj) == ["t", "60s"]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (".spec.a", [1]),
        ("{.spec.a}", [1]),
        (".spec.list[1].n", [2]),
        (".spec.list[*].n", [1, 2]),
        (".spec.list[-1].n", [2]),
        (r".metadata.annotations.a\.b/c", ["d"]),
        (".metadata.annotations['a.b/c']", ["d"]),
        (".spec.list[?(@.n>1)].n", [2]),
        (".spec.none.x", []),
    ],
)
def test_json_paths(path: str, wanted: list[Any]) -> None:
    obj = {
        "metadata": {"annotations": {"a.b/c": "d"}},
        "spec": {"a": 1, "list": [{"n": 1}, {"n": 2}]},
    }

    assert find(obj, path) == wanted


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (700, "11m"),
        (3 * 3600 + 60, "3h1m"),
        (10 * 3600, "10h"),
        (50 * 3600, "2d2h"),
        (9 * 86400, "9d"),
        (800 * 86400, "2y70d"),
    ],
)
def test_ages_are_coarser_the_longer_they_are(seconds: float, wanted: str) -> None:
    assert human(seconds) == wanted
