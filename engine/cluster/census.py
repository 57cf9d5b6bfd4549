"""Which objects exist at all: also those that nobody owns, which no watch of ours shows.

Before an object is created somebody's own of that name must be looked for.  A few are asked for
one by one; where many of a kind are asked for in a short time, or are about to be, the kind is
listed once for all.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import anyio

from engine.cluster.client import Client
from engine.cluster.errors import ApiError
from engine.cluster.resource import Resource, is_name
from engine.objects.ref import Ref
from engine.runtime.clock import Clock

FEW = 4  # objects of a kind that are asked for one by one within the period
PERIOD = (
    10.0  # seconds; how old a list may be.  What somebody creates in that time is applied over,
)
# as in Flux between its GET and its apply, and shows as his in the answer: the next look folds it.


@dataclass(slots=True)
class _Kind:
    """What is known about a kind."""

    asked: int = 0  # in this period
    is_busy: bool = False  # many were asked for in the period before
    since: float = float("-inf")
    names: frozenset[tuple[str, str]] | None = None  # {(namespace, name)}
    is_exact: bool = False  # as of when it was asked, and not of what the server had in memory
    lock: anyio.Lock = field(default_factory=anyio.Lock)


class Census:
    """Names by kind, each list shared by all who ask within a period."""

    def __init__(self, client: Client, clock: Clock) -> None:
        """client: the engine's own identity."""
        self._client, self._clock = client, clock
        self._kinds: dict[Resource, _Kind] = {}

    async def perhaps(
        self,
        resource: Resource,
        refs: Collection[Ref],
        *,
        is_lost: bool = False,
        is_crowded: bool = False,
    ) -> list[Ref]:
        """Those that may exist, and are to be read; the others do not.

        is_lost: they were there, and what a list said before does not count.   is_crowded: others
        are about to ask as well: the first of them are not to be asked for one by one.
        """
        if not refs or (is_lost and len(refs) <= FEW):
            return list(refs)
        kind = self._kinds.setdefault(resource, _Kind())
        asked_at = self._clock.monotonic()
        async with kind.lock:
            now = self._clock.monotonic()
            is_stale = is_lost and not (kind.is_exact and kind.since >= asked_at)
            if is_stale or now - kind.since > PERIOD:
                kind.is_busy = kind.asked > FEW and now - kind.since <= 2 * PERIOD
                kind.asked, kind.since, kind.names = 0, now, None
            kind.asked += len(refs)
            if kind.names is None and kind.asked <= FEW and not (is_crowded or kind.is_busy):
                return list(refs)
            if kind.names is None:
                try:
                    kind.names = await self._names(resource, "" if is_lost else "0")
                except ApiError:  # it may read single objects all the same
                    return list(refs)
                kind.since, kind.is_exact = now, is_lost
        names = kind.names
        # What cannot be a name is refused when it is read, before an inventory holds it.
        return [ref for ref in refs if (ref.namespace, ref.name) in names or not is_name(ref.name)]

    async def _names(self, resource: Resource, version: str) -> frozenset[tuple[str, str]]:
        """version: "": as of now, "0": as of what the API server has in memory."""
        listing = await self._client.list(
            resource, resource_version=version, limit=0, metadata_only=True
        )
        found = (item["metadata"] for item in listing.items)
        return frozenset((each.get("namespace", ""), each["name"]) for each in found)

    def __repr__(self) -> str:
        """Which kinds are listed."""
        listed = sum(each.names is not None for each in self._kinds.values())
        return f"<Census of {listed} kinds>"
