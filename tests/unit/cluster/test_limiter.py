import anyio
import pytest

from engine.cluster.limiter import Bounds, Concurrency, Limiter
from engine.runtime.priority import Priority
from tests.support.clock import ManualClock, settle


def busy(concurrency: Concurrency, latency: float, now: float, rounds: int = 1) -> None:
    """Fill every slot and have all answered, `rounds` times."""
    for _ in range(rounds):
        count = concurrency.limit - concurrency.in_flight
        for _ in range(count):
            concurrency.start()
        for _ in range(count):
            concurrency.finish("get", latency, now)


def test_quick_answers_raise_the_limit_to_its_bound_while_it_is_used() -> None:
    concurrency = Concurrency(Bounds(start=4, most=10))
    busy(concurrency, 0.01, 0, rounds=200)

    assert concurrency.limit == 10


def test_an_idle_limiter_does_not_grow() -> None:
    concurrency = Concurrency(Bounds(start=8))
    for _ in range(1000):
        concurrency.start()
        concurrency.finish("get", 0.01, 0)

    assert concurrency.limit == 8


def test_slow_answers_lower_the_limit_once_a_round_trip_and_not_below_its_bound() -> None:
    concurrency = Concurrency(Bounds(start=20, least=3))
    busy(concurrency, 0.01, 0)
    busy(concurrency, 2.0, now=10)
    assert concurrency.limit == 14
    for round_trip in range(100):
        busy(concurrency, 2.0, now=20 + 3 * round_trip)
        concurrency._usual["get"] = 0.01

    assert concurrency.limit == 3


def test_each_verb_has_its_own_usual_latency() -> None:
    concurrency = Concurrency(Bounds(start=20))
    for verb, latency in (("get", 0.01), ("list", 2.0), ("list", 2.1), ("get", 0.01)):
        concurrency.start()
        concurrency.finish(verb, latency, 0)

    assert concurrency.limit == 20


def test_a_refusal_pauses_everybody_as_long_as_it_says_but_30_seconds_at_most() -> None:
    concurrency = Concurrency(Bounds(start=20))
    concurrency.start()
    concurrency.reject(5, now=100)
    assert (concurrency.has_room(104.9), concurrency.has_room(105)) == (False, True)
    concurrency.start()
    concurrency.reject(3600, now=200)

    assert (concurrency.has_room(229), concurrency.has_room(230)) == (False, True)
    assert concurrency.in_flight == 0


async def test_who_waits_is_let_in_by_priority_and_then_in_order() -> None:
    limiter, order = Limiter(ManualClock(), Bounds(start=1, least=1)), []

    async def request(name: str, priority: Priority) -> None:
        async with limiter.slot(priority):
            order.append(name)

    async with anyio.create_task_group() as tasks, limiter.slot(Priority.INTERVAL):
        for name, priority in (
            ("status", Priority.STATUS),
            ("interval 1", Priority.INTERVAL),
            ("interval 2", Priority.INTERVAL),
            ("manual", Priority.MANUAL),
            ("lease", Priority.LEASE),
        ):
            tasks.start_soon(request, name, priority)
        await settle()
        assert order == ["lease"]  # waits for nobody: it is what allows to write at all

    assert order == ["lease", "manual", "interval 1", "interval 2", "status"]


async def test_a_refusal_holds_back_those_who_wait_until_its_end() -> None:
    clock = ManualClock()
    limiter, started = Limiter(clock, Bounds(start=1, least=1)), []

    async def request() -> None:
        async with limiter.slot(Priority.INTERVAL):
            started.append(clock.monotonic())

    async with anyio.create_task_group() as tasks:
        async with limiter.slot(Priority.INTERVAL) as slot:
            tasks.start_soon(request)
            tasks.start_soon(request)
            await settle()
            slot.rejected(3.0)
        now = clock.monotonic()
        await clock.advance(2.9)
        assert started == []
        await clock.advance(0.2)

    assert started == [now + 3, now + 3]


async def test_a_cancelled_waiter_leaves_no_trace() -> None:
    limiter = Limiter(ManualClock(), Bounds(start=1, least=1))
    async with limiter.slot(Priority.INTERVAL):
        with anyio.move_on_after(0):
            async with limiter.slot(Priority.INTERVAL):
                pytest.fail("there was no room")

    assert limiter.statistics().in_flight == 0
    assert not any(limiter.statistics().waiting.values())


async def test_a_failed_request_gives_its_slot_back() -> None:
    limiter = Limiter(ManualClock())
    with pytest.raises(ZeroDivisionError):
        async with limiter.slot(Priority.DRIFT):
            raise ZeroDivisionError

    assert limiter.statistics().in_flight == 0
    assert "in_flight=0" in repr(limiter)
