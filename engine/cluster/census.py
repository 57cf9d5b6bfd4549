"""Which objects exist at all: also those that nobody owns, which no watch of ours shows.

Before an object is created somebody's own of that name must be looked for.  A few are asked for
one by one; where many of a kind are asked for in a short time, the kind is listed once for all.
"""

from collections.abc import Collection
from dataclasses import dataclass

import anyio

from engine.cluster.client import Client
from engine.cluster.errors import ApiError
from engine.cluster.resource import Resource
from engine.objects.ref import Ref
from engine.runtime.clock import Clock

FEW = 4  # objects of a kind that are asked for one by one within the period
PERIOD = 10.0  # seconds; how old a list may be.  Who writes in that time without a label is
# found by the answer to our apply: Flux has the same gap between its GET and its apply.


@dataclass(slots=True)
class _Count:
    """What is known about a kind."""

    asked: int
    since: float
    names: frozenset[tuple[str, str]] | None = None  # {(namespace, name)}


class Census:
    """Names by kind, each list shared by all who ask within a period."""

    def __init__(self, client: Client, clock: Clock) -> None:
        """client: the engine's own identity."""
        self._client, self._clock = client, clock
        self._counts: dict[tuple[str, str], _Count] = {}
        self._lock = anyio.Lock()

    async def perhaps(self, resource: Resource, refs: Collection[Ref]) -> list[Ref]:
        """Those that may exist, and are to be read; the others do not."""
        key = resource.group, resource.kind
        async with self._lock:
            now = self._clock.monotonic()
            count = self._counts.get(key)
            if count is None or now - count.since > PERIOD:
                count = self._counts[key] = _Count(0, now)
            count.asked += len(refs)
            if count.asked <= FEW:
                return list(refs)
            if count.names is None:
                try:
                    count.names = await self._names(resource)
                except ApiError:  # it may read single objects all the same
                    return list(refs)
                count.since = now
        return [ref for ref in refs if (ref.namespace, ref.name) in count.names]

    async def _names(self, resource: Resource) -> frozenset[tuple[str, str]]:
        listing = await self._client.list(
            resource, resource_version="0", limit=0, metadata_only=True
        )
        found = (item["metadata"] for item in listing.items)
        return frozenset((each.get("namespace", ""), each["name"]) for each in found)

    def __repr__(self) -> str:
        """Which kinds are listed."""
        listed = sum(each.names is not None for each in self._counts.values())
        return f"<Census of {listed} kinds>"
