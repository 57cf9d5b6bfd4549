import pytest

from engine.objects.patch import PatchError, diff_merge_patch, is_same, json_patch, merge_patch


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # the table of RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_applied_as_the_rfc_says(target, patch, result):
    assert merge_patch(target, patch) == result


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"c": 1, "d": 3}}, {"a": None, "b": {"d": 3}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": 1}, {"a": True}, {"a": True}),
        ({"a": {"b": 1}}, {"a": "x"}, {"a": "x"}),
        ({"a": {"b": 1}}, {"a": {"b": 1}}, {}),
        (1, {"a": 1}, {"a": 1}),
    ],
)
def test_a_difference_holds_only_what_changed(old, new, patch):
    assert is_same(diff_merge_patch(old, new), patch)


def test_a_json_patch_works_on_a_copy():
    target = {"a": [{"b": 1}]}
    added = {"c": {}}

    result = json_patch(
        target,
        [
            {"op": "test", "path": "/a/0/b", "value": 1},
            {"op": "add", "path": "/a/-", "value": added},
            {"op": "add", "path": "/a/1/c/d", "value": 2},
            {"op": "remove", "path": "/a/0"},
        ],
    )

    assert result == {"a": [{"c": {"d": 2}}]}
    assert target == {"a": [{"b": 1}]}
    assert added == {"c": {}}


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        ({"op": "replace", "path": "/b", "value": "secret"}, r"^operation 1 \(replace /b\): "),
        ({"op": "remove", "path": "/a/x/y"}, r"^operation 1 \(remove /a/x/y\): "),
        ({"op": "test", "path": "/a", "value": 2}, r"^operation 1 \(test /a\): "),
        ({"op": "move", "from": "/c", "path": "/d"}, r"^operation 1 \(move /c /d\): "),
        ({"op": "jump", "path": "/a"}, r"^operation 1 \(jump /a\): Unknown operation 'jump'$"),
        ({"op": "add", "path": "/a"}, r"^operation 1 \(add /a\): "),
        ({"path": "/a"}, r"^operation 1 \(/a\): "),
        ({"op": "remove", "path": 3}, r"^operation 1 \(remove 3\): "),
        ("remove", r"^operation 1 \(a str, not an object\): "),
    ],
)
def test_an_operation_that_cannot_be_done_is_named(operation, problem):
    with pytest.raises(PatchError, match=problem) as caught:
        json_patch({"a": 1}, [{"op": "add", "path": "/z", "value": 0}, operation])

    assert "secret" not in str(caught.value)


def test_a_failed_test_does_not_say_what_stands_there() -> None:
    operation = {"op": "test", "path": "/password", "value": "guessed"}

    with pytest.raises(PatchError, match="what stands there is not what") as caught:
        json_patch({"password": "hunter2"}, [operation])

    assert "hunter2" not in str(caught.value)
    assert "guessed" not in str(caught.value)


def test_copies_that_double_the_target_end_at_a_limit() -> None:
    operations = [{"op": "copy", "from": "", "path": f"/{n}"} for n in range(40)]

    with pytest.raises(PatchError, match=r"operation 1\d \(copy .*more than 100000 values"):
        json_patch({"a": 1}, operations)
