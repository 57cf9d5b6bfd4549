"""Laws of patches."""

import copy

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st

from engine.objects.patch import diff_merge_patch, is_same, json_patch, merge_patch

SCALARS = st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "b"])
KEYS = st.sampled_from(["a", "b", "c", "/~"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)
WITH_NULLS = st.recursive(
    SCALARS | st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner)
)


@given(WITH_NULLS, VALUES)
def test_a_difference_applied_gives_the_new_value(old, new):
    before = copy.deepcopy((old, new))

    assert is_same(merge_patch(old, diff_merge_patch(old, new)), new)
    assert is_same((old, new), before)


@given(WITH_NULLS, WITH_NULLS)
def test_a_merge_patch_applied_twice_changes_nothing_more(target, patch):
    before = copy.deepcopy((target, patch))
    once = merge_patch(target, patch)

    assert is_same(merge_patch(once, patch), once)
    assert is_same((target, patch), before)


@given(st.dictionaries(KEYS, VALUES))
def test_equal_mappings_have_an_empty_difference(value):
    assert diff_merge_patch(value, copy.deepcopy(value)) == {}


@given(VALUES, VALUES)
def test_a_json_patch_leads_from_one_value_to_the_other(old, new):
    operations = jsonpatch.make_patch({"x": old}, {"x": new}).patch
    before = copy.deepcopy((old, operations))

    assert json_patch({"x": old}, operations) == {"x": new}
    assert (old, operations) == before
