import pytest

from engine.objects.field_path import (
    canonical,
    key_element,
    key_names,
    order,
    path_text,
    value_element,
    value_text,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("<&>", '"\\u003c\\u0026\\u003e"'),
        ("é\n\x01", '"é\\n\\u0001"'),
        (True, "true"),
        (None, "null"),
        (1, "1"),
        (1.0, "1"),
        (1.5, "1.5"),
        (1e16, "10000000000000000"),
        (1e-5, "0.00001"),
        (1e-7, "1e-7"),
        (1e21, "1e+21"),
        ({"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
    ],
)
def test_a_value_is_written_as_go_writes_it(value, text):
    assert value_text(value) == text


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("f:a:b", "f:a:b"),
        ('k:{"port": 80.0, "name": "x"}', 'k:{"name":"x","port":80}'),
        ("v:1.0", "v:1"),
        ("i:007", "i:7"),
        ("x:y", None),
    ],
)
def test_an_element_has_one_canonical_text(given, wanted):
    assert canonical(given) == wanted


@pytest.mark.parametrize("element", ["", "f", "name", "v:{", "k:[]", "k:1 2", "i:a"])
def test_a_malformed_element_is_refused(element):
    with pytest.raises(ValueError, match=r".+"):
        canonical(element)


def test_elements_sort_fields_first_then_keys_values_and_numbers_by_content():
    elements = [
        "i:10",
        "i:9",
        "v:10",
        "v:9",
        'v:"a"',
        "v:true",
        'k:{"n":10}',
        'k:{"n":9}',
        "f:b",
        "f:B",
    ]

    assert sorted(elements, key=order) == [
        "f:B", "f:b", 'k:{"n":9}', 'k:{"n":10}', "v:9", "v:10", 'v:"a"', "v:true", "i:9", "i:10",
    ]  # fmt: skip


def test_a_path_reads_as_in_the_api_servers_messages():
    path = (
        "f:spec",
        "f:containers",
        key_element([("name", "web"), ("id", 1000000)]),
        "f:args",
        value_element("x"),
        "i:3",
    )

    assert path_text(path) == '.spec.containers[id=1e+06,name="web"].args[="x"][3]'


def test_the_keys_of_an_element_are_named():
    assert key_names('k:{"a":1,"b":2}') == ("a", "b")
    assert key_names("f:a") == ()
