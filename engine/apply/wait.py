"""Wait until objects are healthy; say early when one cannot become so.

Source: fluxcd/pkg ssa (WaitForSetTermination, fail fast), flux-behaviour 1.8 and 4.10.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio

from engine.api.duration import format_duration
from engine.errors import HealthCheckFailed
from engine.objects.kstatus import Health, Status
from engine.objects.ref import Ref
from engine.runtime import Clock


@dataclass(frozen=True, slots=True)
class Target:
    """An object to wait for; may_vanish: a finished Job that removes itself counts as done."""

    ref: Ref
    version: str
    may_vanish: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look shows.

    states: a Ref that is absent does not exist.  pause: seconds after which it is worth looking
    again if `news` (something changed) is not set before.
    """

    states: Mapping[Ref, Health]
    pause: float
    news: anyio.Event


Look = Callable[[Sequence[Target]], AbstractAsyncContextManager[Sight]]
"""The health of targets right now; news are told while inside."""


async def wait_healthy(
    targets: Sequence[Target], look: Look, clock: Clock, limit: float, started: float | None = None
) -> None:
    """Returns when every target is Current.

    limit: seconds since `started`, a monotonic instant (None: now).
    Raises HealthCheckFailed when it is over or as soon as a target has failed.
    """
    started, pending = clock.monotonic() if started is None else started, list(targets)
    while True:
        async with look(pending) as sight:
            spent = clock.monotonic() - started
            pending = _pending(pending, sight.states, spent, limit)
            if not pending:
                return
            await clock.wait(sight.news, started + min(spent + sight.pause, limit))


def _pending(
    targets: Sequence[Target], states: Mapping[Ref, Health], spent: float, limit: float
) -> list[Target]:
    """What is still to be waited for.  Raises HealthCheckFailed if that is in vain."""
    pending = [each for each in targets if not _is_done(each, states.get(each.ref))]
    stalled = [each for each in pending if _status(states.get(each.ref)) is Status.FAILED]
    if stalled:
        raise HealthCheckFailed(
            f"health check failed after {_seconds(spent)}: "
            f"failed early due to stalled resources: [{_listed(stalled, states, told=True)}]"
        )
    if pending and spent >= limit:
        raise HealthCheckFailed(
            f"health check failed after {_seconds(spent)}: "
            f"timeout waiting for: [{_listed(pending, states, told=False)}]"
        )
    return pending


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
