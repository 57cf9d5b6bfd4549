"""On whose behalf runs are, so that a webhook and all that follows from it are one trace.

A run that a webhook asked for has the webhook's span as its cause; while it lasts, whomever its
object wakes has that run as theirs: a source its Kustomizations, these their dependants.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from engine.objects.ref import Ref
from engine.telemetry import Cause, current_cause


class Causes:
    """The causes of runs that last, and of runs that are queued."""

    def __init__(self) -> None:
        self._running: dict[Ref, Cause] = {}  # {object: the span of its run}
        self._queued: dict[Ref, Cause] = {}

    def take(self, ref: Ref) -> Cause | None:
        """The cause of the run that begins now, None if it has none."""
        return self._queued.pop(ref, None)

    @contextmanager
    def lasting(self, ref: Ref, cause: Cause | None) -> Iterator[None]:
        """While the run lasts, it is what it wakes others for, if it has a cause itself."""
        span = current_cause() if cause is not None else None
        if span is None:
            yield
            return
        self._running[ref] = span
        try:
            yield
        finally:
            del self._running[ref]

    def pass_on(self, origin: Ref, user: Ref) -> None:
        """`user` is queued for what the run of `origin` did."""
        span = self._running.get(origin)
        if span is not None:
            self._queued[user] = span

    def forget(self, ref: Ref) -> None:
        """The object is gone."""
        self._queued.pop(ref, None)
