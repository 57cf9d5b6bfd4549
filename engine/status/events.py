"""Kubernetes Events, and the same posted to a notification controller.

Recording never blocks a reconcile: events go into bounded buffers that tasks of their own empty.
Source: fluxcd/pkg runtime/events, client-go record (aggregation); flux-behaviour 1.6.
"""

import hashlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import anyio

from engine.api.meta import PROGRESSING
from engine.objects.ref import Object
from engine.telemetry import carried, logger

MESSAGE_LIMIT = 39000  # characters, Flux's cut; core/v1 itself sets no limit
_BUFFERED = 10_000  # events; beyond that the oldest news is worth less than memory
_REMEMBERED = 4096  # aggregation keys, client-go's cache size
_ANNOTATIONS = "event.toolkit.fluxcd.io/"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an object.

    type: Normal, Warning or Trace (written as Normal, not posted).
    metadata: keys without group, such as `revision`.  is_stored: as a Kubernetes Event, too; else
    it is only posted.
    """

    obj: Object
    type: str
    reason: str
    message: str
    controller: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_stored: bool = True

    def grouped_metadata(self) -> dict[str, str]:
        """The metadata under the object's API group, with the object's own event annotations."""
        group = self.obj["apiVersion"].rpartition("/")[0]
        own = self.obj["metadata"].get("annotations") or {}
        marks = {key: value for key, value in own.items() if key.startswith(_ANNOTATIONS)}
        return {**marks, **{f"{group}/{key}": value for key, value in self.metadata.items()}}


T = TypeVar("T")


class _Outbox(Generic[T]):
    """What waits to be sent, in order; who puts something in never waits for that."""

    def __init__(self, send: Callable[[T], Awaitable[None]]) -> None:
        self._send = send
        self._news = anyio.Event()
        self._sending = anyio.Lock()
        self.waiting: deque[T] = deque()
        self.dropped = 0

    def put(self, item: T) -> None:
        """Hands over something to send; drops it if too much waits already."""
        if len(self.waiting) >= _BUFFERED:
            if not self.dropped:
                logger.error("%d events wait to be sent: newer ones are dropped", _BUFFERED)
            self.dropped += 1
            return
        self.waiting.append(item)
        self._news.set()

    async def drain(self) -> None:
        """Sends what waits now, then returns."""
        async with self._sending:  # else one that `run` is sending would count as sent
            while self.waiting:
                item = self.waiting.popleft()
                try:
                    await self._send(item)
                except Exception:  # one odd event must not end the telling of all others
                    logger.exception("event not recorded")

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            await self.drain()
            self._news = anyio.Event()
            await self._news.wait()


class Recorder:
    """Takes events at any time; `run` writes and posts them, neither waiting for the other."""

    def __init__(
        self,
        write: Callable[[dict[str, Any], int], Awaitable[None]],
        post: Callable[[dict[str, Any], Mapping[str, str]], Awaitable[None]] | None,
        now: Callable[[], str],
        instance: str,
    ) -> None:
        """write: stores a core Event, its count above 1 meaning an update.

        post: sends the notification body, with headers that name the trace it came from.
        now: RFC 3339.  instance: this process's host name.
        """
        self._write, self._post, self._now, self._instance = write, post, now, instance
        self._events: _Outbox[tuple[Event, str]] = _Outbox(self._record)
        self._posts: _Outbox[tuple[dict[str, Any], dict[str, str]]] = _Outbox(self._notify)
        self._seen: OrderedDict[str, tuple[str, int]] = OrderedDict()  # key -> first time, count

    def __repr__(self) -> str:
        waiting, posts = len(self._events.waiting), len(self._posts.waiting)
        return f"Recorder(waiting={waiting}, to post={posts}, dropped={self.dropped})"

    @property
    def dropped(self) -> int:
        """How many events there was no room for, or no room to post them."""
        return self._events.dropped + self._posts.dropped

    def emit(self, event: Event) -> None:
        """Hands over an event; never waits."""
        now = self._now()
        if event.reason == PROGRESSING:  # how a run ends is logged by itself
            logger.info("%s", event.message)
        if event.is_stored:
            self._events.put((event, now))
        if self._post is not None and event.type != "Trace":
            self._posts.put((self._notification(event, now), carried()))

    async def drain(self) -> None:
        """Sends what is buffered now, then returns (at shutdown)."""
        async with anyio.create_task_group() as both:
            both.start_soon(self._events.drain)
            both.start_soon(self._posts.drain)

    async def run(self) -> None:
        """Sends events until cancelled."""
        async with anyio.create_task_group() as both:
            both.start_soon(self._events.run)
            both.start_soon(self._posts.run)

    async def _record(self, item: tuple[Event, str]) -> None:
        await self._write(*self._core_event(*item))

    async def _notify(self, item: tuple[dict[str, Any], dict[str, str]]) -> None:
        if self._post is not None:
            await self._post(*item)

    def _core_event(self, event: Event, now: str) -> tuple[dict[str, Any], int]:
        """The core Event; the same event again is the same object with a higher count."""
        metadata = event.obj["metadata"]
        text = event.message[:MESSAGE_LIMIT]
        parts = [metadata.get("uid", ""), event.type, event.reason, text, event.controller]
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        first, count = self._seen.pop(key, (now, 0))
        self._seen[key] = (first, count + 1)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        stamp = hashlib.sha256(f"{key}{first}".encode()).hexdigest()[:16]
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name'][:230].rstrip('-.')}.{stamp}",
                "namespace": metadata.get("namespace") or "default",
                "annotations": event.grouped_metadata(),
            },
            "involvedObject": _involved(event.obj),
            "type": "Warning" if event.type == "Warning" else "Normal",
            "reason": event.reason,
            "message": text,
            "source": {"component": event.controller},
            "reportingComponent": event.controller,
            "reportingInstance": self._instance,
            "firstTimestamp": first,
            "lastTimestamp": now,
            "count": count + 1,
        }
        return body, count + 1

    def _notification(self, event: Event, now: str) -> dict[str, Any]:
        return {
            "involvedObject": _involved(event.obj),
            "severity": "error" if event.type == "Warning" else "info",
            "timestamp": now,
            "message": event.message[:MESSAGE_LIMIT],
            "reason": event.reason,
            "metadata": event.grouped_metadata(),
            "reportingController": event.controller,
            "reportingInstance": self._instance,
        }


def _involved(obj: Object) -> dict[str, Any]:
    metadata = obj["metadata"]
    keys = ("name", "namespace", "uid", "resourceVersion")
    found = {key: metadata[key] for key in keys if metadata.get(key)}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **found}
