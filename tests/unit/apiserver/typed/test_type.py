import pytest

from engine.apiserver.typed.schema import Schema, TypeMismatch, TypeRef, from_document
from engine.apiserver.typed.type import DEDUCED, Type
from engine.objects.fields import FieldSet

STRING = {"scalar": "string"}
PORTS = {
    "list": {
        "elementRelationship": "associative",
        "keys": ["port", "protocol"],
        "elementType": {
            "map": {
                "fields": [
                    {"name": "port", "type": {"scalar": "numeric"}},
                    {"name": "protocol", "type": STRING, "default": "TCP"},
                    {"name": "name", "type": STRING},
                ]
            }
        },
    }
}
ROOT = {
    "map": {
        "fields": [
            {"name": "text", "type": STRING},
            {"name": "ports", "type": PORTS},
            {
                "name": "set",
                "type": {"list": {"elementRelationship": "associative", "elementType": STRING}},
            },
            {
                "name": "args",
                "type": {"list": {"elementRelationship": "atomic", "elementType": STRING}},
            },
            {"name": "labels", "type": {"map": {"elementType": STRING}}},
            {"name": "whole", "type": {"namedType": "root", "elementRelationship": "atomic"}},
            {"name": "inner", "type": {"namedType": "root"}},
        ]
    }
}
TYPE = Type(from_document({"types": [{"name": "root", **ROOT}]}), TypeRef("root"))


def atomic_labels() -> Type:
    """The same type where labels became atomic."""
    labels = {
        "name": "labels",
        "type": {"map": {"elementType": STRING, "elementRelationship": "atomic"}},
    }
    fields = [labels if each["name"] == "labels" else each for each in ROOT["map"]["fields"]]
    return Type(
        from_document({"types": [{"name": "root", "map": {"fields": fields}}]}), TypeRef("root")
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"text": 1}, ".text: expected string, got 1"),
        ({"other": 1}, ".other: field not declared in schema"),
        ({"args": ["a", True]}, ".args[1]: expected string, got True"),
        ({"args": {}}, ".args: expected list, got {}"),
        ({"labels": []}, ".labels: expected map, got []"),
        ({"set": ["a", "a"]}, '.set: duplicate entries for key [="a"]'),
        ({"set": [None]}, ".set: element 0: associative list without keys has an element that's"),
        (
            {"ports": [{"port": 1}, {"port": 1, "protocol": "TCP"}]},
            '.ports: duplicate entries for key [port=1,protocol="TCP"]',
        ),
        ({"ports": [None]}, ".ports: element 0: associative list with keys may not have a null"),
        ({"inner": {"text": True}}, ".inner.text: expected string, got True"),
    ],
)
def test_a_value_that_does_not_conform_is_refused_with_its_path(value, problem):
    with pytest.raises(TypeMismatch) as caught:
        TYPE.validate(value)

    assert str(caught.value).startswith(problem)


def test_every_problem_is_listed():
    with pytest.raises(TypeMismatch) as caught:
        TYPE.validate({"text": 1, "args": [2]})

    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("value", [None, {}, {"text": None, "set": None, "inner": {"inner": None}}])
def test_null_is_of_every_type(value):
    TYPE.validate(value)


def test_items_may_be_there_twice_where_that_is_allowed():
    TYPE.validate({"set": ["a", "a"]}, allow_duplicates=True)


def test_a_type_that_does_not_exist_is_named():
    with pytest.raises(TypeMismatch, match="no type found matching: missing"):
        Type(Schema({}), TypeRef("missing")).validate({})


def test_an_applier_owns_leaves_items_and_keys_but_no_declared_field_on_the_way():
    owned = TYPE.field_set(
        {
            "text": "a",
            "ports": [{"port": 80, "name": "x"}],
            "args": ["a"],
            "labels": {"a": "b"},
            "inner": {"set": ["s"], "labels": {}},
            "whole": {"text": "x"},
        }
    )

    assert owned.format() == {
        "f:args": {},
        "f:inner": {"f:labels": {}, "f:set": {'v:"s"': {}}},
        "f:labels": {"f:a": {}},
        "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}}},
        "f:text": {},
        "f:whole": {},
    }


def test_of_an_item_that_is_there_twice_only_the_place_is_owned():
    owned = TYPE.field_set({"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]})

    assert owned.format() == {"f:ports": {'k:{"port":1,"protocol":"TCP"}': {}}}


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        (None, {"text": "a"}, {"text": "a"}),
        (
            {"text": "a", "labels": {"x": "1"}},
            {"labels": {"y": "2"}},
            {"text": "a", "labels": {"x": "1", "y": "2"}},
        ),
        ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
        ({"set": ["a", "b", "c"]}, {"set": ["c", "a"]}, {"set": ["b", "c", "a"]}),
        ({"set": ["a", "c"]}, {"set": ["a", "b", "c"]}, {"set": ["a", "b", "c"]}),
        ({"set": ["a", "a"]}, {"set": ["a"]}, {"set": ["a"]}),
        ({"set": ["a", "a"]}, {"set": ["b"]}, {"set": ["a", "a", "b"]}),
        (
            {"ports": [{"port": 1, "name": "a"}]},
            {"ports": [{"port": 1, "protocol": "TCP"}]},
            {"ports": [{"port": 1, "protocol": "TCP", "name": "a"}]},
        ),
        ({"labels": {"a": "b"}}, {"labels": None}, {"labels": {"a": "b"}}),
        ({"labels": None}, {"labels": {}}, {"labels": {}}),
        ({"whole": {"text": "a"}}, {"whole": {"args": []}}, {"whole": {"args": []}}),
    ],
)
def test_a_configuration_is_merged_into_live(live, config, merged):
    assert TYPE.merge(live, config) == merged


def test_a_configuration_must_not_name_an_item_twice():
    with pytest.raises(TypeMismatch, match=r"\.set: duplicate entries"):
        TYPE.merge({}, {"set": ["a", "a"]})


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ({"text": "a"}, {"text": "a"}, [[], [], []]),
        ({"text": "a"}, {"text": "b"}, [[], ["text"], []]),
        ({}, {"labels": {"a": "b"}}, [["labels", "labels.a"], [], []]),
        ({"labels": {"a": "b"}}, {}, [[], [], ["labels", "labels.a"]]),
        ({"args": ["a"]}, {"args": ["a", "b"]}, [[], ["args"], []]),
        ({"labels": None}, {"labels": {}}, [[], ["labels"], []]),
    ],
)
def test_a_comparison_tells_what_is_new_different_and_gone(old, new, wanted):
    change = TYPE.compare(old, new)
    sets = [
        FieldSet.of(tuple(f"f:{name}" for name in path.split(".")) for path in paths)
        for paths in wanted
    ]

    assert [change.added, change.modified, change.removed] == sets


def test_items_that_come_twice_or_no_longer_do_are_compared_as_one_thing():
    once, twice, again = {"set": ["a"]}, {"set": ["a", "a"]}, {"set": ["a", "a", "a"]}
    place = {"f:set": {'v:"a"': {}}}

    assert TYPE.compare(twice, again).modified.format() == place
    assert TYPE.compare(twice, {"set": []}).removed.format() == place
    assert TYPE.compare(once, twice).added.format() == place
    assert TYPE.compare(twice, once).added.format() == place


def test_numbers_are_equal_by_value_and_never_to_booleans():
    assert not DEDUCED.compare({"a": 1}, {"a": 1.0}).modified
    assert DEDUCED.compare({"a": 1}, {"a": True}).modified


def test_without_a_schema_maps_are_granular_and_lists_atomic():
    owned = DEDUCED.field_set({"a": {"b": [{"name": "x"}], "c": {}}})

    assert owned.format() == {"f:a": {".": {}, "f:b": {}, "f:c": {}}}
    assert DEDUCED.merge({"a": 1}, {"a": {"b": 2}}) == {"a": {"b": 2}}


def test_removing_takes_members_and_leaves_emptied_containers():
    value = {"labels": {"a": "1"}, "set": ["a", "b"], "inner": {"text": "x", "args": ["y"]}}
    gone = {"f:labels": {"f:a": {}}, "f:set": {'v:"a"': {}}, "f:inner": {"f:text": {}}}

    assert TYPE.remove(value, FieldSet.parse(gone)) == {
        "labels": {}, "set": ["b"], "inner": {"args": ["y"]},
    }  # fmt: skip


def test_extracting_keeps_members_and_what_leads_to_them():
    value = {"text": "t", "ports": [{"port": 1, "name": "a"}, {"port": 2}]}
    name = FieldSet.parse({"f:ports": {'k:{"port":1,"protocol":"TCP"}': {"f:name": {}}}})

    assert TYPE.extract(value, name) == {"ports": [{"name": "a"}]}
    assert TYPE.extract(value, name, with_keys=True) == {"ports": [{"port": 1, "name": "a"}]}


def test_a_map_that_became_atomic_is_owned_as_a_whole():
    owned = FieldSet.parse({"f:labels": {"f:a": {}}, "f:text": {}})

    assert atomic_labels().reconciled(owned).format() == {"f:labels": {}, "f:text": {}}
    assert TYPE.reconciled(owned) == owned


def test_declared_fields_on_the_way_become_members():
    owned = FieldSet.parse({"f:inner": {"f:labels": {"f:a": {}}}})

    assert TYPE.named_members(owned).format() == {
        "f:inner": {".": {}, "f:labels": {".": {}, "f:a": {}}}
    }
