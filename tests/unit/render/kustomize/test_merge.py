from copy import deepcopy
from typing import Any

import pytest

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.schemas import BuiltInSchemas
from engine.render.kustomize.transform.merge import merge

SCHEMAS = BuiltInSchemas()


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "spec": spec}


def merged(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    return merge(deepcopy(target), patch, SCHEMAS)


@pytest.mark.parametrize(
    ("old", "patch", "wanted"),
    [
        # elements are matched by their key, new ones come first
        (
            [{"name": "a", "x": 1}],
            [{"name": "b"}, {"name": "a", "y": 2}],
            [{"name": "b"}, {"name": "a", "x": 1, "y": 2}],
        ),
        ([{"name": "a"}, {"name": "b"}], [{"name": "a", "$patch": "delete"}], [{"name": "b"}]),
        ([{"name": "a"}], [{"name": "c"}, {"$patch": "replace"}], [{"name": "c"}]),
        # ports have two keys; one that names no protocol agrees with any
        (
            [{"name": "a", "ports": [{"containerPort": 80}]}],
            [{"name": "a", "ports": [{"containerPort": 80, "name": "web"}]}],
            [{"name": "a", "ports": [{"containerPort": 80, "name": "web"}]}],
        ),
        (
            [{"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"}]}],
            [{"name": "a", "ports": [{"containerPort": 80, "protocol": "UDP"}]}],
            [
                {
                    "name": "a",
                    "ports": [
                        {"containerPort": 80, "protocol": "UDP"},
                        {"containerPort": 80, "protocol": "TCP"},
                    ],
                }
            ],
        ),
        # args have no keys and are replaced
        (
            [{"name": "a", "args": ["x"]}],
            [{"name": "a", "args": ["y"]}],
            [{"name": "a", "args": ["y"]}],
        ),
    ],
)
def test_lists_of_known_kinds_merge(old: Any, patch: Any, wanted: Any) -> None:
    assert merged(pod(containers=old), pod(containers=patch)) == pod(containers=wanted)


@pytest.mark.parametrize(
    ("old", "patch", "wanted"),
    [
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"a": None, "b": 2}, {"b": 3}, {"a": None, "b": 3}),
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}, "c": 1}, {"a": {"$patch": "delete"}}, {"c": 1}),
        ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": [{"name": "x"}]}, {"a": [{"name": "y"}]}, {"a": [{"name": "y"}]}),
    ],
)
def test_unknown_kinds_merge_maps_and_replace_lists(old: Any, patch: Any, wanted: Any) -> None:
    assert merged(old, patch) == wanted


def test_a_patch_can_delete_the_whole_resource() -> None:
    assert merged(pod(), {"$patch": "delete"}) == {}


def test_forms_that_do_not_fit_are_named_with_their_path() -> None:
    with pytest.raises(KustomizeError, match=r"'a.b': .*expected a map but got a scalar"):
        merged({"a": {"b": {}}}, {"a": {"b": "x"}})


def test_an_unknown_directive_is_an_error() -> None:
    with pytest.raises(KustomizeError, match="unknown patch strategy 'burn'"):
        merged({"a": {}}, {"a": {"$patch": "burn"}})


def test_the_patch_is_not_changed() -> None:
    patch = {"a": {"$patch": "replace", "b": 1}}

    merged({"a": {}}, patch)

    assert patch == {"a": {"$patch": "replace", "b": 1}}
