"""The laws of the limiter: who goes next, and how many go at once."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.cluster.concurrency import LONGEST_PAUSE, Bounds, Concurrency
from engine.cluster.lines import PATIENCE, Lines
from engine.runtime.priority import Priority

PRIORITIES = st.sampled_from(list(Priority))


class LinesLaws(RuleBasedStateMachine):
    """Strictly by priority, first come first served, and nobody is passed over for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: Lines[int] = Lines()
        self.model: dict[int, Priority] = {}  # in order of arrival
        self.latest: dict[int, int] = {}  # {who: the turn that is at latest theirs}
        self.turns = 0
        self.passed_over = 0
        self.arrived = 0

    @rule(priority=PRIORITIES, count=st.integers(1, 20))
    def join(self, priority: Priority, count: int) -> None:
        for _ in range(count):
            self.latest[self.arrived] = self.turns + (PATIENCE + 1) * (len(self.model) + 1)
            self.model[self.arrived] = priority
            self.lines.join(self.arrived, priority)
            self.arrived += 1

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(list(self.model)))
        self.lines.leave(who)
        del self.model[who]

    @rule(count=st.integers(1, 40))
    def next(self, count: int) -> None:
        for _ in range(count):
            who = self.lines.next()
            if not self.model:
                assert who is None
                return
            assert who is not None
            self.turns += 1
            longest = next(iter(self.model))
            urgent = min(self.model, key=lambda each: (self.model[each], each))
            assert who == (longest if self.passed_over == PATIENCE else urgent)
            assert self.turns <= self.latest[who]
            self.passed_over = 0 if who == longest else self.passed_over + 1
            del self.model[who]

    @invariant()
    def it_counts_who_waits(self) -> None:
        counted = {p: list(self.model.values()).count(p) for p in Priority}
        assert self.lines.waiting() == counted
        assert sorted(self.lines) == sorted(self.model)


TestLinesLaws = LinesLaws.TestCase
TestLinesLaws.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.lists(PRIORITIES, min_size=1, max_size=30))
def test_the_lowest_gets_its_turn_however_many_urgent_ones_keep_coming(
    before: list[Priority],
) -> None:
    lines: Lines[str] = Lines()
    for number, priority in enumerate(before):
        lines.join(f"before {number}", priority)
    lines.join("lowest", Priority.STATUS)
    turns = 0
    while True:
        lines.join(f"urgent {turns}", Priority.MANUAL)
        turns += 1
        if lines.next() == "lowest":
            break

    assert turns <= (PATIENCE + 1) * (len(before) + 1)


@given(st.integers(1, 60))
def test_an_urgent_one_waits_for_one_other_at_most_however_many_wait(others: int) -> None:
    lines: Lines[int] = Lines()
    for number in range(others):
        lines.join(number, Priority.STATUS)
    for _ in range(others // 2):
        lines.next()
    lines.join(-1, Priority.MANUAL)

    assert -1 in (lines.next(), lines.next())


class ConcurrencyLaws(RuleBasedStateMachine):
    """Within its bounds whatever happens, counts what is under way, and pauses end."""

    def __init__(self) -> None:
        super().__init__()
        self.bounds = Bounds(least=2, most=12, start=6)
        self.concurrency = Concurrency(self.bounds)
        self.now = 0.0
        self.under_way = 0
        self.crowds: list[int] = []
        self.resumes_at = float("-inf")

    @rule(seconds=st.floats(0, 40))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def start_all(self) -> None:
        while self.concurrency.has_room(self.now):
            self.crowds.append(self.concurrency.start())
            self.under_way += 1

    @precondition(lambda self: self.under_way)
    @rule(duration=st.floats(0, 30), operation=st.sampled_from("ab"))
    def answer(self, duration: float, operation: str) -> None:
        self.concurrency.answered(operation, duration, self.crowds[-1], self.now)
        self.concurrency.end()
        self.under_way -= 1

    @precondition(lambda self: self.under_way)
    @rule(retry_after=st.floats(0, 100))
    def reject(self, retry_after: float) -> None:
        before = self.concurrency.limit
        self.concurrency.reject(retry_after, self.now)
        self.concurrency.end()
        self.under_way -= 1
        self.resumes_at = max(self.resumes_at, self.now + min(retry_after, LONGEST_PAUSE))
        assert self.concurrency.limit <= before

    @precondition(lambda self: self.under_way)
    @rule()
    def give_up(self) -> None:
        self.concurrency.unanswered(20.0, self.now)
        self.concurrency.end()
        self.under_way -= 1

    @invariant()
    def the_limit_is_within_its_bounds_and_holds(self) -> None:
        assert self.bounds.least <= self.concurrency.limit <= self.bounds.most
        assert self.concurrency.in_flight == self.under_way
        may_start = self.now >= self.resumes_at and self.under_way < self.concurrency.limit
        assert self.concurrency.has_room(self.now) == may_start


TestConcurrencyLaws = ConcurrencyLaws.TestCase
TestConcurrencyLaws.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
