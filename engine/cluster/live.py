"""What is in the cluster now, for the objects that somebody plans with.

The classic way: a GET for each.  A view that is fed by watches takes its place later.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import anyio

from engine.cluster.client import Client
from engine.cluster.discovery import UnknownKind
from engine.objects.ref import Object, Ref

IN_FLIGHT = 16  # beyond it a bare client gets no more answers a second (design, section 8)


class Live(Protocol):
    """Where the live objects come from."""

    async def view(self, refs: Iterable[Ref], versions: Mapping[Ref, str]) -> Mapping[Ref, Object]:
        """The objects that exist, by Ref.

        versions: the API version to see each in; the server's preferred one where it has none.
        """
        ...


class FetchedLive:
    """A Live that asks the API server each time."""

    def __init__(self, client: Client, in_flight: int = IN_FLIGHT) -> None:
        """in_flight: requests at once; the client's limiter may allow fewer."""
        self._client = client
        self._in_flight = in_flight

    async def view(self, refs: Iterable[Ref], versions: Mapping[Ref, str]) -> Mapping[Ref, Object]:
        """The objects that exist, by Ref; one of a kind that is not served does not.

        Raises ApiError if one of them cannot be read.
        """
        found: dict[Ref, Object] = {}
        waiting = iter(dict.fromkeys(refs))

        async def work() -> None:
            for ref in waiting:  # shared: each takes the next
                obj = await self._get(ref, versions.get(ref))
                if obj is not None:
                    found[ref] = obj

        try:
            async with anyio.create_task_group() as tasks:
                for _ in range(self._in_flight):
                    tasks.start_soon(work)
        except ExceptionGroup as group:
            raise group.exceptions[0] from group  # the first; the others were cancelled
        return found

    async def _get(self, ref: Ref, version: str | None) -> Object | None:
        try:
            resource = await self._client.discovery.resource(ref.group, version, ref.kind)
        except UnknownKind:
            return None
        return await self._client.get(resource, ref.namespace, ref.name)
