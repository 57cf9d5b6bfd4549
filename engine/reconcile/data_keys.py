"""Data keys that were opened, in memory: an unchanged file's is not opened again.

Who finds one has shown the very keys that opened it: nothing is decrypted with a key that another
tenant brought, nor with one that is not in the Secret any more.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.render import SealedKey
from engine.runtime import Clock
from engine.runtime.fairness import FairLimiter

LOCAL = frozenset({"age", "pgp"})
"""Kinds of master keys that the Secret itself holds: nobody can revoke them but who changes it."""
MOST = 50_000
"""Data keys that are kept; one takes some 300 bytes."""
_OPENED_AT_ONCE = 64
"""By all builds together: each may be a connection to a server that never answers, of 100."""
_UNUSED = 3600.0  # seconds after which one that nobody asked for is dropped


def is_local(key: SealedKey) -> bool:
    """Whether no key service has a say in whether it opens."""
    return all(each.kind in LOCAL for group in key.metadata.groups for each in group)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is kept, and counts since the start."""

    held: int
    opened: int
    used: int  #: times that one had not to be opened again
    refused: int  #: times that none of the keys opened one


@dataclass(slots=True)
class _Kept:
    data_key: bytes
    ends_at: float  # monotonic; when a key service is to be asked again, inf: never
    used_at: float

    def __repr__(self) -> str:
        return "<a data key>"


class DataKeys:
    """By whose keys opened them, and by what they are sealed in."""

    def __init__(self, clock: Clock, max_age: float, most: int = MOST) -> None:
        """max_age: seconds that one is used which a key service has opened."""
        self.places = FairLimiter(_OPENED_AT_ONCE)
        """Whoever opens one holds a place meanwhile: no tenant has them all for itself."""
        self._clock, self._max_age, self._most = clock, max_age, most
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()  # the last used is last
        self._opened = self._used = self._refused = 0

    def known(self, fingerprint: str, keys: Iterable[SealedKey]) -> dict[str, bytes]:
        """Those of the data keys that need not be opened, by id.

        fingerprint: of the keys that would open them, and of whose they are.
        """
        now = self._clock.monotonic()
        return {key.id: found for key in keys for found in self._found((fingerprint, key.id), now)}

    def _found(self, name: tuple[str, str], now: float) -> Iterator[bytes]:
        kept = self._kept.get(name)
        if kept is None:
            return
        if kept.ends_at <= now:
            del self._kept[name]
            return
        kept.used_at = now
        self._kept.move_to_end(name)
        self._used += 1
        yield kept.data_key

    def keep(self, fingerprint: str, key: SealedKey, data_key: bytes) -> None:
        """One was opened."""
        now = self._clock.monotonic()
        ends_at = float("inf") if is_local(key) else now + self._max_age
        self._opened += 1
        self._kept[fingerprint, key.id] = _Kept(data_key, ends_at, now)
        self._kept.move_to_end((fingerprint, key.id))
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if len(self._kept) <= self._most and oldest.used_at + _UNUSED > now:
                break
            self._kept.popitem(last=False)

    def refused(self) -> None:
        """One could not be opened."""
        self._refused += 1

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(len(self._kept), self._opened, self._used, self._refused)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<DataKeys {self.statistics()}>"
