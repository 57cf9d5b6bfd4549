"""What was queued, for tests that queue nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.objects.ref import Ref
from engine.reconcile.triggers import Push
from engine.runtime import Priority


@dataclass(frozen=True)
class Pushed:
    """One key, with all that was said about it."""

    key: Ref
    priority: Priority
    reason: str
    after: float
    supersede: bool


def pushing(tell: Callable[[Pushed], None]) -> Push:
    """A queue that only tells what it is given."""

    def push(
        key: Ref,
        *,
        priority: Priority,
        reason: str,
        after: float = 0.0,
        supersede: bool = False,
    ) -> None:
        tell(Pushed(key, priority, reason, after, supersede))

    return push
