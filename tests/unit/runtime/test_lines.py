"""What a turn costs; the laws of who goes are in tests/property/test_lines.py."""

from engine.runtime import Priority
from engine.runtime.lines import Lines


class Tenant:
    """Counts how often it is looked up."""

    looked_up = 0

    def __hash__(self) -> int:
        self.looked_up += 1
        return 1

    def __eq__(self, other: object) -> bool:
        return self is other


def looked_up_a_turn(waiting: int, held: int) -> float:
    """Look-ups of the tenant a turn, while all that wait go, so many at a time."""
    lines, tenant = Lines[int](), Tenant()
    for number in range(waiting):
        lines.join(number, Priority.STATUS, tenant)
    tenant.looked_up = 0
    for turn in range(waiting):
        assert lines.next(held) is not None
        if turn >= held - 1:
            lines.release(tenant)
    return tenant.looked_up / waiting


def test_a_turn_costs_the_same_however_many_wait_and_go_at_once() -> None:
    """10,000 that note a revision, 16 requests at once: each would look through 100 old entries."""
    costs = [looked_up_a_turn(waiting, held) for waiting in (200, 2000) for held in (1, 16)]

    assert max(costs) < 20
