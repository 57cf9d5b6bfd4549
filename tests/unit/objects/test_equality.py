from decimal import Decimal

import pytest

from engine.objects.equality import differences, is_empty, quantity


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1", "1"),
        ("1000m", "1"),
        ("1Gi", "1073741824"),
        (1073741824, "1073741824"),
        (0.5, "0.5"),
        ("500m", "0.5"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1000000000000000000"),
        ("1k", "1000"),
        ("+.5M", "500000"),
        ("5.", "5"),
        ("100n", "0.0000001"),
        ("3u", "0.000003"),
        ("-2Ki", "-2048"),
    ],
)
def test_a_quantity_is_the_number_that_kubernetes_reads(value, number):
    assert quantity(value) == Decimal(number)


@pytest.mark.parametrize("value", ["", "1 Gi", "1K", "Gi", "1Gib", "1e", "e3", True, None, {}, "."])
def test_what_is_no_quantity_is_none(value):
    assert quantity(value) is None


def test_null_and_empty_containers_count_as_absent():
    assert [is_empty(value) for value in (None, {}, [], "", 0, False, {"a": None})] == (
        [True, True, True, False, False, False, False]
    )


def container(**fields):
    return {"spec": {"containers": [{"name": "a", **fields}]}}


LIMITS = {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
LIVE_LIMITS = {"resources": {"limits": {"cpu": "1000m", "memory": "1024Mi", "x": "1"}}}
AT = ("spec", "containers", 0)


@pytest.mark.parametrize(
    ("desired", "live", "found"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": 1}, {"a": 2}, [(("a",), 1, 2)]),
        ({"a": 1}, {}, [(("a",), 1, None)]),
        ({"a": 1}, {"a": True}, [(("a",), 1, True)]),
        ({"a": {}, "b": None, "c": []}, {}, []),
        ({"a": ""}, {}, [(("a",), "", None)]),
        ({"a": {"b": 1}}, {"a": None}, [(("a",), {"b": 1}, None)]),
        ({"a": {"b": 1}}, {"a": [1]}, [(("a",), {"b": 1}, [1])]),
        (container(**LIMITS), container(**LIVE_LIMITS), []),
        (
            container(resources={"limits": {"cpu": 1}}),
            container(resources={"limits": {"cpu": "2"}}),
            [((*AT, "resources", "limits", "cpu"), 1, "2")],
        ),
        (
            container(env=[{"name": "A", "value": "1"}]),
            container(env=[{"name": "A", "value": "1000m"}]),
            [((*AT, "env", 0, "value"), "1", "1000m")],
        ),
        (
            {"metadata": {"annotations": {"limits": "1", "max": "1"}}},
            {"metadata": {"annotations": {"limits": "1000m", "max": "1000m"}}},
            [
                (("metadata", "annotations", "limits"), "1", "1000m"),
                (("metadata", "annotations", "max"), "1", "1000m"),
            ],
        ),
        ({"target": {"value": "1"}}, {"target": {"value": "1000m"}}, []),
        ({"emptyDir": {"sizeLimit": "1Gi"}}, {"emptyDir": {"sizeLimit": "1024Mi"}}, []),
        ({"a": [1, 2]}, {"a": [2, 1]}, [(("a", 0), 1, 2), (("a", 1), 2, 1)]),
        ({"a": [1, 2]}, {"a": [1]}, [(("a",), [1, 2], [1])]),
        (
            {"a": [{"name": "x", "v": 1}, {"name": "y", "v": 2}]},
            {"a": [{"name": "injected"}, {"name": "y", "v": 3}, {"name": "x", "v": 1}]},
            [(("a", 1, "v"), 2, 3)],
        ),
        (
            {"a": [{"name": "x"}]},
            {"a": [{"name": "y"}]},
            [(("a",), [{"name": "x"}], [{"name": "y"}])],
        ),
        ({"a": [{"name": "x"}, {"name": "x"}]}, {"a": [{"name": "x"}, {"name": "x"}]}, []),
    ],
)
def test_differences_are_the_desired_fields_that_live_has_otherwise(desired, live, found):
    assert differences(desired, live) == found


def test_items_are_matched_by_the_keys_of_their_list():
    def keys(path):
        return ("port", "protocol") if path == ("ports",) else None

    desired = {"ports": [{"port": 1, "protocol": "UDP", "name": "a"}]}
    live = {"ports": [{"port": 2, "name": "a"}, {"port": 1, "protocol": "UDP", "name": "b"}]}

    assert differences(desired, live, keys) == [(("ports", 0, "name"), "a", "b")]
