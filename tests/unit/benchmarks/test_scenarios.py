from typing import Any

import anyio
import pytest

from benchmarks.meter import Seen
from benchmarks.scenarios.chain import hand_overs
from benchmarks.scenarios.drift import drift_storm
from benchmarks.scenarios.edits import Corrections, Target, targets
from benchmarks.scenarios.fleet import Watchers
from benchmarks.scenarios.outcome import Sizes
from benchmarks.workload import Workload
from benchmarks.world import fan_out

STATUS = "patch kustomizations.kustomize.toolkit.fluxcd.io/status"
TARGET = Target("v1", "ConfigMap", "app-0000-0", "app-0000")


class Clock:
    """Stands still, and lets others run."""

    def monotonic(self) -> float:
        return 5.0

    async def sleep(self, _: float) -> None:
        await anyio.lowlevel.checkpoint()


class World:
    clock = Clock()


def live(version: int, label: str) -> dict[str, Any]:
    metadata = {"name": TARGET.name, "resourceVersion": str(version), "labels": {"app": label}}
    return {"kind": "ConfigMap", "metadata": metadata}


def corrections() -> Corrections:
    return Corrections(World(), {("ConfigMap", TARGET.name): TARGET})  # type: ignore[arg-type] # enough of it


async def test_an_edit_is_corrected_once_the_object_is_right_at_a_later_version() -> None:
    seen = corrections()
    found: dict[Target, float] = {}

    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            found.update(await seen.corrected({TARGET: 7}))

        tasks.start_soon(wait)
        for version, label in ((6, TARGET.wanted), (7, "other"), (8, TARGET.wanted)):
            await anyio.wait_all_tasks_blocked()
            assert found == {}
            seen.note(live(version, label))

    assert found == {TARGET: 5.0}


async def test_a_correction_that_came_before_the_answer_to_the_edit_counts() -> None:
    seen = corrections()
    seen.note(live(8, TARGET.wanted))

    assert await seen.corrected({TARGET: 7}) == {TARGET: 5.0}


async def test_nothing_is_timed_before_all_watchers_have_heard_what_exists() -> None:
    watchers, timed = Watchers(2), anyio.Event()

    async with anyio.create_task_group() as tasks:

        async def time() -> None:
            await watchers.ready()
            timed.set()

        tasks.start_soon(time)
        watchers.heard()
        await anyio.wait_all_tasks_blocked()
        assert not timed.is_set()

        watchers.heard()
        await timed.wait()
        watchers.heard()  # a watch that broke has heard all of it again


def test_objects_of_the_last_kustomization_are_not_edited() -> None:
    found = {target.wanted for target in targets(Workload(3, 4))}

    assert found == {"app-0000", "app-0001"}


async def test_more_edits_than_objects_are_refused_before_anything_is_started() -> None:
    with pytest.raises(ValueError, match="11 edits need more than the 10 objects"):
        await drift_storm(None, Workload(2, 10), Sizes(edits=11))  # type: ignore[arg-type] # unused


def test_a_hand_over_is_from_the_last_status_to_the_first_write_of_the_next() -> None:
    seen = [
        Seen(1.0, "lockstep", STATUS, "app-0"),
        Seen(2.0, "lockstep", STATUS, "app-0"),
        Seen(2.1, "lockstep", "get configmaps", "app-1-0"),
        Seen(2.25, "lockstep", "dry-run-patch configmaps", "app-1-0"),
        Seen(2.5, "lockstep", "patch configmaps", "app-1-0"),
        Seen(3.0, "lockstep", "patch configmaps", "app-2-0"),  # the one before told nothing
    ]

    assert hand_overs(["app-0", "app-1", "app-2"], seen, frozenset({"configmaps"})) == [0.25]


async def test_what_is_fanned_out_is_all_done_and_no_wider_than_allowed() -> None:
    running = most = 0
    done: list[int] = []

    async def work(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        running -= 1
        done.append(number)

    await fan_out(range(10), work, width=3)

    assert sorted(done) == list(range(10))
    assert most == 3
