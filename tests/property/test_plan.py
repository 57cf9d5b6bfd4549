import random

from hypothesis import given
from hypothesis import strategies as st

from engine.objects.ref import Object, Ref
from engine.plan import Action, View, make_plan
from engine.plan.inventory import parse_inventory
from engine.plan.order import deletion_order, order_of
from engine.plan.policy import Policy, labelled
from tests.support.build import OWNER, made, marked

KINDS = ["Namespace", "ConfigMap", "Secret", "Widget", "StorageClass"]
MARKS: list[dict[str, str]] = [
    {},
    {"ssa": "Ignore"},
    {"ssa": "IfNotPresent"},
    {"ssa": "Merge"},
    {"prune": "disabled"},
    {"reconcile": "disabled"},
]


def build(kind: str, name: str, mark: dict[str, str], *, is_owned: bool) -> Object:
    obj = marked(made(kind, name, uid=f"{kind}/{name}"), **mark)
    return labelled(obj, OWNER) if is_owned else obj


objects = st.builds(
    build,
    st.sampled_from(KINDS),
    st.sampled_from("abc"),
    st.sampled_from(MARKS),
    is_owned=st.booleans(),
)
sets = st.lists(objects, unique_by=Ref.of, max_size=8)
policies = st.builds(Policy, st.just(OWNER), prune=st.booleans(), force=st.booleans())


def by_ref(objs: list[Object]) -> dict[Ref, Object]:
    return {Ref.of(obj): obj for obj in objs}


@given(sets, sets, sets, policies)
def test_every_object_of_git_and_of_the_inventory_is_in_exactly_one_change(
    desired: list[Object], live: list[Object], owns: list[Object], policy: Policy
) -> None:
    inventory = dict.fromkeys(map(Ref.of, owns), "v1")
    plan = make_plan(desired, View(by_ref(live)), inventory, policy)

    refs = [change.ref for change in (*plan.applies, *plan.prunes)]
    assert len(refs) == len(set(refs))
    assert set(refs) == set(map(Ref.of, desired)) | inventory.keys()
    assert plan.inventory().keys() == set(map(Ref.of, desired))


@given(sets, sets, sets, policies)
def test_only_what_is_ours_is_deleted_and_nothing_that_is_desired(
    desired: list[Object], live: list[Object], owns: list[Object], policy: Policy
) -> None:
    seen = by_ref(live)
    plan = make_plan(desired, View(seen), dict.fromkeys(map(Ref.of, owns), "v1"), policy)

    for change in plan.prunes:
        if change.action is Action.DELETE:
            assert policy.prune
            assert OWNER.owns(seen[change.ref])
            assert change.ref not in map(Ref.of, desired)


@given(sets, sets, policies)
def test_once_done_there_is_nothing_left_to_create_or_to_delete(
    desired: list[Object], live: list[Object], policy: Policy
) -> None:
    seen = by_ref(live)
    plan = make_plan(desired, View(seen), {}, policy)
    for change in plan.applies:
        if change.action is not Action.SKIP and change.desired is not None:
            seen[change.ref] = change.desired

    again = make_plan(desired, View(seen), plan.inventory(), policy)

    assert {change.action for change in again.applies} <= {
        Action.CONFIGURE,
        Action.SKIP,
        *(change.action for change in plan.applies if change.ref not in seen),
    }
    assert again.prunes == ()


@given(sets, policies, st.randoms(use_true_random=False))
def test_the_order_in_git_does_not_matter(
    desired: list[Object], policy: Policy, chance: random.Random
) -> None:
    mixed = chance.sample(desired, len(desired))

    assert str(make_plan(mixed, View(), {}, policy)) == str(make_plan(desired, View(), {}, policy))


@given(sets)
def test_what_is_deleted_goes_in_the_reverse_order(objs: list[Object]) -> None:
    refs = list(map(Ref.of, objs))

    assert deletion_order(refs) == sorted(refs, key=order_of)[::-1]


@given(sets, sets, policies)
def test_deleting_everything_is_a_plan_with_nothing_desired(
    live: list[Object], owns: list[Object], policy: Policy
) -> None:
    inventory = dict.fromkeys(map(Ref.of, owns), "v1")

    assert make_plan([], View(by_ref(live)), inventory, policy).applies == ()
    assert parse_inventory({"inventory": None}) == {}
