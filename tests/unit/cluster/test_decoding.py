"""One object that is nested without measure hides no other: CVE-2024-27454 and its like."""

import orjson
import pytest

from engine.cluster.decoding import MAX_DEPTH, decoded, shallow

LEFT_OUT = f"nested deeper than {MAX_DEPTH} levels: left out"


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def depth(value: object) -> int:
    """How many mappings are in each other."""
    levels = 0
    while isinstance(value, dict):
        value, levels = value["a"], levels + 1
    return levels


def listed(*items: str) -> bytes:
    return f'{{"items":[{",".join(items)}],"metadata":{{"resourceVersion":"5"}}}}'.encode()


@pytest.mark.parametrize("levels", [1, MAX_DEPTH, 1_000])
def test_what_can_be_read_is_read_whole(levels: int) -> None:
    assert depth(decoded(nested(levels).encode())) == levels


@pytest.mark.parametrize("levels", [1_025, 5_000, 10_000])
def test_what_is_nested_too_deep_is_left_out_and_a_text_says_so(levels: int) -> None:
    found = decoded(nested(levels).encode())

    assert depth(found) == MAX_DEPTH
    assert LEFT_OUT in str(found)


def test_the_other_objects_of_a_list_are_whole() -> None:
    odd = '{"x": "]}\\"[{", "y": [[], {}], "z": "\\\\"}'
    found = decoded(listed(odd, nested(3_000), odd, f"[{nested(3_000)}]", odd))

    assert found["metadata"] == {"resourceVersion": "5"}
    assert [each for each in found["items"] if isinstance(each, dict) and "x" in each] == (
        [orjson.loads(odd)] * 3
    )


def test_who_wrote_what_is_forgotten_only_where_it_was_cut() -> None:
    entry = '{{"metadata":{{"name":"{}","managedFields":[{{"fieldsV1":{}}}]}}}}'
    found = decoded(listed(entry.format("a", '{"f:spec":{}}'), entry.format("b", nested(3_000))))

    assert [each["metadata"].keys() for each in found["items"]] == [
        {"name", "managedFields"},
        {"name"},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        nested(3_000)[:-1],
        nested(10_001),
        "[" * 5_000_000,
        "[]" * 8_000_000,
        '"' + '\\"' * 1_000_000,
        '["' + '\\"' * 1_000_000 + "\\",
        '{"a": 1,}',
        '"' + "[" * 300,
    ],
    ids=[
        "nothing",
        "HTML",
        "cut off",
        "deeper than a server reads",
        "endless",
        "more than a server sends",
        "a text without an end",
        "a text that ends in a backslash",
        "no JSON",
        "a text",
    ],
)
def test_what_is_no_json_of_an_api_server_is_refused(text: str) -> None:
    assert shallow(text.encode()) is None
    with pytest.raises(orjson.JSONDecodeError):
        decoded(text.encode())
