import random
from itertools import count
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.objects.ref import Object, Ref
from engine.plan import Action, View, make_plan
from engine.plan.inventory import parse_inventory
from engine.plan.order import deletion_order, order_of
from engine.plan.policy import Policy, labelled
from tests.support.build import OWNER, made, marked
from tests.support.shared_objects import SharedObjects, kustomization, repository, shared
from tests.support.soak import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

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


OWNERS = [kustomization(name) for name in "abc"]
wants = st.frozensets(st.sampled_from([shared(name) for name in "xy"]))
commits = st.fixed_dictionaries({}, optional=dict.fromkeys(OWNERS, wants))
urls = st.sampled_from(["", "", "ssh://git@git.example/fleet.git", "https://mirror.example/fleet"])
steps = st.one_of(
    st.tuples(st.just("run"), st.sampled_from(OWNERS), st.just("end")),
    st.tuples(st.just("run"), st.sampled_from(OWNERS), st.sampled_from(["built", "recorded"])),
    st.tuples(st.just("commit"), commits),
    st.tuples(st.just("settle")),
    st.tuples(st.just("create"), st.sampled_from(OWNERS), wants),
    st.tuples(st.just("change"), st.sampled_from(OWNERS), wants),
    st.tuples(st.just("delete"), st.sampled_from(OWNERS)),
    st.tuples(st.just("suspend"), st.sampled_from(OWNERS), st.booleans()),
    st.tuples(st.just("restart")),
)


def take(world: SharedObjects, step: tuple[Any, ...]) -> None:
    """Does the step, where it can be done."""
    what, *rest = step
    exists = bool(rest) and rest[0] in world.owners()
    if what == "commit":
        world.commit({owner: refs for owner, refs in rest[0].items() if owner in world.owners()})
    elif what == "restart":
        world.restart()
    elif what == "settle":
        world.settle()
    elif what == "run":
        world.run(rest[0], until=rest[1])
    elif what == "create" and not exists:
        world.create(rest[0], rest[1])
    elif what == "change" and exists:
        world.change(rest[0], rest[1])
    elif what == "delete" and exists:
        world.delete(rest[0])
    elif what == "suspend" and world.is_active(rest[0]) is rest[1] and exists:
        world.suspend(rest[0], rest[1])


@settings(max_examples=examples(200))
@given(st.fixed_dictionaries(dict.fromkeys(OWNERS[:2], wants)), st.lists(steps, max_size=15))
def test_nothing_wanted_is_ever_deleted_and_what_nobody_wants_is_in_the_end(
    begin: dict[Ref, frozenset[Ref]], history: list[tuple[Any, ...]]
) -> None:
    world = SharedObjects()
    for owner, refs in begin.items():
        world.create(owner, refs)
    world.settle()
    for step in history:
        take(world, step)
    for owner in world.owners():
        if not world.is_active(owner):
            take(world, ("suspend", owner, False))
    world.settle()
    for owner in world.owners():  # its regular look: labels of others are left to that
        take(world, ("run", owner, "end"))
    world.settle()

    assert [wanting for _, wanting in world.deleted if wanting] == []
    owners = world.owners()
    wanted = {ref for owner in owners for ref in world.git[owner]}
    assert wanted <= world.live.keys()
    assert all(world.inventory(owner).keys() == world.git[owner] for owner in owners)
    # What a deleted one left to a suspended one, or had when suspended, keeps its labels for ever.
    assert {ref for ref, owner in world.live.items() if owner in owners} == wanted


class Renames(RuleBasedStateMachine):
    """Kustomizations and their sources change names, places and content; two runs at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = SharedObjects()
        self.numbers = count(1)
        self.runs: dict[Ref, Iterator[str]] = {}
        for name in "ab":
            self.world.create(kustomization(name), frozenset([shared(name)]), path=f"./{name}")
        self.world.settle()

    def owners(self) -> list[Ref]:
        return [owner for owner in self.world.owners() if not self.world.is_ending(owner)]

    def pick(self, data: st.DataObject) -> Ref:
        return data.draw(st.sampled_from(self.owners()), label="owner")

    @rule(data=st.data(), refs=wants)
    def commit(self, data: st.DataObject, refs: frozenset[Ref]) -> None:
        if self.owners():
            self.world.commit({self.pick(data): refs})

    @rule(data=st.data())
    def move_an_object(self, data: st.DataObject) -> None:
        if len(self.owners()) > 1:
            old, new = data.draw(st.permutations(self.owners()))[:2]
            moved = self.world.git[old]
            if self.world.url_of(old) == self.world.url_of(new):
                self.world.commit({old: frozenset(), new: self.world.git[new] | moved})

    @rule(data=st.data(), parts=st.integers(1, 2), is_suspended=st.booleans(), url=urls)
    def rename(self, data: st.DataObject, parts: int, is_suspended: bool, url: str) -> None:
        """With its source, which moves perhaps; in one commit of the parent; into two perhaps."""
        if not self.owners():
            return
        old = self.pick(data)
        left = sorted(self.world.git[old])
        source = repository(f"s{next(self.numbers)}")
        self.world.add_source(source, url or self.world.url_of(old))
        for part in range(parts):
            new = kustomization(f"k{next(self.numbers)}")
            path = self.world.path_of(old) + (f"/{part}" if parts > 1 else "")
            refs = frozenset(left[part::parts])
            self.world.create(new, refs, source=source, path=path, suspend=is_suspended)
            if data.draw(st.booleans(), label="is broken"):
                self.world.broken.add(new)
        self.world.delete(old)

    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        self.world.fetch(data.draw(st.sampled_from(self.world.sources())))

    @rule(data=st.data())
    def break_or_mend(self, data: st.DataObject) -> None:
        if self.owners():
            self.world.broken ^= {self.pick(data)}

    @rule(data=st.data())
    def lose_a_folder(self, data: st.DataObject) -> None:
        """The Kustomization stays; a later commit may bring the folder back."""
        if self.owners():
            owner = self.pick(data)
            self.world.commit({owner: frozenset()})
            self.world.missing.add(owner)

    @rule(data=st.data(), is_suspended=st.booleans())
    def suspend(self, data: st.DataObject, is_suspended: bool) -> None:
        if self.owners():
            self.world.suspend(self.pick(data), is_suspended)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if self.owners():
            self.world.delete(self.pick(data))

    @rule()
    def drop_unused_sources(self) -> None:
        self.world.drop_unused_sources()

    @rule()
    def restart(self) -> None:
        self.runs.clear()
        self.world.restart()

    @rule(data=st.data())
    def begin_a_run(self, data: st.DataObject) -> None:
        if len(self.runs) < 2 and set(self.world.owners()) - self.runs.keys():
            idle = sorted(set(self.world.owners()) - self.runs.keys())
            owner = data.draw(st.sampled_from(idle), label="runs")
            run = self.world.begin(owner)
            if next(run, None) is not None:
                self.runs[owner] = run

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        if self.runs:
            owner = data.draw(st.sampled_from(sorted(self.runs)), label="goes on")
            if next(self.runs[owner], None) is None:
                del self.runs[owner]

    @invariant()
    def nothing_wanted_was_deleted(self) -> None:
        assert [each for each in self.world.deleted if each[1]] == []

    def teardown(self) -> None:
        for run in self.runs.values():
            list(run)
        self.world.broken.clear()
        self.world.missing.clear()
        for owner in self.owners():
            self.world.suspend(owner, False)
        self.world.commit({})
        self.world.settle()
        self.nothing_wanted_was_deleted()
        owners = self.world.owners()
        wanted = {ref for owner in owners for ref in self.world.git[owner]}
        assert wanted <= self.world.live.keys()
        # What a suspended one had when it was deleted keeps its labels for ever.
        assert {ref for ref, owner in self.world.live.items() if owner in owners} == wanted
        assert all(self.world.inventory(each).keys() == self.world.git[each] for each in owners)


Renames.TestCase.settings = settings(max_examples=examples(40), stateful_step_count=30)
test_what_changes_names_places_and_sources_keeps_what_is_wanted = Renames.TestCase
