"""Corrections are told at once when there are few, and after the storm when there are many."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest

from engine.objects.ref import Ref
from engine.reconcile.reports import Reports
from engine.render.explanation import Places
from tests.support.clock import ManualClock, settle

FOUND: Places = {Ref("", "ConfigMap", "ns", "a"): {".data.x": "app/a.yaml:3"}}


class Told:
    """What was told, in its order, and whether with lines."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.asked = 0
        self.answer = anyio.Event()
        self.answer.set()

    async def find(self) -> Places:
        self.asked += 1
        await self.answer.wait()
        return FOUND

    def tell(self, name: str, places: Places) -> None:
        self.texts.append(name + (" with lines" if places else ""))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def told() -> Told:
    return Told()


@asynccontextmanager
async def serving(clock: ManualClock) -> AsyncIterator[Reports]:
    reports = Reports(clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reports.serve)
        await settle()
        yield reports
        tasks.cancel_scope.cancel()


async def add(reports: Reports, told: Told, *names: str) -> None:
    for name in names:
        await reports.add(told.find, partial(told.tell, name))
    await settle()


async def test_a_single_correction_is_told_at_once(clock: ManualClock, told: Told) -> None:
    async with serving(clock) as reports:
        await add(reports, told, "a")

        assert told.texts == ["a with lines"]


async def test_those_of_a_storm_are_told_when_it_is_over(clock: ManualClock, told: Told) -> None:
    async with serving(clock) as reports:
        await add(reports, told, "a", "b")
        await clock.advance(0.4)
        await add(reports, told, "c")
        await clock.advance(0.4)
        assert told.texts == ["a with lines"]

        await clock.advance(0.1)
        assert told.texts == ["a with lines", "b with lines", "c with lines"]


async def test_a_storm_without_an_end_is_told_all_the_same(clock: ManualClock, told: Told) -> None:
    async with serving(clock) as reports:
        for number in range(40):
            await add(reports, told, str(number))
            await clock.advance(0.3)

        assert told.texts[:2] == ["0 with lines", "1 with lines"]


async def test_too_many_are_told_without_lines_rather_than_kept(
    clock: ManualClock, told: Told
) -> None:
    async with serving(clock) as reports:
        await add(reports, told, *map(str, range(1003)))

        assert told.texts == ["0", "1", "2"]


async def test_what_is_left_at_the_end_is_told_without_lines(
    clock: ManualClock, told: Told
) -> None:
    told.answer = anyio.Event()
    async with serving(clock) as reports:
        await add(reports, told, "a", "b")
        assert (told.asked, told.texts) == (1, [])

    assert told.texts == ["a", "b"]


async def test_without_anybody_who_serves_it_is_told_right_away(
    clock: ManualClock, told: Told
) -> None:
    await add(Reports(clock), told, "a", "b")

    assert told.texts == ["a with lines", "b with lines"]
