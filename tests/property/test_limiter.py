"""The laws of the limiter: how many go at once; who goes next is in test_lines.py."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.cluster.concurrency import LONGEST_PAUSE, Bounds, Concurrency
from tests.support.soak import examples


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
        while not self.concurrency.is_paused(self.now) and (
            self.concurrency.in_flight < self.concurrency.limit
        ):
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
        assert self.concurrency.is_paused(self.now) == (self.now < self.resumes_at)


TestConcurrencyLaws = ConcurrencyLaws.TestCase
TestConcurrencyLaws.settings = settings(
    max_examples=examples(60), stateful_step_count=50, deadline=None
)
