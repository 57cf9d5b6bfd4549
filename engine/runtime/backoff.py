"""Spread runs over time: longer pauses after failures, jitter on intervals."""

from collections.abc import Hashable
from random import Random
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_DELAY = 0.75  # Flux's --min-retry-delay
LONGEST_DELAY = 900.0  # Flux's --max-retry-delay


def delay_after(failures: int, first: float = FIRST_DELAY, longest: float = LONGEST_DELAY) -> float:
    """Seconds until the next try after so many failures in a row (>= 1): first, doubled each time.

    Source: client-go util/workqueue, ItemExponentialFailureRateLimiter.
    """
    doublings = min(failures - 1, 64)  # beyond it any sensible `longest` is reached
    return min(longest, first * 2.0**doublings)


def jittered(interval: float, fraction: float, random: Random) -> float:
    """Seconds until the next run of an object whose spec asks for `interval`.

    interval: seconds, > 0.   fraction: 0 <= fraction < 1; 0 means exact.
    Result is uniform in [interval*(1-fraction), interval*(1+fraction)].
    Source: fluxcd/pkg runtime/jitter (default 0.05).
    """
    if fraction == 0:
        return interval
    return interval * random.uniform(1 - fraction, 1 + fraction)


class Failures(Generic[K]):
    """How often each key failed in a row, and so how long it waits."""

    def __init__(self, first: float = FIRST_DELAY, longest: float = LONGEST_DELAY) -> None:
        """first, longest: seconds of the first and of the longest pause."""
        self._first = first
        self._longest = longest
        self._counts: dict[K, int] = {}

    def add(self, key: K) -> float:
        """Count one more failure of `key`; seconds until its next try."""
        self._counts[key] = self._counts.get(key, 0) + 1
        return delay_after(self._counts[key], self._first, self._longest)

    def forget(self, key: K) -> None:
        """`key` succeeded or is gone."""
        self._counts.pop(key, None)

    def count(self, key: K) -> int:
        """Failures in a row so far."""
        return self._counts.get(key, 0)
