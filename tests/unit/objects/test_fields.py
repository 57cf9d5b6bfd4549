import pytest

from engine.objects.field_path import path_text
from engine.objects.fields import EMPTY, FieldSet


def fields(*paths: str) -> FieldSet:
    """A set of dotted field names."""
    return FieldSet.of(tuple(f"f:{name}" for name in path.split(".")) for path in paths)


def test_an_element_with_nothing_below_it_is_a_member_and_one_with_something_only_by_a_dot():
    found = FieldSet.parse({"f:a": {}, "f:b": {"f:c": {}}, "f:d": {".": {}, "f:e": {}}})

    assert [path_text(path) for path in found.paths()] == [".a", ".d", ".b.c", ".d.e"]


def test_what_nobody_knows_and_a_dot_at_the_top_are_ignored():
    assert FieldSet.parse({".": {}, "f:a": {"x:future": {"f:b": {}}}, "z:z": {}}) == fields("a")


def test_two_spellings_of_one_element_are_one():
    given = {'k:{"a":1,"b":2}': {"f:x": {}}, 'k:{"b":2.0,"a":1}': {".": {}}}

    assert FieldSet.parse({"f:l": given}).format() == {
        "f:l": {'k:{"a":1,"b":2}': {".": {}, "f:x": {}}}
    }


@pytest.mark.parametrize("bad", [{"name": {}}, {"f:a": 1}, {"f:a": {"k:1": {}}}])
def test_a_malformed_fields_v1_is_refused(bad):
    with pytest.raises(ValueError, match=r".+"):
        FieldSet.parse(bad)


def test_the_text_form_is_sorted_as_the_api_server_sorts():
    found = FieldSet.parse({"v:2": {}, "f:b": {}, "v:10": {}, "f:a": {}, 'k:{"n":1}': {}})

    assert list(found.format()) == ["f:a", "f:b", 'k:{"n":1}', "v:2", "v:10"]


def test_the_empty_path_is_nobodys():
    assert FieldSet.of([()]) == EMPTY
    assert not FieldSet.of([()])


def test_membership_is_of_the_path_itself_and_not_of_what_is_above():
    found = fields("a.b", "c")

    assert found.has(("f:a", "f:b"))
    assert not found.has(("f:a",))
    assert not found.has(())
    assert found.below("f:a") == fields("b")
    assert len(found) == 2


def test_a_difference_takes_paths_and_a_recursive_one_what_is_below_them_too():
    whole = fields("a", "a.b", "a.b.c", "d")

    assert whole.difference(fields("a.b", "d")) == fields("a", "a.b.c")
    assert whole.without(fields("a.b", "d")) == fields("a")
    assert fields("a").without(fields("a.b")) == fields("a")


def test_leaves_are_members_without_members_below():
    assert fields("a", "a.b", "c").leaves() == fields("a.b", "c")


def test_equal_sets_have_equal_hashes():
    assert hash(fields("a", "b.c")) == hash(fields("b.c", "a"))
    assert repr(fields("b.c", "a")) == "FieldSet(.a .b.c)"
