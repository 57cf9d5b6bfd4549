"""Follows all objects of a kind: told of each change, whatever happens to the connection.

A watch hears what exists (streamed where the server can, listed otherwise) and then each change;
it goes on after breaks and silence, begins anew where the server has forgotten too much, and says
of each trouble what it is.

Source: client-go tools/cache Reflector; KEP-3157 (streamed lists).
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Any

import anyio

from engine.cluster.client import Client
from engine.cluster.decoding import decoded
from engine.cluster.errors import (
    ApiError,
    Excessive,
    Forbidden,
    Gone,
    NotFound,
    Paused,
    Unreachable,
    error_of_status,
)
from engine.cluster.known import Event, EventType, Known
from engine.cluster.listing import PAGE, Query, is_object
from engine.cluster.resource import Resource
from engine.cluster.transport import Stream
from engine.runtime.clock import Clock

__all__ = ["Event", "EventType", "Statistics", "Watch"]

BOOKMARK_PERIOD = 60.0  # seconds; the API server's, and a little later in a busy one
INITIAL_SILENCE = 10.0  # seconds; a server that streams no lists says so by saying nothing
TIMEOUT = (300.0, 600.0)  # seconds that a stream is asked to last; client-go's minWatchTimeout
FIRST_PAUSE, LONGEST_PAUSE = 0.8, 30.0  # seconds between tries; client-go's reflector
GOOD_STREAM = 5.0  # seconds; one that ends sooner and said nothing counts as a failure
FORGIVEN = 120.0  # seconds after which an earlier 410 no longer counts; client-go's reflector
STUBBORN = 3  # refusals in a row after which our version, not the server, is thought wrong
_NOT_ABOUT_VERSIONS = frozenset({0, 401, 429, 503})  # no answer, who we are, load


@dataclass(frozen=True, slots=True)
class Statistics:
    """A Watch since its start."""

    objects: int
    events: int
    lists: int
    streams: int
    troubles: int


class _Silent(Exception):  # noqa: N818 - not an error, a reason to connect again
    """Nothing came for too long: the connection may be open at our end only."""


class Watch:
    """The objects of one kind; iterate over `events()` in one task.

    `heard_at`: monotonic instant of the last sign of life, from which freshness is judged; minus
    infinity before the first.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        clock: Clock,
        random: Random,
        namespace: str = "",
        query: Query | None = None,
    ) -> None:
        """namespace: empty: all.   query: selectors, and whether metadata is enough."""
        self.resource = resource
        self.heard_at = float("-inf")
        self.bookmark_period = BOOKMARK_PERIOD
        self.initial_silence = INITIAL_SILENCE
        self._client = client
        self._clock = clock
        self._random = random
        self._namespace = namespace
        self._query: Query = query or {}
        self._known = Known(resource)
        self._version = ""  # where to go on from; empty: hear first what exists
        self._oldest = "0"  # how old that may be: at first as old as the server's cache
        self._streams_lists = True  # until the server shows that it does not
        self._in_one_piece = False  # as the pages of the last list came too late
        self._failures = 0
        self._forgotten, self._forgotten_at = 0, float("-inf")  # 410s in a row
        self._counts = {"events": 0, "lists": 0, "streams": 0, "troubles": 0}

    def is_fresh(self, now: float) -> bool:
        """Whether what was told is still to be relied on (silence of two bookmarks at most)."""
        return now - self.heard_at <= 2 * self.bookmark_period

    def holds(self, namespace: str, name: str) -> bool:
        """Whether that object is there, as far as was told."""
        return self._known.holds(namespace, name)

    async def events(self) -> AsyncGenerator[Event, None]:
        """What happens, for ever.  Close it with `aclosing` when leaving early."""
        with self._known.within(self._client.room):
            async with aclosing(self._happening()) as happening:
                async for event in happening:
                    yield event

    async def _happening(self) -> AsyncGenerator[Event, None]:
        while True:
            try:
                if not self._version and not self._streams_lists:
                    async with aclosing(self._listed()) as listed:
                        async for event in listed:
                            yield event
                async with aclosing(self._streamed()) as stream:
                    async for event in stream:
                        yield event
            except _Silent:
                # While it should have told what exists: it does not know how to.
                self._streams_lists = self._streams_lists and not self._known.is_replacing
                await self._spread()  # the others fell silent with it
            except Gone:
                await self._begin_anew()
            except Paused as pause:
                yield self._trouble(pause)
                self._forget_version()  # silence after this must not look like "nothing changed"
                await pause.over()
                await self._spread()
            except ApiError as error:
                if self._streams_lists and not self._version and error.status in (400, 422):
                    self._streams_lists = False
                    continue
                yield self._trouble(error)
                await self._clock.sleep(self._pause(self._failures, error.retry_after or 0.0))

    async def _listed(self) -> AsyncGenerator[Event, None]:
        """The difference between what is known and what is there, ending in SYNCED."""
        self._counts["lists"] += 1
        query: Query = {**self._query, "resource_version": self._oldest}
        query["limit"] = 0 if self._in_one_piece else PAGE
        pages = self._client.pages(self.resource, self._namespace, **query)
        self._known.begin()
        try:
            async with aclosing(pages):
                async for page in pages:
                    self._hear()
                    for obj in page.items:
                        for event in self._known.saw(obj):
                            self._counts["events"] += 1
                            yield event
        except Gone:
            self._in_one_piece = True
            raise
        self._in_one_piece = False
        for event in self._known.finish(page.resource_version):
            yield event
        self._version = page.resource_version

    async def _streamed(self) -> AsyncGenerator[Event, None]:
        """Changes from the known version on (or all that exists), until the server ends it."""
        self._counts["streams"] += 1
        began, told = self._clock.monotonic(), 0
        parameters = self._parameters()
        if not self._version:
            self._known.begin()
        opening = self._client.stream(self.resource, self._namespace, self._query, parameters)
        async with opening as stream, aclosing(self._lines(stream)) as lines:
            async for line in lines:
                told += 1
                for event in self._read(line):
                    yield event
                if self._version:
                    self._failures = 0
        lasted = self._clock.monotonic() - began
        if lasted >= GOOD_STREAM:
            self._failures = 0
        elif not told or not self._version:
            self._failures += 1
            await self._clock.sleep(self._pause(self._failures))
            return
        if lasted < int(parameters["timeoutSeconds"]) - 1:
            await self._spread()  # the server ends, and with it every watch

    def _parameters(self) -> dict[str, str]:
        parameters = {
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(self._random.uniform(*TIMEOUT))),
        }
        if self._version:
            return {**parameters, "resourceVersion": self._version}
        initial = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        return {**parameters, **initial} | (
            {"resourceVersion": self._oldest} if self._oldest else {}
        )

    async def _lines(self, stream: Stream) -> AsyncGenerator[bytes, None]:
        """The stream's lines.  Raises _Silent if nothing comes for too long.

        Raises Excessive for a line without end: other clusters are anybody's.
        """
        buffer, longest = bytearray(), self._client.endpoint.allowance.answer_bytes
        while True:
            silence = 2 * self.bookmark_period
            if self._known.is_replacing:
                silence = min(silence, self.initial_silence)
            with anyio.move_on_after(silence) as waiting:
                chunk = await stream.chunk()
            if waiting.cancelled_caught:
                raise _Silent
            if not chunk:
                return
            self._hear()
            buffer += chunk
            if b"\n" in chunk:
                *lines, rest = bytes(buffer).split(b"\n")
                buffer = bytearray(rest)
                for line in filter(None, lines):
                    yield line
            elif len(buffer) > longest:
                text = f"watch of {self.resource.title}: no event ends within {longest} bytes"
                raise Excessive(0, "", text)

    def _read(self, line: bytes) -> list[Event]:
        """What a line tells.  Raises ApiError if it is an error, or no event at all."""
        try:
            return list(self._understood(line))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise _no_event(line, self.resource) from error

    def _understood(self, line: bytes) -> Iterator[Event]:
        """The event in our words.  Raises ApiError if it is one, or no event at all."""
        kind, obj = _decoded(line, self.resource)
        if kind == "ERROR":
            raise error_of_status(obj)
        metadata = obj["metadata"]
        version = metadata["resourceVersion"]
        found: Iterator[Event]
        if kind == "BOOKMARK":
            is_end = "k8s.io/initial-events-end" in (metadata.get("annotations") or {})
            found = self._known.finish(version) if is_end else iter([Event(EventType.BOOKMARK, {})])
        else:
            self._counts["events"] += 1
            if self._query.get("metadata_only"):
                obj["apiVersion"], obj["kind"] = self.resource.api_version, self.resource.kind
            deleted = kind == "DELETED"
            found = iter([self._known.deleted(obj)]) if deleted else self._known.saw(obj)
        yield from found
        if not self._known.is_replacing:  # until then versions come in no order
            self._version = version

    async def _begin_anew(self) -> None:
        """The server has forgotten too much: hear next what exists.

        The first time at once, then later and later: hearing all of it proves nothing, as a server
        may tell everything and then forget it each time.
        """
        self._forget_version()
        is_again = self._clock.monotonic() - self._forgotten_at < FORGIVEN
        self._forgotten = self._forgotten + 1 if is_again else 1
        if self._forgotten > 1:
            await self._clock.sleep(self._pause(self._forgotten - 1))
        self._forgotten_at = self._clock.monotonic()

    async def _spread(self) -> None:
        """A moment by chance: what breaks all watches at once must not bring all back at once."""
        await self._clock.sleep(self._random.uniform(0.0, FIRST_PAUSE))

    def _forget_version(self) -> None:
        """Hear next what exists, and the newest state: the server's cache is what forgot."""
        self._version, self._oldest = "", ""

    def _trouble(self, problem: ApiError) -> Event:
        self._counts["troubles"] += 1
        self._failures += 1
        # 1. Once it is served or allowed again, everything may be new.
        # 2. Again and again refused: a restored etcd knows nothing of our version.
        stubborn = problem.status not in _NOT_ABOUT_VERSIONS and self._failures >= STUBBORN
        if isinstance(problem, NotFound | Forbidden) or stubborn:
            self._forget_version()
        return Event(EventType.TROUBLE, {}, problem)

    def _pause(self, failures: int, retry_after: float = 0.0) -> float:
        """Seconds until the next try.

        failures: in a row, > 0.   retry_after: as long as the server asked for, at least.
        """
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
        return min(LONGEST_PAUSE, retry_after) + longest * self._random.uniform(0.5, 1.0)

    def _hear(self) -> None:
        self.heard_at = self._clock.monotonic()

    def statistics(self) -> Statistics:
        """Counts since the start."""
        return Statistics(len(self._known), **self._counts)

    def __repr__(self) -> str:
        """What is watched, and counts."""
        return f"<Watch {self.resource.title} {self.statistics()}>"


def _decoded(line: bytes, resource: Resource) -> tuple[str, dict[str, Any]]:
    """Type and object of an event.  Raises Unreachable if a proxy or a break made it unreadable."""
    event = decoded(line)
    kind, obj = event["type"], event["object"]
    if kind == "BOOKMARK":
        is_known = isinstance(obj["metadata"]["resourceVersion"], str)
    else:
        is_known = kind == "ERROR" or (is_object(obj) and "resourceVersion" in obj["metadata"])
    if not is_known or not isinstance(obj, dict):
        raise _no_event(line, resource)
    return kind, obj


def _no_event(line: bytes, resource: Resource) -> Unreachable:
    # Not quoted: it may be a part of a Secret.
    text = f"watch of {resource.title}: not an event of a watch: {len(line)} bytes"
    return Unreachable(0, "", text)
