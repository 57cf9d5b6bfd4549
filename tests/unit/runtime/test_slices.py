"""Long work that lets others have their turn."""

from collections.abc import Generator

import anyio
import anyio.lowlevel

from engine.runtime.slices import SLICE, slices, stepwise


async def test_others_have_their_turn_between_two_slices() -> None:
    told: list[str] = []

    async def others() -> None:
        while len(told) < 4:
            told.append("others")
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(others)
        sizes = []
        async for part in slices(range(2 * SLICE + 1)):
            sizes.append(len(part))
            told.append(f"slice {len(sizes)}")

    assert sizes == [SLICE, SLICE, 1]
    assert told[:5] == ["slice 1", "others", "slice 2", "others", "slice 3"]


async def test_nothing_has_no_slice() -> None:
    assert [part async for part in slices([])] == []


async def test_steps_give_what_they_return() -> None:
    def steps() -> Generator[None, None, int]:
        yield
        yield
        return 7

    assert await stepwise(steps()) == 7
