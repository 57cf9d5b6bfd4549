"""Keeps credentials that end by themselves, until most of their time has passed.

Source: fluxcd/pkg cache.TokenCache: 80 % of a lifetime, as kubelet; least recently used go first;
metrics gotk_token_cache_* (flux-behaviour 8 and 9.3).
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import anyio

from engine.objects.ref import Ref
from engine.runtime.clock import Clock
from engine.telemetry import Metrics

_USED = 0.8  # of its lifetime a credential is given out


class Expiring(Protocol):
    """What can be kept."""

    @property
    def expires_at(self) -> float:
        """Seconds since 1970."""
        ...


T = TypeVar("T", bound=Expiring)


@dataclass(frozen=True, slots=True)
class Asker:
    """For what object something is asked, and in which of Flux's operations."""

    ref: Ref
    operation: str


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Expiring = field(repr=False)
    until: float  #: monotonic
    until_wall: float
    users: set[Ref] = field(default_factory=set)  #: who were given it, as far as they said


class _Fetch:
    """One fetch under way, and those who wait for it."""

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.value: Expiring | None = None
        self.error: Exception | None = None


class Tokens:
    """Credentials by key; what several ask for at once is fetched once.

    Keys must hold all that decides who may have the credential: it is given to any who name the
    key.
    """

    def __init__(self, clock: Clock, series: Metrics, max_size: int, max_duration: float) -> None:
        """max_size: 0 keeps none.   max_duration: seconds."""
        self._clock = clock
        self._max_size = max_size
        self._max_duration = max_duration
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._fetches: dict[Hashable, _Fetch] = {}
        self._series = series

    async def get(
        self, key: Hashable, fetch: Callable[[], Awaitable[T]], asker: Asker | None = None
    ) -> T:
        """What is kept under the key, else what `fetch` gives, whose exceptions are passed on."""
        value = self._fresh(key)
        self._note("cache_miss" if value is None else "cache_hit", asker)
        if value is not None:
            self._series.token_requests.labels("success").inc()
            self._use(key, asker)
            return value  # type: ignore[return-value] # a key stands for one type
        while True:
            under_way = self._fetches.get(key)
            if under_way is None:
                found = await self._fetch(key, fetch)
                self._use(key, asker)
                return found
            await under_way.ended.wait()
            if under_way.error is not None:
                raise under_way.error
            if under_way.value is not None:
                self._use(key, asker)
                return under_way.value  # type: ignore[return-value] # as above

    def drop(self, value: Expiring) -> None:
        """Give it to nobody any more: somebody refused it."""
        for key in [key for key, kept in self._kept.items() if kept.value is value]:
            del self._kept[key]
        self._series.tokens.set(len(self._kept))

    def forget(self, user: Ref) -> None:
        """That object is gone, or what it read was changed: keep nothing that only it was given."""
        for key, kept in list(self._kept.items()):
            if user in kept.users:
                kept.users.discard(user)
                if not kept.users:
                    del self._kept[key]
        self._series.tokens.set(len(self._kept))

    def _use(self, key: Hashable, asker: Asker | None) -> None:
        kept = self._kept.get(key)
        if kept is not None and asker is not None:
            kept.users.add(asker.ref)

    def __repr__(self) -> str:
        """How many, never which."""
        return f"<Tokens: {len(self._kept)} of {self._max_size}>"

    def _fresh(self, key: Hashable) -> Expiring | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        # Both clocks: one stands still while a machine sleeps, the other may be set back.
        if self._clock.monotonic() >= kept.until or self._clock.wall() >= kept.until_wall:
            del self._kept[key]
            self._series.tokens.set(len(self._kept))
            return None
        self._kept.move_to_end(key)
        return kept.value

    async def _fetch(self, key: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
        under_way = self._fetches[key] = _Fetch()
        try:
            under_way.value = value = await fetch()
        except Exception as error:
            self._series.token_requests.labels("failure").inc()
            under_way.error = error
            raise
        finally:  # cancelled: neither is set, and one of those who wait fetches
            del self._fetches[key]
            under_way.ended.set()
        self._series.token_requests.labels("success").inc()
        self._keep(key, value)
        return value

    def _keep(self, key: Hashable, value: Expiring) -> None:
        left = (value.expires_at - self._clock.wall()) * _USED
        seconds = min(left, self._max_duration)
        if seconds <= 0 or self._max_size <= 0:
            return
        until, until_wall = self._clock.monotonic() + seconds, self._clock.wall() + seconds
        self._kept[key] = _Kept(value, until, until_wall)
        while len(self._kept) > self._max_size:
            self._kept.popitem(last=False)
            self._series.token_evictions.inc()
        self._series.tokens.set(len(self._kept))

    def _note(self, event: str, asker: Asker | None) -> None:
        if asker is not None:
            ref, operation = asker.ref, asker.operation
            labels = event, ref.kind, ref.name, ref.namespace, operation
            self._series.token_events.labels(*labels).inc()
