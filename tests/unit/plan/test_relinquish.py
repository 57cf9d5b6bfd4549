from typing import Any

import pytest

from engine.objects.ref import Object
from engine.plan.relinquish import relinquished

MANAGER = "kustomize-controller"


def entry(manager: str, operation: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def made(value: Any, *entries: dict[str, Any]) -> Object:
    return {"kind": "X", "metadata": {"name": "a", "managedFields": list(entries)}, **value}


def left(value: Any, had: Any, said: Any, others: Any = None) -> Any:
    """What is left of a value if we had owned, and now say, these fields."""
    foreign = [entry("other", "Update", others)] if others else []
    adopted = made(value, entry(MANAGER, "Apply", had), *foreign)
    predicted = made(value, entry(MANAGER, "Apply", said), *foreign)
    result = relinquished(predicted, adopted, MANAGER)
    return {key: item for key, item in result.items() if key not in ("kind", "metadata")}


X, Y = {"f:data": {"f:x": {}}}, {"f:data": {"f:x": {}, "f:y": {}}}
ITEM = 'k:{"name":"log"}'


@pytest.mark.parametrize(
    ("value", "had", "said", "others", "wanted"),
    [
        ({"data": {"x": "1", "y": "2"}}, Y, X, None, {"data": {"x": "1"}}),
        ({"data": {"x": "1", "y": "2"}}, Y, X, Y, {"data": {"x": "1", "y": "2"}}),
        ({"data": {"y": "2"}}, {"f:data": {".": {}, "f:y": {}}}, {}, None, {}),
        ({"data": {"x": "1"}}, {"f:data": {".": {}, "f:x": {}}}, X, None, {"data": {"x": "1"}}),
        (
            {"items": [{"name": "web", "v": 1}, {"name": "log", "v": 1}]},
            {"f:items": {ITEM: {".": {}, "f:name": {}, "f:v": {}}}},
            {},
            None,
            {"items": [{"name": "web", "v": 1}]},
        ),
        (
            {"items": [{"name": "log", "v": 1, "w": 2}]},
            {"f:items": {ITEM: {".": {}, "f:name": {}, "f:v": {}}}},
            {"f:items": {ITEM: {".": {}, "f:name": {}}}},
            None,
            {"items": [{"name": "log", "w": 2}]},
        ),
        ({"set": ["a", "b"]}, {"f:set": {'v:"a"': {}}}, {}, None, {"set": ["b"]}),
        ({"args": ["a"]}, {"f:args": {}}, {}, None, {}),
    ],
)
def test_what_is_no_longer_said_goes_unless_others_own_it(
    value: Any, had: Any, said: Any, others: Any, wanted: Any
) -> None:
    assert left(value, had, said, others) == wanted
