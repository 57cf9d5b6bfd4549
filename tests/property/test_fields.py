"""Laws of field sets: reading undoes writing, and the algebra is that of plain sets of paths."""

from hypothesis import given
from hypothesis import strategies as st

from engine.objects.field_path import canonical, key_element, value_element, value_text
from engine.objects.fields import FieldSet

scalars = st.one_of(
    st.booleans(), st.integers(-3, 100), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
)  # fmt: skip
elements = st.one_of(
    st.sampled_from(["f:a", "f:b", "f:.", "v:1", 'v:"a"', "i:0", 'k:{"name":"a"}']),
    scalars.map(value_element),
    st.dictionaries(st.sampled_from(["id", "name"]), scalars).map(lambda d: key_element(d.items())),
)
paths = st.lists(elements, min_size=1, max_size=4).map(tuple)
path_sets = st.frozensets(paths, max_size=8)


def plain(fields: FieldSet) -> set[tuple[str, ...]]:
    return set(fields.paths())


@given(path_sets)
def test_parse_undoes_format(members):
    fields = FieldSet.of(members)

    assert FieldSet.parse(fields.format()) == fields
    assert plain(fields) == members
    assert len(list(fields.paths())) == len(members)


@given(elements)
def test_a_canonical_element_stays_as_it_is(element):
    assert canonical(element) == element


@given(scalars, scalars)
def test_equal_values_have_equal_texts_and_others_do_not(a, b):
    same = a == b and isinstance(a, bool) == isinstance(b, bool)

    assert (value_text(a) == value_text(b)) == same


@given(path_sets, path_sets)
def test_the_algebra_is_that_of_sets_of_paths(a, b):
    x, y = FieldSet.of(a), FieldSet.of(b)

    assert plain(x.union(y)) == a | b
    assert plain(x.intersection(y)) == a & b
    assert plain(x.difference(y)) == a - b
    assert (x == y) == (a == b)


@given(path_sets, path_sets)
def test_a_recursive_difference_drops_what_begins_with_a_member(a, b):
    left = {path for path in a if not any(path[: len(gone)] == gone for gone in b)}

    assert plain(FieldSet.of(a).without(FieldSet.of(b))) == left


@given(path_sets)
def test_leaves_begin_no_other_member(a):
    def longer(path):
        return any(p != path and p[: len(path)] == path for p in a)

    assert plain(FieldSet.of(a).leaves()) == {path for path in a if not longer(path)}


@given(path_sets, paths)
def test_has_agrees_with_the_paths(a, path):
    assert FieldSet.of(a).has(path) == (path in a)


@given(path_sets, path_sets, path_sets)
def test_union_is_associative_commutative_and_idempotent(a, b, c):
    x, y, z = map(FieldSet.of, (a, b, c))

    assert x.union(y).union(z) == x.union(y.union(z))
    assert x.union(y) == y.union(x)
    assert x.union(x) == x


@given(path_sets, path_sets)
def test_results_never_change_their_operands(a, b):
    x, y = FieldSet.of(a), FieldSet.of(b)
    for operation in (x.union, x.intersection, x.difference, x.without):
        operation(y)

    assert (plain(x), plain(y)) == (a, b)
