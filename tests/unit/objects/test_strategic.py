from copy import deepcopy
from typing import Any

import pytest

from engine.objects.schema import kind_schema
from engine.objects.strategic import PatchError, strategic_merge

POD = kind_schema("", "v1", "Pod")
A, B, C = ({"name": name} for name in "abc")


def merged(spec: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    target = {"spec": spec}
    before = deepcopy((target, patch))
    result = strategic_merge(target, {"spec": patch}, POD)
    assert (target, patch) == before
    return dict(result["spec"])


@pytest.mark.parametrize(
    ("old", "patch", "wanted"),
    [
        ({"a": 1, "b": {"c": 1, "d": 2}}, {"a": None, "b": {"c": 3}}, {"b": {"c": 3, "d": 2}}),
        ({}, {"x": {"y": None, "z": 1}}, {"x": {"z": 1}}),
        ({"x": {"y": 1}}, {"x": {"$patch": "replace", "z": 1}}, {"x": {"z": 1}}),
        ({"x": {"y": 1}}, {"x": {"$patch": "delete"}}, {"x": {}}),
        ({"containers": [A, B]}, {"containers": [C]}, {"containers": [C, A, B]}),
        (
            {"containers": [A, B]},
            {"containers": [{**B, "image": "i"}]},
            {"containers": [A, {**B, "image": "i"}]},
        ),
        ({"containers": [A, B]}, {"containers": [{**A, "$patch": "delete"}]}, {"containers": [B]}),
        ({"containers": [A, B]}, {"containers": [{"$patch": "replace"}, C]}, {"containers": [C]}),
        ({"tolerations": [A]}, {"tolerations": [B]}, {"tolerations": [B]}),
        (
            {"containers": [A, B]},
            {"$setElementOrder/containers": [C, B, A], "containers": [C]},
            {"containers": [C, B, A]},
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {}}]},
            {"volumes": [{"name": "v", "secret": {}}]},
        ),
    ],
)
def test_patches_merge_as_on_the_api_server(old: Any, patch: Any, wanted: Any) -> None:
    assert merged(old, patch) == wanted


def test_primitive_lists_are_sets() -> None:
    target = {"metadata": {"finalizers": ["a", "b"]}}
    patch = {
        "metadata": {
            "finalizers": ["c", "a"],
            "$deleteFromPrimitiveList/finalizers": ["b"],
            "$setElementOrder/finalizers": ["a", "c"],
        }
    }

    assert strategic_merge(target, patch, POD) == {"metadata": {"finalizers": ["a", "c"]}}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"x": {"$patch": "burn"}}, "unknown .*'burn' in a map"),
        ({"containers": [{**A, "$patch": "burn"}]}, "unknown .*'burn' in list 'containers'"),
        ({"containers": [{"image": "i"}]}, "'containers' lacks its merge key 'name'"),
        ({"x": {"$retainKeys": ["a"], "b": 1}}, "does not list 'b'"),
        ({"x": {"$retainKeys": "a"}}, "must be a list"),
    ],
)
def test_a_patch_that_contradicts_itself_is_an_error(patch: dict[str, Any], message: str) -> None:
    with pytest.raises(PatchError, match=message):
        merged({"x": {"a": 1}, "containers": [A]}, patch)


def test_without_a_schema_lists_are_replaced() -> None:
    assert strategic_merge({"a": [A]}, {"a": [B]}, None) == {"a": [B]}
