"""The laws of who goes next, against a plain model of it."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.runtime.lines import BEYOND, PATIENCE, Lines
from engine.runtime.priority import Priority
from tests.support.soak import examples

PRIORITIES = st.sampled_from(list(Priority))
TENANTS = st.sampled_from("abcd")


class LinesLaws(RuleBasedStateMachine):
    """By urgency, then by what tenants hold, then by arrival; and nobody waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: Lines[int] = Lines()
        self.model: dict[int, tuple[Priority, str]] = {}  # in order of arrival
        self.turns = 0
        self.passed_over = 0
        self.arrived = 0
        self.held: Counter[str] = Counter()
        self.beyond: set[str] = set()
        self.waited: Counter[int] = Counter()  # {who: patience turns of others since it came}

    @rule(priority=PRIORITIES, tenant=TENANTS, count=st.integers(1, 20))
    def join(self, priority: Priority, tenant: str, count: int) -> None:
        for _ in range(count):
            self.model[self.arrived] = priority, tenant
            self.lines.join(self.arrived, priority, tenant)
            self.arrived += 1

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(list(self.model)))
        self.lines.leave(who)
        del self.model[who]

    @precondition(lambda self: +self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        tenant = data.draw(st.sampled_from(sorted(+self.held)))
        self.lines.release(tenant)
        self.held[tenant] -= 1
        if not self.held[tenant]:
            self.beyond.discard(tenant)

    @rule(
        limit=st.integers(0, 12),
        kept=st.integers(0, 4),
        spare=st.integers(0, 2),
        count=st.integers(1, 40),
    )
    def next(self, limit: int, kept: int, spare: int, count: int) -> None:
        for _ in range(count):
            has_room = self.held.total() < limit - kept
            is_kept = not has_room and self.held.total() < limit
            is_spare = self.held.total() < limit + spare
            who = self.lines.next(limit, kept, spare)
            if who is None:
                assert not self.model or not has_room  # work conserving
                assert not is_kept or not self.is_urgent()
                assert not is_spare or not self.is_manual()
                assert has_room or not self.may_go_beyond()
                return
            priority, tenant = self.model.pop(who)
            if has_room:
                self.check_turn(who, priority, tenant)
            elif not is_kept or priority > Priority.MANUAL:
                most = BEYOND + (priority <= Priority.MANUAL)
                if not self.held[tenant] and len(self.beyond) < most:
                    self.beyond.add(tenant)
                else:
                    assert is_spare
                    assert priority is Priority.MANUAL
            self.held[tenant] += 1

    def check_turn(self, who: int, priority: Priority, tenant: str) -> None:
        others = self.model.values()
        older = [each for each, (_, whose) in self.model.items() if whose == tenant and each < who]
        is_urgent = all(priority <= each for each, _ in others)
        equals = [whose for each, whose in others if each == priority]
        is_fair = all(self.held[tenant] <= self.held[whose] for whose in equals)
        is_first = not [each for each in older if self.model[each][0] == priority]
        is_oldest = not older
        self.passed_over += 1
        if not (is_urgent and is_fair and is_first):
            assert is_oldest  # the longest waiter of its tenant
            assert self.passed_over > PATIENCE
            self.passed_over = 0

    def is_urgent(self) -> bool:
        return any(priority <= Priority.MANUAL for priority, _ in self.model.values())

    def is_manual(self) -> bool:
        return any(priority is Priority.MANUAL for priority, _ in self.model.values())

    def may_go_beyond(self) -> bool:
        return any(
            not self.held[tenant] and len(self.beyond) < BEYOND + (priority <= Priority.MANUAL)
            for priority, tenant in self.model.values()
        )

    @invariant()
    def it_counts_who_waits(self) -> None:
        counted = Counter(priority for priority, _ in self.model.values())
        assert self.lines.waiting() == {priority: counted[priority] for priority in Priority}
        assert sorted(self.lines) == sorted(self.model)
        assert self.lines.held == self.held.total()


TestLinesLaws = LinesLaws.TestCase
TestLinesLaws.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)


@given(st.lists(st.tuples(PRIORITIES, TENANTS), max_size=30), st.integers(1, 4))
def test_the_lowest_gets_its_turn_however_many_urgent_ones_of_all_tenants_keep_coming(
    before: list[tuple[Priority, str]], tenants: int
) -> None:
    lines: Lines[str] = Lines()
    for number, (priority, tenant) in enumerate(before):
        lines.join(f"before {number}", priority, tenant)
    lines.join("lowest", Priority.STATUS, "a")
    turns = 0
    while True:
        tenant = "abcd"[turns % tenants]
        lines.join(f"urgent {turns}", Priority.MANUAL, tenant)
        turns += 1
        who = lines.next()
        if who == "lowest":
            break
        lines.release(tenant if who is None else tenant_of(who, before, tenants))

    own = sum(tenant == "a" for _, tenant in before)
    everybody = {tenant for _, tenant in before} | set("abcd"[:tenants])
    assert turns <= (PATIENCE + 1) * len(everybody | {"a"}) * (own + 1)


def tenant_of(who: str, before: list[tuple[Priority, str]], tenants: int) -> str:
    kind, number = who.split()
    return before[int(number)][1] if kind == "before" else "abcd"[int(number) % tenants]


@given(st.integers(1, 60))
def test_an_urgent_one_waits_for_one_other_at_most_however_many_wait(others: int) -> None:
    lines: Lines[int] = Lines()
    for number in range(others):
        lines.join(number, Priority.STATUS)
    for _ in range(others // 2):
        lines.next()
    lines.join(-1, Priority.MANUAL)

    assert -1 in (lines.next(), lines.next())


@given(st.integers(1, 8), st.integers(2, 200), PRIORITIES)
def test_tenants_share_alike_whatever_each_of_them_asks_for(
    places: int, asked: int, priority: Priority
) -> None:
    lines: Lines[tuple[str, int]] = Lines()
    for tenant, count in (("noisy", 50 * asked), ("calm", asked)):
        for number in range(count):
            lines.join((tenant, number), priority, tenant)

    went: Counter[str] = Counter()
    under_way: list[str] = []
    for _ in range(asked):
        who = lines.next(places)
        if who is None:
            lines.release(under_way.pop(0))
        else:
            went[who[0]] += 1
            under_way.append(who[0])

    assert abs(went["noisy"] - went["calm"]) <= places + 2
