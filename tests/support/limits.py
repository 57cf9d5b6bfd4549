"""End a test that takes too long or is told to stop, and fail one that blocks the event loop."""

import asyncio
import faulthandler
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

import anyio
import pytest

SECONDS = {"unit": 10.0, "property": 10.0, "golden": 10.0, "cluster": 60.0, "e2e": 300.0}
DEFAULT = 60.0  # seconds, for a test in no such folder
SOAK_FACTOR = 100  # a soak tries many more examples
BLOCKED = 2.0  # seconds in which the event loop did not turn and the machine was not to blame
BEAT = 0.05  # seconds between two looks at the event loop
SCHEDSTAT = Path("/proc/thread-self/schedstat")


def limit_of(item: pytest.Item) -> float:
    """Seconds that the body of a test may take: those of its `limit` marker, or of its folder."""
    marker = item.get_closest_marker("limit")
    if marker is not None:
        return float(marker.args[0])
    parts = item.path.relative_to(item.config.rootpath).parts
    seconds = SECONDS.get(parts[1], DEFAULT) if len(parts) > 1 else DEFAULT
    return seconds * SOAK_FACTOR if os.environ.get("LOCKSTEP_SOAK") else seconds


def limited(
    test: Callable[..., Awaitable[None]], seconds: float, stop: "Stop"
) -> Callable[..., Awaitable[None]]:
    """An async test that is cancelled after `seconds` and fails if it blocks the event loop."""

    @wraps(test)
    async def body(**arguments: Any) -> None:
        with turning(), deadline(seconds), stop.heard():
            await test(**arguments)

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
def deadline(seconds: float) -> Iterator[None]:
    """Cancel what it encloses after `seconds` and fail, showing the line that it waited at."""
    waited: BaseException | None = None
    with anyio.move_on_after(seconds) as scope:
        try:
            yield
        except BaseException as error:
            waited = error
            raise
    if scope.cancelled_caught:
        raise pytest.fail.Exception(f"the test was cancelled after {seconds:g} s") from waited


@contextmanager
def alarm(seconds: float, stderr: int) -> Iterator[None]:
    """Fail what runs in the main thread after `seconds`, unless it is an idle event loop.

    That one is left to `limited`, whose cancelling keeps the loop usable; what resists it ends the
    whole run, a minute later, with the stack of each thread on the file descriptor `stderr`.
    """

    def expired(*_: object) -> None:
        if not is_idle_loop():
            pytest.fail(f"the test still ran after {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds, 5)  # again and again, if it is swallowed
    faulthandler.dump_traceback_later(seconds + 60, exit=True, file=stderr)
    try:
        yield
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


def unhindered() -> float:
    """Seconds on a clock that stands still while this thread waits for a processor."""
    try:
        waited = int(os.fsdecode(SCHEDSTAT.read_bytes()).split()[1])
    except OSError:  # a kernel without statistics: count work only
        return time.thread_time()
    return time.monotonic() - waited / 1e9
