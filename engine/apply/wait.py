"""Wait until objects are healthy; say early when one cannot become so.

Source: fluxcd/pkg ssa (WaitForSetTermination, fail fast), flux-behaviour 1.8 and 4.10.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.api.duration import format_duration
from engine.errors import HealthCheckFailed
from engine.objects.kstatus import Health, Status
from engine.objects.ref import Ref
from engine.runtime import Clock

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Target:
    """An object to wait for; may_vanish: a finished Job that removes itself counts as done."""

    ref: Ref
    version: str
    may_vanish: bool = False


Look = Callable[[Sequence[Target]], Awaitable[Mapping[Ref, Health]]]
"""The health of targets right now; a Ref that is absent from the answer does not exist."""


async def wait_healthy(targets: Sequence[Target], look: Look, clock: Clock, limit: float) -> None:
    """Returns when every target is Current.

    limit: seconds.  Raises HealthCheckFailed when it is over or as soon as a target has failed.
    """
    started = clock.monotonic()
    pending, pause = list(targets), _FIRST_PAUSE
    while True:
        states = await look(pending)
        pending = [each for each in pending if not _is_done(each, states.get(each.ref))]
        spent = clock.monotonic() - started
        stalled = [e for e in pending if _status(states.get(e.ref)) is Status.FAILED]
        if stalled:
            listed = _listed(stalled, states, told=True)
            raise HealthCheckFailed(
                f"health check failed after {_seconds(spent)}: "
                f"failed early due to stalled resources: [{listed}]"
            )
        if not pending:
            return
        if spent >= limit:
            raise HealthCheckFailed(
                f"health check failed after {_seconds(spent)}: "
                f"timeout waiting for: [{_listed(pending, states, told=False)}]"
            )
        await clock.sleep(min(pause, limit - spent))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _is_done(target: Target, state: Health | None) -> bool:
    if state is None:
        return target.may_vanish
    return state.status is Status.CURRENT


def _status(state: Health | None) -> Status:
    return Status.NOT_FOUND if state is None else state.status


def _listed(targets: Sequence[Target], states: Mapping[Ref, Health], *, told: bool) -> str:
    parts = []
    for target in targets:
        state = states.get(target.ref)
        text = f"{target.ref} status: '{_status(state)}'"
        if state is not None and state.message and (told or state.status is not Status.CURRENT):
            text += f": {state.message}"
        parts.append(text)
    return ", ".join(parts)


def _seconds(spent: float) -> str:
    return format_duration(round(spent, 3))
