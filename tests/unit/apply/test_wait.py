from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from engine.apply import wait_healthy
from engine.apply.wait import Sight, Target
from engine.errors import HealthCheckFailed
from engine.objects.kstatus import Health, Status
from engine.objects.ref import Ref
from tests.support.clock import ImpatientClock

WEB = Target(Ref("apps", "Deployment", "ns", "web"), "v1")
JOB = Target(Ref("batch", "Job", "ns", "job"), "v1", may_vanish=True)


class Looks:
    """What is seen at each look: a status for each name, the last one from then on."""

    def __init__(self, **statuses: Sequence[Status | None]) -> None:
        self._statuses = {name: list(seen) for name, seen in statuses.items()}
        self.asked: list[str] = []

    @asynccontextmanager
    async def __call__(self, targets: Sequence[Target]) -> AsyncIterator[Sight]:
        self.asked.append(" ".join(target.ref.name for target in targets))
        seen = {target.ref: self._next(target.ref.name) for target in targets}
        states = {ref: Health(s, f"is {s}", None) for ref, s in seen.items() if s is not None}
        yield Sight(states, 1.0, anyio.Event())

    def _next(self, name: str) -> Status | None:
        statuses = self._statuses[name]
        return statuses.pop(0) if len(statuses) > 1 else statuses[0]


async def failure_of(looks: Looks, *targets: Target) -> str:
    with pytest.raises(HealthCheckFailed) as failed:
        await wait_healthy(targets, looks, ImpatientClock(), 60)
    return failed.value.message


async def test_it_ends_when_all_are_current_and_asks_no_more_for_those_that_are() -> None:
    looks = Looks(web=[Status.IN_PROGRESS, Status.CURRENT], job=[Status.CURRENT])

    await wait_healthy([WEB, JOB], looks, ImpatientClock(), 60)

    assert looks.asked == ["web job", "web"]


async def test_an_object_that_is_not_there_yet_is_waited_for() -> None:
    await wait_healthy([WEB], Looks(web=[None, Status.CURRENT]), ImpatientClock(), 60)


async def test_a_finished_job_that_removed_itself_counts_as_done() -> None:
    await wait_healthy([JOB], Looks(job=[Status.IN_PROGRESS, None]), ImpatientClock(), 60)


async def test_a_job_that_cannot_be_seen_is_not_done() -> None:
    text = await failure_of(Looks(job=[Status.UNKNOWN]), JOB)

    assert "timeout waiting for: [Job/ns/job status: 'Unknown': is Unknown]" in text


async def test_a_failed_object_ends_the_wait_early() -> None:
    text = await failure_of(Looks(web=[Status.FAILED], job=[Status.IN_PROGRESS]), WEB, JOB)

    assert text.startswith("health check failed after ")
    assert text.endswith(
        "failed early due to stalled resources: [Deployment/ns/web status: 'Failed': is Failed]"
    )


async def test_the_time_limit_lists_what_was_not_ready() -> None:
    text = await failure_of(Looks(web=[None], job=[Status.IN_PROGRESS]), WEB, JOB)

    assert text.endswith(
        "timeout waiting for: [Deployment/ns/web status: 'NotFound', "
        "Job/ns/job status: 'InProgress': is InProgress]"
    )
