"""What a watch has told so far, so that after a break it can tell the difference."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from sys import intern
from typing import Any

from engine.cluster.allowance import Room
from engine.cluster.errors import ApiError, Excessive
from engine.cluster.resource import Resource
from engine.objects.ref import Object


class EventType(StrEnum):
    """What an Event says."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"  #: all is known up to now
    SYNCED = "SYNCED"  #: everything that exists has been told; also after listing again
    TROUBLE = "TROUBLE"  #: nothing is heard at the moment; it is tried again


@dataclass(frozen=True, slots=True)
class Event:
    """One change, or a word about the watch itself.

    obj: of DELETED the last known state, or where it vanished unseen only apiVersion, kind, name,
    namespace, uid and a resourceVersion at which it was gone; empty for SYNCED, BOOKMARK and
    TROUBLE.   problem: of TROUBLE.   version: of SYNCED, the resourceVersion at which all was told.
    """

    type: EventType
    obj: Object
    problem: ApiError | None = None
    version: str = ""


class Known:
    """The identity and version of every object that was told."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._objects: dict[tuple[str, str], tuple[str, str]] = {}  # {(ns, name): (uid, version)}
        self._unseen: dict[tuple[str, str], tuple[str, str]] | None = None  # while replacing
        self._room: Room | None = None

    @contextmanager
    def within(self, room: Room) -> Iterator[None]:
        """While inside, there is room for no more objects than that: `saw` raises Excessive."""
        self._room = room
        room.take(len(self._objects))
        try:
            yield
        finally:
            room.give(len(self._objects))
            self._room = None

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._objects)

    def holds(self, namespace: str, name: str) -> bool:
        """Whether that object is there, as far as was told."""
        return (namespace, name) in self._objects

    @property
    def is_replacing(self) -> bool:
        """Whether everything that exists is being told anew."""
        return self._unseen is not None

    def begin(self) -> None:
        """Everything that exists is told next, by `saw`; broken off, it is begun again."""
        self._unseen = dict(self._objects)

    def saw(self, obj: Mapping[str, Any]) -> Iterator[Event]:
        """What is new about an object that is there: nothing, one event, or two if replaced."""
        metadata = obj["metadata"]
        key = intern(metadata.get("namespace", "")), metadata["name"]
        identity = metadata.get("uid", ""), metadata.get("resourceVersion", "")
        old = self._objects.get(key)
        if old is None:
            self._enter()
        self._objects[key] = identity
        if self._unseen is not None:
            self._unseen.pop(key, None)
        if old is not None and old[0] != identity[0]:
            yield self._vanished(key, old[0], identity[1])
            old = None
        if old is None:
            yield Event(EventType.ADDED, obj)
        elif old != identity:
            yield Event(EventType.MODIFIED, obj)

    def deleted(self, obj: Mapping[str, Any]) -> Event:
        """The event of an object that went."""
        metadata = obj["metadata"]
        key = metadata.get("namespace", ""), metadata["name"]
        if self._objects.pop(key, None) is not None:
            self._leave()
        if self._unseen is not None:
            self._unseen.pop(key, None)
        return Event(EventType.DELETED, obj)

    def finish(self, version: str) -> Iterator[Event]:
        """Everything has been told: what vanished unseen, and SYNCED.

        version: the resourceVersion at which that was everything.
        """
        unseen, self._unseen = self._unseen or {}, None
        for key, (uid, _) in unseen.items():
            del self._objects[key]
            self._leave()
            yield self._vanished(key, uid, version)
        yield Event(EventType.SYNCED, {}, version=version)

    def _enter(self) -> None:
        if self._room is not None and not self._room.take():
            self._room.give()
            text = f"watches tell of more than {self._room.most} objects: if they are to, raise"
            raise Excessive(0, "", f"{text} the setting that ends in -list-objects")

    def _leave(self) -> None:
        if self._room is not None:
            self._room.give()

    def _vanished(self, key: tuple[str, str], uid: str, version: str) -> Event:
        namespace, name = key
        metadata = {"name": name, "uid": uid, "resourceVersion": version}
        if namespace:
            metadata["namespace"] = namespace
        obj = {"apiVersion": self._resource.api_version, "kind": self._resource.kind}
        return Event(EventType.DELETED, {**obj, "metadata": metadata})
