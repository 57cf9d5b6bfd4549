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
        ({"op": "replace", "path": "/b/c", "value": "secret"}, r"^operation 1 \(replace /b/c\): "),
        ({"op": "remove", "path": "/a/x/y"}, r"^operation 1 \(remove /a/x/y\): "),
        ({"op": "test", "path": "/a", "value": 2}, r"^operation 1 \(test /a\): "),
        ({"op": "move", "from": "/c", "path": "/d"}, r"^operation 1 \(move /c /d\): "),
        ({"op": "jump", "path": "/a"}, r"^operation 1 \(jump /a\): unknown operation 'jump': "),
        ({"op": "add", "path": "", "value": {}}, r"^operation 1 \(add \): "),
        ({"path": "/a"}, r"^operation 1 \(/a\): "),
        ({"op": "remove", "path": 3}, r"^operation 1 \(remove 3\): "),
        ("remove", r"^operation 1 \(a str, not an object\): "),
    ],
)
def test_an_operation_that_cannot_be_done_is_named(operation, problem):
    with pytest.raises(PatchError, match=problem) as caught:
        json_patch({"a": 1}, [{"op": "add", "path": "/z", "value": 0}, operation])

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [  # what gopkg.in/evanphx/json-patch.v4 4.13 does, which kustomize and the API server use
        ({"op": "replace", "path": "/new", "value": 1}, {"l": ["a", "b"], "n": None, "new": 1}),
        ({"op": "replace", "path": "/n"}, {"l": ["a", "b"], "n": None}),
        ({"op": "add", "path": "/new"}, {"l": ["a", "b"], "n": None, "new": None}),
        ({"op": "add", "path": "/a~2b~01", "value": 1}, {"l": ["a", "b"], "n": None, "a~2b~1": 1}),
        ({"op": "add", "path": "x/new", "value": 1}, {"l": ["a", "b"], "n": None, "new": 1}),
        (
            {"op": "copy", "from": "/none", "path": "/new"},
            {"l": ["a", "b"], "n": None, "new": None},
        ),
        ({"op": "test", "path": "/none", "value": None}, {"l": ["a", "b"], "n": None}),
        ({"op": "test", "path": "/l/-1", "value": "b"}, {"l": ["a", "b"], "n": None}),
        ({"op": "add", "path": "/l/-1", "value": "c"}, {"l": ["a", "b", "c"], "n": None}),
        ({"op": "add", "path": "/l/-3", "value": "c"}, {"l": ["c", "a", "b"], "n": None}),
        ({"op": "remove", "path": "/l/-1"}, {"l": ["a"], "n": None}),
        ({"op": "replace", "path": "/l/+00", "value": "c"}, {"l": ["c", "b"], "n": None}),
        ({"op": "add", "path": "/l/-4", "value": "c"}, None),
        ({"op": "add", "path": "/l/3", "value": "c"}, None),
        ({"op": "replace", "path": "/l/-", "value": "c"}, None),
        ({"op": "remove", "path": "/none"}, None),
        ({"op": "move", "from": "/none", "path": "/new"}, None),
        ({"op": "add", "path": "/n/x", "value": 1}, None),
        ({"op": "add", "path": "x", "value": 1}, None),
        ({"op": "replace", "path": "", "value": 1}, None),
        ({"op": "copy", "from": "", "path": "/new"}, None),
        ({"OP": "remove", "path": "/l"}, None),
    ],
)
def test_a_json_patch_has_the_latitude_of_kubernetes(operation, wanted):
    try:
        result = json_patch({"l": ["a", "b"], "n": None}, [operation])
    except PatchError:
        result = None

    assert result == wanted


def test_a_failed_test_does_not_say_what_stands_there() -> None:
    operation = {"op": "test", "path": "/password", "value": "guessed"}

    with pytest.raises(PatchError, match="what stands there is not what") as caught:
        json_patch({"password": "hunter2"}, [operation])

    assert "hunter2" not in str(caught.value)
    assert "guessed" not in str(caught.value)


@pytest.mark.slow
def test_copies_that_double_the_target_end_at_a_limit() -> None:
    operations = [{"op": "copy", "from": "/a", "path": f"/a/{n}"} for n in range(40)]

    with pytest.raises(PatchError, match=r"operation 1\d \(copy .*more than 100000 values"):
        json_patch({"a": {"b": 1}}, operations)
