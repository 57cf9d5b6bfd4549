from dataclasses import FrozenInstanceError
from functools import partial

import anyio
import anyio.lowlevel
import pytest

from engine.cluster.concurrency import Bounds
from engine.cluster.errors import TooManyWatches
from engine.cluster.limiter import Limiter
from engine.runtime.priority import Priority
from tests.support.clock import ManualClock, settle

ONE = Bounds(start=1, least=1)


async def test_who_waits_is_let_in_by_priority_and_then_in_order() -> None:
    limiter, order = Limiter(ManualClock(), ONE), []

    async def request(name: str, priority: Priority) -> None:
        async with limiter.slot(priority):
            order.append(name)

    async with anyio.create_task_group() as tasks, limiter.slot(Priority.INTERVAL):
        for name, priority in (
            ("status", Priority.STATUS),
            ("interval 1", Priority.INTERVAL),
            ("drift", Priority.DRIFT),
            ("interval 2", Priority.INTERVAL),
            ("manual", Priority.MANUAL),
            ("lease", Priority.LEASE),
        ):
            tasks.start_soon(request, name, priority)
        await settle()
        assert order == ["lease"]  # waits for nobody: it is what allows to write at all

    assert order == ["lease", "manual", "drift", "interval 1", "interval 2", "status"]


async def test_a_refusal_holds_back_those_who_wait_until_its_end_leases_excepted() -> None:
    clock = ManualClock()
    limiter, started = Limiter(clock, ONE), []

    async def request(priority: Priority) -> None:
        async with limiter.slot(priority):
            started.append((priority, clock.monotonic()))

    async with anyio.create_task_group() as tasks:
        async with limiter.slot(Priority.INTERVAL):
            tasks.start_soon(request, Priority.STATUS)
            tasks.start_soon(request, Priority.MANUAL)
            await settle()
            limiter.reject(3.0)
        now = clock.monotonic()
        await clock.advance(2.9)
        assert (started, limiter.statistics().resumes_in) == ([], pytest.approx(0.1))
        async with limiter.slot(Priority.LEASE):
            pass
        await clock.advance(0.2)

    assert started == [(Priority.MANUAL, now + 3), (Priority.STATUS, now + 3)]


async def test_a_cancelled_waiter_leaves_no_trace() -> None:
    limiter = Limiter(ManualClock(), ONE)
    async with limiter.slot(Priority.INTERVAL):
        with anyio.move_on_after(0):
            async with limiter.slot(Priority.INTERVAL):
                pytest.fail("there was no room")

    assert limiter.statistics().in_flight == 0
    assert not any(limiter.statistics().waiting.values())


async def test_who_is_cancelled_at_the_moment_of_admission_makes_room_for_the_next() -> None:
    limiter, scope, order = Limiter(ManualClock(), ONE), anyio.CancelScope(), []

    async def first() -> None:
        with scope:
            async with limiter.slot(Priority.MANUAL):
                await anyio.lowlevel.checkpoint()
                order.append("first")

    async def second() -> None:
        async with limiter.slot(Priority.STATUS):
            order.append("second")

    async with anyio.create_task_group() as tasks:
        async with limiter.slot(Priority.INTERVAL):
            tasks.start_soon(first)
            tasks.start_soon(second)
            await settle()
        scope.cancel()

    assert order == ["second"]
    assert limiter.statistics().in_flight == 0


async def test_a_failed_request_gives_its_slot_back() -> None:
    limiter = Limiter(ManualClock())
    with pytest.raises(ZeroDivisionError):
        async with limiter.slot(Priority.DRIFT):
            raise ZeroDivisionError

    assert limiter.statistics().in_flight == 0
    assert "in_flight=0" in repr(limiter)


async def test_statistics_tell_what_is_under_way_and_how_long_answers_take() -> None:
    clock = ManualClock()
    limiter = Limiter(clock, ONE)
    async with anyio.create_task_group() as tasks:
        with limiter.watching():
            async with limiter.slot(Priority.DRIFT) as slot:
                tasks.start_soon(_use, limiter, Priority.STATUS)
                await clock.advance(0.25)
                slot.answered("get pods")
                limiter.reject(2.0)
                now = limiter.statistics()
        await clock.advance(2.0)

    assert (now.limit, now.in_flight, now.watches, now.rejected) == (1, 1, 1, 1)
    assert (now.latency_median, now.latency_p99, now.resumes_in) == (0.25, 0.25, 2.0)
    assert {p: count for p, count in now.waiting.items() if count} == {Priority.STATUS: 1}
    with pytest.raises(FrozenInstanceError):
        now.limit = 2  # type: ignore[misc] # that is what is shown


async def _use(limiter: Limiter, priority: Priority) -> None:
    async with limiter.slot(priority):
        pass


async def test_watches_take_no_place_of_requests_but_have_a_cap_of_their_own() -> None:
    limiter = Limiter(ManualClock(), Bounds(start=1, least=1, watches=2))
    with limiter.watching():
        with limiter.watching():
            async with limiter.slot(Priority.STATUS):
                assert limiter.statistics().in_flight == 1
            with pytest.raises(TooManyWatches, match="2 watches are open"), limiter.watching():
                pytest.fail("there was no room")
        with limiter.watching():
            assert limiter.statistics().watches == 2

    assert limiter.statistics().watches == 0


async def test_watches_are_opened_a_few_at_a_time_and_not_while_the_server_sheds_load() -> None:
    clock, opened, over = ManualClock(), [], anyio.Event()
    limiter = Limiter(clock, Bounds(openings=2))

    async def opening() -> None:
        async with limiter.opening():
            opened.append(clock.monotonic())
            await over.wait()

    async with anyio.create_task_group() as tasks:
        limiter.reject(5.0)
        for _ in range(3):
            tasks.start_soon(opening)
        await clock.advance(4.9)
        assert opened == []
        await clock.advance(0.2)
        assert len(opened) == 2
        over.set()

    assert len(opened) == 3


async def test_requests_of_one_tenant_that_hang_keep_no_other_waiting() -> None:
    limiter, order = Limiter(ManualClock(), Bounds(start=4, least=4, most=4)), []

    async def request(tenant: str, priority: Priority, *, hangs: bool) -> None:
        async with limiter.slot(priority, tenant):
            order.append(tenant)
            if hangs:
                await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(partial(request, "noisy", Priority.MANUAL, hangs=True))
        await settle()
        assert order == ["noisy"] * 4
        await request("calm", Priority.MANUAL, hangs=False)
        await request("calm", Priority.STATUS, hangs=False)

        assert order[4:] == ["calm", "calm"]
        assert limiter.statistics().in_flight == 4
        tasks.cancel_scope.cancel()


async def test_no_tenant_goes_during_a_pause_that_the_api_server_has_asked_for() -> None:
    clock = ManualClock()
    limiter, order = Limiter(clock, ONE), []

    async def request(tenant: str) -> None:
        async with limiter.slot(Priority.MANUAL, tenant):
            order.append(tenant)

    async with anyio.create_task_group() as tasks:
        limiter.reject(3.0)
        for tenant in ("a", "b"):
            tasks.start_soon(request, tenant)
        await clock.advance(2.9)
        assert order == []
        await clock.advance(0.2)

    assert sorted(order) == ["a", "b"]


async def test_while_a_person_waits_a_few_others_go_beside_and_all_again_afterwards() -> None:
    clock = ManualClock()
    limiter = Limiter(clock, Bounds(start=8, least=2, most=8))
    counts, over = [], anyio.Event()

    async def background() -> None:
        async with limiter.slot(Priority.INTERVAL, "noisy"):
            await over.wait()

    async with anyio.create_task_group() as tasks:
        async with limiter.slot(Priority.MANUAL, "calm"):
            for _ in range(20):
                tasks.start_soon(background)
            await settle()
            counts.append(limiter.statistics().in_flight)
        await settle()
        counts.append(limiter.statistics().in_flight)
        await clock.advance(1)
        async with limiter.slot(Priority.INTERVAL, "other"):
            await settle()
            counts.append(limiter.statistics().in_flight)
        over.set()

    assert counts == [2, 2, 8]
