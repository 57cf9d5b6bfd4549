"""Time as a value: the one place that reads the system's clocks and sleeps."""

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """What the engine asks of time; tests move theirs by hand."""

    def monotonic(self) -> float:
        """Seconds since some fixed instant; never goes back."""
        ...

    def wall(self) -> float:
        """Seconds since 1970 in UTC; may jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once if it is not above zero."""
        ...

    async def wait(self, event: anyio.Event, until: float | None) -> bool:
        """Whether `event` was set by the monotonic instant `until` (None: wait for ever)."""
        ...


class SystemClock:
    """The Clock of this machine."""

    def monotonic(self) -> float:
        """Seconds since some fixed instant; never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970 in UTC; may jump."""
        return time.time()  # noqa: TID251 - this is where time becomes a parameter

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once if it is not above zero."""
        await anyio.sleep(max(0.0, seconds))

    async def wait(self, event: anyio.Event, until: float | None) -> bool:
        """Whether `event` was set by the monotonic instant `until` (None: wait for ever)."""
        left = None if until is None else max(0.0, until - self.monotonic())
        with anyio.move_on_after(left):
            await event.wait()
        return event.is_set()
