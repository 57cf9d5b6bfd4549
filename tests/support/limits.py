"""End a test that takes too long or is told to stop, and fail one that blocks the event loop."""

import asyncio
import faulthandler
import os
import signal
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import anyio
import pytest

from tests.support import soak

SECONDS = {"unit": 10.0, "property": 10.0, "golden": 10.0, "cluster": 60.0, "e2e": 300.0}
DEFAULT = 60.0  # seconds, for a test in no such folder
SOAK_FACTOR = 100  # a soak tries many more examples, again and again
BLOCKED = 2.0  # seconds in which the event loop did not turn and the machine was not to blame
BEAT = 0.05  # seconds between two looks at the event loop
SCHEDSTAT = Path("/proc/thread-self/schedstat")

Clock: TypeAlias = Callable[[], float]


def unhindered() -> float:
    """Seconds on a clock that stands still while this thread waits for a processor."""
    try:
        waited = int(os.fsdecode(SCHEDSTAT.read_bytes()).split()[1])
    except OSError:  # a kernel without statistics: count work only
        return time.thread_time()
    return time.monotonic() - waited / 1e9


def limit_of(item: pytest.Item) -> float:
    """Seconds that the body of a test may take: those of its `limit` marker, or of its folder."""
    marker = item.get_closest_marker("limit")
    if marker is not None:
        return float(marker.args[0])
    parts = item.path.relative_to(item.config.rootpath).parts
    seconds = SECONDS.get(parts[1], DEFAULT) if len(parts) > 1 else DEFAULT
    return seconds * (SOAK_FACTOR if soak.SECONDS else max(1.0, soak.EFFORT))


def limited(
    test: Callable[..., Awaitable[None]], seconds: float, stop: "Stop"
) -> Callable[..., Awaitable[None]]:
    """An async test that is cancelled after `seconds` and fails if it blocks the event loop."""

    @wraps(test)
    async def body(**arguments: Any) -> None:
        with turning(), deadline(seconds), stop.heard():
            await test(**arguments)

    return body


def limited_law(
    test: Callable[..., Awaitable[None]], seconds: float
) -> Callable[..., Awaitable[None]]:
    """An async law whose examples together are stopped after `seconds`, also while one waits."""
    end = unhindered() + seconds

    @wraps(test)
    async def body(**arguments: Any) -> None:
        where = ""
        with anyio.CancelScope() as scope:
            with expiring(end - unhindered(), scope.cancel, unhindered):
                try:
                    await test(**arguments)
                except anyio.get_cancelled_exc_class() as waited:
                    where = "".join(traceback.format_exception(waited))
                    raise
        if scope.cancelled_caught:
            raise Expired(where)

    return body


class Stop:
    """A handler of signals that ends the run in order: what tests and fixtures made is removed.

    An async test is cancelled, as KeyboardInterrupt in its event loop would leave its tasks behind.
    """

    def __init__(self) -> None:
        self._cancel: Callable[[], object] | None = None

    def __call__(self, *_: object) -> None:
        cancel, self._cancel = self._cancel, None
        if cancel is None:  # no test runs, or it was told before
            raise KeyboardInterrupt
        cancel()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Cancel what it encloses, and end the run, when a signal comes."""
        loop = asyncio.get_running_loop()
        with anyio.CancelScope() as scope:
            self._cancel = partial(loop.call_soon_threadsafe, scope.cancel)
            try:
                yield
            finally:
                self._cancel = None
        if scope.cancelled_caught:
            raise pytest.exit.Exception("told to stop by a signal", pytest.ExitCode.INTERRUPTED)


@contextmanager
def deadline(seconds: float, clock: Clock = unhindered) -> Iterator[None]:
    """Cancel what it encloses after `seconds` and fail, showing the line that it waited at."""
    waited: BaseException | None = None
    with anyio.CancelScope() as scope, expiring(seconds, scope.cancel, clock):
        try:
            yield
        except BaseException as error:
            waited = error
            raise
    if scope.cancelled_caught:
        raise pytest.fail.Exception(f"the test was cancelled after {seconds:g} s") from waited


@contextmanager
def expiring(seconds: float, expired: Callable[[], object], clock: Clock) -> Iterator[None]:
    """Call `expired` when what it encloses, in a running event loop, has had `seconds`."""
    loop = asyncio.get_running_loop()
    end = clock() + seconds
    handle: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal handle
        left = end - clock()
        if left > 0:
            handle = loop.call_later(left, look)
        else:
            expired()

    look()
    try:
        yield
    finally:
        if handle is not None:
            handle.cancel()


class Expired(BaseException):
    """Where the test was; no failure that Hypothesis would try to make smaller."""


@contextmanager
def alarm(seconds: float, stderr: int, clock: Clock = unhindered) -> Iterator[None]:
    """Fail what runs in the main thread after `seconds`, unless it is an idle event loop.

    That one is left to `limited`, whose cancelling keeps the loop usable; what resists it ends the
    whole run, a minute later, with the stack of each thread on the file descriptor `stderr`.
    Time in which the thread waited for a processor does not count.
    """
    end = clock() + seconds

    def set_timer(left: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, left, 5)  # again and again, if it is swallowed
        faulthandler.dump_traceback_later(left + 60, exit=True, file=stderr)

    def expired(_: int, frame: FrameType | None) -> None:
        left = end - clock()
        if left > 0:
            set_timer(max(left, BEAT))
        elif not is_idle_loop():
            raise Expired("".join(traceback.format_stack(frame)))

    previous = signal.signal(signal.SIGALRM, expired)
    set_timer(seconds)
    try:
        yield
    except Expired as stopped:
        # Not its own traceback: where a signal interrupts, a frame may be between two lines, which
        # pytest cannot print; it ends the whole run then.
        text = f"the test still ran after {seconds:g} s, here:\n{stopped}"
        raise pytest.fail.Exception(text, pytrace=False) from None
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def is_idle_loop() -> bool:
    """Whether the main thread is in an event loop, between two steps of tasks."""
    try:
        return asyncio.current_task() is None
    except RuntimeError:  # no event loop runs
        return False


@contextmanager
def turning(blocked: float = BLOCKED) -> Iterator[None]:
    """Fail if the running event loop stops turning for `blocked` seconds.

    Time in which the thread was ready to run and the machine did other work does not count, so a
    busy machine fails nothing.
    """
    loop = asyncio.get_running_loop()
    worst = 0.0
    last = unhindered()
    handle: asyncio.Handle | None = None

    def beat() -> None:
        nonlocal worst, last, handle
        now = unhindered()
        worst, last = max(worst, now - last), now
        handle = loop.call_later(BEAT, beat)

    beat()
    try:
        yield
    finally:
        if handle is not None:
            handle.cancel()
    worst = max(worst, unhindered() - last)
    if worst > blocked:
        pytest.fail(f"the event loop was blocked for {worst:.1f} s by code that does not await")
