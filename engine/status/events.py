"""Kubernetes Events, and the same posted to a notification controller.

Recording never blocks a reconcile: events go into a bounded buffer that one task empties.
Source: fluxcd/pkg runtime/events, client-go record (aggregation); flux-behaviour 1.6.
"""

import hashlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from engine.objects.ref import Object
from engine.telemetry import logger

MESSAGE_LIMIT = 39000  # characters, Flux's cut; core/v1 itself sets no limit
_BUFFERED = 10_000  # events; beyond that the oldest news is worth less than memory
_REMEMBERED = 4096  # aggregation keys, client-go's cache size
_ANNOTATIONS = "event.toolkit.fluxcd.io/"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an object.

    type: Normal, Warning or Trace (written as Normal, not posted).
    metadata: keys without group, such as `revision`.
    """

    obj: Object
    type: str
    reason: str
    message: str
    controller: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    def grouped_metadata(self) -> dict[str, str]:
        """The metadata under the object's API group, with the object's own event annotations."""
        group = self.obj["apiVersion"].rpartition("/")[0]
        own = self.obj["metadata"].get("annotations") or {}
        marks = {key: value for key, value in own.items() if key.startswith(_ANNOTATIONS)}
        return {**marks, **{f"{group}/{key}": value for key, value in self.metadata.items()}}


class Recorder:
    """Takes events at any time; `run` writes them."""

    def __init__(
        self,
        write: Callable[[dict[str, Any], int], Awaitable[None]],
        post: Callable[[dict[str, Any]], Awaitable[None]] | None,
        now: Callable[[], str],
        instance: str,
    ) -> None:
        """write: stores a core Event, its count above 1 meaning an update.

        post: sends the notification body.  now: RFC 3339.  instance: this process's host name.
        """
        self._write, self._post, self._now, self._instance = write, post, now, instance
        self._waiting: deque[Event] = deque()
        self._news = anyio.Event()
        self._writing = anyio.Lock()
        self._seen: OrderedDict[str, tuple[str, int]] = OrderedDict()  # key -> first time, count
        self.dropped = 0

    def __repr__(self) -> str:
        return f"Recorder(waiting={len(self._waiting)}, dropped={self.dropped})"

    def emit(self, event: Event) -> None:
        """Hands over an event; never waits."""
        if len(self._waiting) >= _BUFFERED:
            self.dropped += 1
            return
        self._waiting.append(event)
        self._news.set()

    async def drain(self) -> None:
        """Writes what is buffered now, then returns (at shutdown)."""
        async with self._writing:  # else one that `run` is writing would count as written
            while self._waiting:
                event = self._waiting.popleft()
                try:
                    await self._record(event)
                except Exception:  # one odd event must not end the telling of all others
                    logger.exception("event of %s not recorded", event.obj["metadata"].get("name"))

    async def run(self) -> None:
        """Writes events until cancelled."""
        while True:
            await self.drain()
            self._news = anyio.Event()
            await self._news.wait()

    async def _record(self, event: Event) -> None:
        body, count = self._core_event(event)
        await self._write(body, count)
        if self._post is not None and event.type != "Trace":
            await self._post(self._notification(event))

    def _core_event(self, event: Event) -> tuple[dict[str, Any], int]:
        """The core Event; the same event again is the same object with a higher count."""
        metadata, now = event.obj["metadata"], self._now()
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

    def _notification(self, event: Event) -> dict[str, Any]:
        return {
            "involvedObject": _involved(event.obj),
            "severity": "error" if event.type == "Warning" else "info",
            "timestamp": self._now(),
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
