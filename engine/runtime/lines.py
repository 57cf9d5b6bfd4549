"""Who goes next: the most urgent one, of the tenant that holds least; and nobody waits for ever.

For whatever there are few of: slots, builder processes, requests, fetches.  Whoever goes holds one
until `release`.

Laws (tests/property/test_lines.py):
1. Who goes next is among the most urgent; of these, one of the tenant that holds least; of equal
   tenants, the one whose last turn is longest ago; of one tenant, the one that came first.
2. After PATIENCE turns in a row for others, a tenant's longest waiter goes, tenant by tenant.
   Hence whoever had k of the same tenant before it is at latest the
   (PATIENCE + 1) * tenants * (k + 1)-th to go, whatever comes after it.
3. Work conserving: as long as fewer are held than may be, and are not kept for what a person
   waits for, somebody who waits goes.
4. A tenant that holds nothing waits for no other: where all is held it goes beyond the limit, as
   long as no more than BEYOND do so (one more for what a person waits for).
5. Where there are spare places, what a person waits for takes one rather than wait.

Pure: no clock; it counts turns.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Generic, TypeVar

from engine.runtime.priority import Priority

PATIENCE = 15  # turns; more would let an hour of drift stop the regular looks
BEYOND = 1  # tenants; each may cost a builder process, so it is not one for everybody
_REPLACED = 100  # outdated entries that may lie about before they are swept out

T = TypeVar("T", bound=Hashable)
Rank = tuple[float, int]
"""Instant and number of arrival: the lower goes first."""


@dataclass(frozen=True, slots=True)
class _Place:
    priority: int
    tenant: Hashable
    rank: Rank


@dataclass(slots=True)
class _Tenant:
    """turn: number of its last turn, or of when it began to wait.  waiting: {priority: count}.

    shown: {priority: (held, turn) of its entry among the heads}; its other ones are outdated.
    """

    held: int = 0
    turn: int = 0
    waiting: Counter[int] = field(default_factory=Counter)
    shown: dict[int, tuple[int, int]] = field(default_factory=dict)


class Lines(Generic[T]):
    """Who waits, a line for each priority and tenant; nobody stands in two."""

    def __init__(self) -> None:
        self._places: dict[T, _Place] = {}
        self._tenants: dict[Hashable, _Tenant] = {}
        # Entries that are outdated are skipped: of who has left, or of a tenant that holds more.
        self._lines: dict[tuple[int, Hashable], list[tuple[Rank, T]]] = {}
        self._heads: dict[int, list[tuple[int, int, Hashable]]] = {}  # (held, turn, tenant)
        self._patient: dict[Hashable, None] = {}  # tenants that wait, as law 2 takes them
        self._beyond: set[Hashable] = set()
        self._numbers = itertools.count()
        self._passed_over = 0  # turns in a row for others than the one whom law 2 takes
        self._held = 0

    def join(self, who: T, priority: int, tenant: Hashable = "", at: float = 0.0) -> None:
        """One more waits, behind those of its tenant and priority with an earlier `at`."""
        rank = at, next(self._numbers)
        own = self._tenants.setdefault(tenant, _Tenant())
        if not own.waiting:
            own.turn = rank[1]
            self._patient[tenant] = None
        self._places[who] = _Place(priority, tenant, rank)
        heapq.heappush(self._lines.setdefault((priority, tenant), []), (rank, who))
        own.waiting[priority] += 1
        if own.waiting[priority] == 1:
            self._push_head(priority, tenant)

    def leave(self, who: T) -> None:
        """One gives up; nothing if it does not wait."""
        place = self._places.pop(who, None)
        if place is None:
            return
        own = self._tenants[place.tenant]
        own.waiting[place.priority] -= 1
        if not own.waiting[place.priority]:
            del own.waiting[place.priority]
            del self._lines[place.priority, place.tenant]
        if not own.waiting:
            del self._patient[place.tenant]
            self._forget(place.tenant)

    def next(self, limit: float = inf, kept: float = 0, spare: float = 0) -> T | None:
        """Who goes, waits no more, and holds one; None if nobody waits or may go.

        limit: how many may be held, all together.   kept: of these, only for what a person waits
        for.   spare: beyond these, only for the same.
        """
        if self._held < limit - kept:
            chosen = self._first()
        else:
            chosen = self._first_urgent() if self._held < limit else None
            chosen = self._first_beyond() if chosen is None else chosen
            if chosen is None and self._held < limit + spare:
                chosen = self._first_manual()
        if chosen is None:
            return None
        tenant = self._places[chosen].tenant
        own = self._tenants[tenant]
        own.held, own.turn = own.held + 1, next(self._numbers)
        self._held += 1
        self.leave(chosen)
        return chosen

    def release(self, tenant: Hashable) -> None:
        """The tenant holds one less."""
        own = self._tenants[tenant]
        own.held -= 1
        self._held -= 1
        for priority in own.waiting:  # it may go before others now
            self._push_head(priority, tenant)
        if not own.held:
            self._beyond.discard(tenant)
            self._forget(tenant)

    @property
    def held(self) -> int:
        """How many are held, all together."""
        return self._held

    def waiting(self) -> Mapping[Priority, int]:
        """How many wait at each priority."""
        count = Counter(place.priority for place in self._places.values())
        return {priority: count[priority] for priority in Priority}

    def __iter__(self) -> Iterator[T]:
        """Whoever waits."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._places)

    def __contains__(self, who: object) -> bool:
        """Whether it waits."""
        return who in self._places

    def _first(self) -> T | None:
        """By laws 1 and 2."""
        tenant = next(iter(self._patient), None)
        if tenant is None:
            return None
        longest = self._oldest_of(tenant)
        chosen = longest if self._passed_over >= PATIENCE else self._most_urgent()
        self._passed_over += 1
        if chosen == longest:
            self._passed_over = 0
            del self._patient[tenant]
            self._patient[tenant] = None
        return chosen

    def _first_urgent(self) -> T | None:
        """What a person waits for."""
        if not self._places:
            return None
        chosen = self._most_urgent()
        return chosen if self._places[chosen].priority <= Priority.MANUAL else None

    def _first_manual(self) -> T | None:
        """By law 5."""
        tenant = self._head(Priority.MANUAL) if Priority.MANUAL in self._heads else None
        return None if tenant is None else self._first_of(Priority.MANUAL, tenant)[1]

    def _first_beyond(self) -> T | None:
        """By law 4."""
        for priority in sorted(self._heads):
            most = BEYOND + (priority <= Priority.MANUAL)
            tenant = self._head(priority) if len(self._beyond) < most else None
            if tenant is not None and not self._tenants[tenant].held:
                self._beyond.add(tenant)
                return self._first_of(priority, tenant)[1]
        return None

    def _most_urgent(self) -> T:
        for priority in sorted(self._heads):
            tenant = self._head(priority)
            if tenant is not None:
                return self._first_of(priority, tenant)[1]
        raise LookupError("nobody waits")

    def _oldest_of(self, tenant: Hashable) -> T:
        own = self._tenants[tenant]
        return min(self._first_of(priority, tenant) for priority in own.waiting)[1]

    def _first_of(self, priority: int, tenant: Hashable) -> tuple[Rank, T]:
        line = self._lines[priority, tenant]
        while True:
            rank, who = line[0]
            place = self._places.get(who)
            if place is not None and place.rank == rank:
                return rank, who
            heapq.heappop(line)

    def _head(self, priority: int) -> Hashable | None:
        """The tenant that goes first at that priority; None: nobody waits there."""
        heads = self._heads[priority]
        while heads:
            held, turn, tenant = heads[0]
            own = self._tenants.get(tenant)
            if own is None or not own.waiting[priority] or own.shown[priority] != (held, turn):
                heapq.heappop(heads)
            elif (held, turn) != (own.held, own.turn):
                own.shown[priority] = own.held, own.turn
                heapq.heapreplace(heads, (own.held, own.turn, tenant))
            else:
                return tenant
        del self._heads[priority]
        return None

    def _push_head(self, priority: int, tenant: Hashable) -> None:
        own, heads = self._tenants[tenant], self._heads.setdefault(priority, [])
        heapq.heappush(heads, (own.held, own.turn, tenant))
        own.shown[priority] = own.held, own.turn
        if len(heads) > 2 * len(self._tenants) + _REPLACED:
            heads[:] = [
                (*each.shown[priority], name)
                for name, each in self._tenants.items()
                if each.waiting[priority]
            ]
            heapq.heapify(heads)

    def _forget(self, tenant: Hashable) -> None:
        """Nothing is kept of a tenant that neither waits nor holds anything."""
        own = self._tenants[tenant]
        if not own.waiting and not own.held:
            del self._tenants[tenant]

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Lines {len(self)} of {len(self._patient)} tenants wait, {self._held} held>"
