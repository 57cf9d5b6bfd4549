from hypothesis import given
from hypothesis import strategies as st

from engine.objects.ref import Ref
from engine.plan.inventory import format_inventory, parse_inventory, union

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=3).map(".".join)
role_names = st.lists(labels, min_size=1, max_size=3).map(":".join)
groups = st.one_of(st.just(""), names)
kinds = st.from_regex(r"[A-Z][A-Za-z0-9]{0,8}", fullmatch=True)
refs = st.builds(Ref, groups, kinds, st.one_of(st.just(""), labels), st.one_of(names, role_names))
inventories = st.dictionaries(refs, st.sampled_from(["v1", "v1beta1"]), max_size=6)


@given(inventories)
def test_what_is_written_is_read_back_in_its_order(inventory: dict[Ref, str]) -> None:
    status = {"inventory": format_inventory(inventory)}

    assert list(parse_inventory(status).items()) == list(inventory.items())


@given(inventories, inventories)
def test_a_union_loses_nothing_and_is_the_same_again(
    old: dict[Ref, str], new: dict[Ref, str]
) -> None:
    both = union(old, new)

    assert both.keys() == old.keys() | new.keys()
    assert all(both[ref] == version for ref, version in new.items())
    assert union(both, new) == union(old, both) == both


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5))
def test_nonsense_owns_nothing(nonsense: object) -> None:
    entries = [{"id": nonsense}, nonsense]

    found = parse_inventory({"inventory": {"entries": entries}})

    assert all(isinstance(nonsense, str) for _ in found)
