"""The laws of the queue, against a plain model of it."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.runtime.workqueue import Queue
from tests.support.soak import examples

KEYS = st.sampled_from("abcde")


class QueueLaws(RuleBasedStateMachine):
    """Held at most once, never early, never twice at a time, never lost, urgent first."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: Queue[str] = Queue()
        self.now = 0
        self.held: dict[str, tuple[int, int, frozenset[str]]] = {}  # {key: at, priority, reasons}
        self.again: dict[str, tuple[int, int, frozenset[str]]] = {}
        self.running: set[str] = set()

    @rule(
        key=KEYS,
        after=st.integers(-2, 6),
        priority=st.integers(0, 3),
        reason=st.text("xy", max_size=1),
    )
    def push(self, key: str, after: int, priority: int, reason: str) -> None:
        self.queue.push(key, self.now + after, priority, reason)
        where = self.again if key in self.running else self.held
        at, urgency, reasons = where.get(key, (self.now + after, priority, frozenset()))
        where[key] = min(at, self.now + after), min(urgency, priority), reasons | {reason}

    @rule(seconds=st.integers(0, 4))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def pop(self) -> None:
        due = {key: entry for key, entry in self.held.items() if entry[0] <= self.now}
        item = self.queue.pop(self.now)
        if item is None:
            assert not due
            return
        assert item.key not in self.running
        at, priority, reasons = due[item.key]
        assert (item.at, item.priority, frozenset(item.reasons)) == (at, priority, reasons)
        # The longest waiter goes out of turn now and then: the laws of Lines.
        is_first = (priority, at) == min((entry[1], entry[0]) for entry in due.values())
        assert is_first or at == min(entry[0] for entry in due.values())
        del self.held[item.key]
        self.running.add(item.key)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.queue.done(key)
        self.running.remove(key)
        if key in self.again:
            self.held[key] = self.again.pop(key)

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        self.queue.remove(key)
        self.held.pop(key, None)
        self.again.pop(key, None)

    @invariant()
    def counts_and_next_time_are_those_of_the_model(self) -> None:
        counts = self.queue.statistics()
        assert (counts.queued, counts.running) == (len(self.held), len(self.running))
        assert counts.again == len(self.again)
        later = [entry[0] for entry in self.held.values() if entry[0] > self.now]
        assert self.queue.next_at(self.now) == min(later, default=None)
        assert self.queue.due(self.now) == len(self.held) - len(later)


TestQueueLaws = QueueLaws.TestCase
TestQueueLaws.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)
