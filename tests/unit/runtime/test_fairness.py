import anyio
import anyio.lowlevel
import pytest

from engine.runtime import Priority
from engine.runtime.fairness import FairLimiter
from tests.support.clock import settle


async def test_the_most_urgent_goes_first_and_tenants_take_turns() -> None:
    limiter, order = FairLimiter(1), []

    async def work(name: str, priority: Priority, tenant: str) -> None:
        async with limiter.held(priority, tenant):
            order.append(name)
            await anyio.lowlevel.checkpoint()

    async with (
        anyio.create_task_group() as tasks,
        limiter.held(Priority.INTERVAL, "noisy"),
        limiter.held(Priority.INTERVAL, "calm"),  # beyond the limit
    ):
        for number in range(3):
            tasks.start_soon(work, f"noisy {number}", Priority.INTERVAL, "noisy")
        tasks.start_soon(work, "calm 0", Priority.INTERVAL, "calm")
        tasks.start_soon(work, "calm urgent", Priority.MANUAL, "calm")
        await settle()
        assert order == []
        assert repr(limiter) == "<FairLimiter 2 of 1 taken, 5 waiting>"

    assert order[0] == "calm urgent"
    assert order.index("calm 0") < order.index("noisy 2")
    assert [name for name in order if "noisy" in name] == ["noisy 0", "noisy 1", "noisy 2"]
    assert (limiter.taken, limiter.waiting) == (0, 0)


async def test_who_gives_up_or_fails_leaves_no_place_taken() -> None:
    limiter = FairLimiter(1)
    async with limiter.held(Priority.INTERVAL):
        with anyio.move_on_after(0):
            async with limiter.held(Priority.INTERVAL):
                pytest.fail("there was no room")
    with pytest.raises(KeyError):
        async with limiter.held(Priority.INTERVAL):
            raise KeyError

    assert (limiter.taken, limiter.waiting) == (0, 0)
