import signal
import time

import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.limits import Expired, Stop, alarm, deadline, limited, limited_law, turning


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def test_work_that_does_not_await_is_reported() -> None:
    async def work() -> None:
        with turning(blocked=0.05):
            await anyio.lowlevel.checkpoint()
            spin(0.1)

    with pytest.raises(pytest.fail.Exception, match="blocked for"):
        await work()


async def test_waiting_is_not_blocking() -> None:
    with turning(blocked=0.15):
        await anyio.sleep(0.2)


async def test_a_test_that_awaits_for_too_long_is_cancelled() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"cancelled after 0\.01 s"), deadline(0.01):
        await anyio.sleep_forever()


async def test_a_limited_test_keeps_its_name_and_its_own_failure() -> None:
    async def test_something() -> None:
        raise KeyError("own")

    body = limited(test_something, 1, Stop())

    assert body.__name__ == "test_something"
    with pytest.raises(KeyError, match="own"):
        await body()


async def test_a_test_that_is_told_to_stop_cleans_up_and_ends_the_run() -> None:
    stop, cleaned = Stop(), []

    async def work() -> None:
        try:
            stop(signal.SIGTERM)
            await anyio.sleep_forever()
        finally:
            cleaned.append("up")

    with pytest.raises(pytest.exit.Exception, match="told to stop"), stop.heard():
        await work()

    assert cleaned == ["up"]
    with pytest.raises(KeyboardInterrupt):  # nothing left to cancel
        stop(signal.SIGTERM)


def test_a_test_without_an_event_loop_is_stopped(pytestconfig: pytest.Config) -> None:
    before = signal.getsignal(signal.SIGALRM)

    with pytest.raises(pytest.fail.Exception, match=r"still ran after 0\.02 s"), alarm(0.02, 2):
        spin(5)

    assert signal.getsignal(signal.SIGALRM) is before


def test_the_failure_of_a_test_without_an_event_loop_says_where_it_was() -> None:
    with pytest.raises(pytest.fail.Exception) as stopped, alarm(0.02, 2):
        spin(5)

    assert "test_limits.py" in str(stopped.value)
    assert "in spin" in str(stopped.value)
    assert not stopped.value.pytrace  # its frames may have no line, which pytest cannot print


def test_a_law_that_takes_too_long_is_stopped_at_once_and_not_made_smaller() -> None:
    tried: list[int] = []

    @settings(max_examples=5, database=None)
    @given(st.integers())
    def law(number: int) -> None:
        tried.append(number)
        spin(5)

    with pytest.raises(pytest.fail.Exception, match="still ran"), alarm(0.5, 2):
        law()

    assert len(tried) == 1


def test_time_without_a_processor_does_not_count() -> None:
    begun = time.monotonic()

    with pytest.raises(pytest.fail.Exception), alarm(0.05, 2, lambda: time.monotonic() / 4):
        spin(60)

    assert time.monotonic() - begun >= 0.2


async def test_an_async_test_is_not_charged_for_time_without_a_processor() -> None:
    begun = time.monotonic()

    with pytest.raises(pytest.fail.Exception), deadline(0.05, lambda: time.monotonic() / 4):
        await anyio.sleep_forever()

    assert time.monotonic() - begun >= 0.2


async def test_an_async_law_is_stopped_while_it_waits_and_not_made_smaller() -> None:
    tried: list[int] = []

    async def law(number: int) -> None:
        tried.append(number)
        await anyio.sleep_forever()

    body = limited_law(law, 0.05)
    with pytest.raises(Expired, match="sleep_forever"):
        await body(number=1)
    with pytest.raises(Expired):  # the time of all examples together is over
        await body(number=2)

    assert tried == [1, 2]
