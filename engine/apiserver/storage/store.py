"""Every object with its revision, the history of changes, and who is told of them.

One counter numbers all changes, as etcd does.  Objects are never changed in place: whoever edits
one makes a new dict.  Synchronous and single-threaded; durability is a Journal's work.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from engine.apiserver.errors import too_old
from engine.objects.ref import Object


class Key(NamedTuple):
    """Where an object is kept: `deployments.apps`, namespace ("" = cluster), name."""

    resource: str
    namespace: str
    name: str


class Record:
    """One revision of one object, and its encoded forms as far as somebody asked for them."""

    __slots__ = ("_encoded", "key", "obj", "revision")

    def __init__(self, key: Key, obj: Object, revision: int) -> None:
        """Keep obj, which nobody changes from here on."""
        self.key = key
        self.obj = obj
        self.revision = revision
        self._encoded: dict[str, bytes] = {}

    def encoded(self, form: str, encode: Callable[[Object], Any]) -> bytes:
        """JSON of `encode(obj)`, made once for each form."""
        data = self._encoded.get(form)
        if data is None:
            data = self._encoded[form] = orjson.dumps(encode(self.obj))
        return data


@dataclass(slots=True)
class Change:
    """One step of the history; of a deletion, `record` is the last state at its own revision."""

    type: str  # ADDED, MODIFIED or DELETED
    record: Record
    previous: Record | None
    frames: dict[Any, bytes] = field(default_factory=dict)  # watch events already encoded

    @property
    def revision(self) -> int:
        """The counter after this change."""
        return self.record.revision


Listener = Callable[[Change], None]


class Journal(Protocol):
    """Where changes are kept beyond the life of the process."""

    def load(self) -> Iterable[tuple[Key, bytes]]:
        """Every object kept, as JSON."""

    def revision(self) -> int:
        """The last revision written; 0 at first."""

    def write(self, change: Change) -> None:
        """Note a change; it may be made durable later, in order."""


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """Counts for probes and tests."""

    revision: int
    objects: int
    history: int
    listeners: int


class _Shelf:
    """All objects of one resource, with its part of the history."""

    def __init__(self, window: int, oldest: int) -> None:
        self.namespaces: dict[str, dict[str, Record]] = {}
        self.history: deque[Change] = deque(maxlen=window)
        self.oldest = oldest  # changes after this revision are all in the history
        self.listeners: dict[Listener, None] = {}
        self._order: dict[str, list[str]] = {}  # sorted names, forgotten when they change

    def put(self, record: Record) -> Record | None:
        names = self.namespaces.setdefault(record.key.namespace, {})
        previous = names.get(record.key.name)
        names[record.key.name] = record
        if previous is None:
            self._order.pop(record.key.namespace, None)
        return previous

    def remove(self, key: Key) -> Record:
        names = self.namespaces[key.namespace]
        record = names.pop(key.name)
        self._order.pop(key.namespace, None)
        if not names:
            del self.namespaces[key.namespace]
        return record

    def note(self, change: Change) -> None:
        if len(self.history) == self.history.maxlen:
            self.oldest = self.history[0].revision
        self.history.append(change)
        for listener in tuple(self.listeners):
            listener(change)

    def records(self, namespace: str | None) -> Iterator[Record]:
        for name in sorted(self.namespaces) if namespace is None else (namespace,):
            records = self.namespaces.get(name, {})
            order = self._order.get(name)
            if order is None:
                order = self._order[name] = sorted(records)
            yield from (records[each] for each in order)


class Store:
    """Objects by Key.  window: how many changes of each resource a watch can go back."""

    def __init__(self, window: int = 5000, journal: Journal | None = None) -> None:
        """Load what the journal holds; the history begins now."""
        self._window = window
        self._journal = journal
        self._shelves: dict[str, _Shelf] = {}
        self._everybody: list[Listener] = []
        self._revision = journal.revision() if journal else 0
        self._first = self._revision
        for key, data in journal.load() if journal else ():
            obj = orjson.loads(data)
            revision = int(obj["metadata"]["resourceVersion"])
            self._shelf(key.resource).put(Record(key, obj, revision))

    @property
    def revision(self) -> int:
        """The revision of the last change."""
        return self._revision

    def get(self, key: Key) -> Record | None:
        """The object now, or None."""
        shelf = self._shelves.get(key.resource)
        return shelf.namespaces.get(key.namespace, {}).get(key.name) if shelf else None

    def records(self, resource: str, namespace: str | None = None) -> list[Record]:
        """Objects now, sorted by namespace and name; namespace None: all of them."""
        shelf = self._shelves.get(resource)
        return list(shelf.records(namespace)) if shelf else []

    def holds(self, resource: str, namespace: str | None = None) -> bool:
        """Whether there is any object; namespace None: in any of them."""
        shelf = self._shelves.get(resource)
        if shelf is None:
            return False
        return bool(shelf.namespaces) if namespace is None else namespace in shelf.namespaces

    def records_at(self, resource: str, namespace: str | None, revision: int) -> list[Record]:
        """Objects as they were; changes since then are taken back.  Raises Refused (410)."""
        now = {record.key: record for record in self.records(resource, namespace)}
        for change in reversed(self.history(resource, revision)):
            key = change.record.key
            if namespace is not None and key.namespace != namespace:
                continue
            now.pop(key, None)
            if change.previous is not None:
                now[key] = change.previous
        return [now[key] for key in sorted(now)]

    def put(self, key: Key, obj: Object) -> Record:
        """Write obj at the next revision, which is stamped on it."""
        self._revision += 1
        record = Record(key, stamped(obj, self._revision), self._revision)
        shelf = self._shelf(key.resource)
        previous = shelf.put(record)
        self._tell(shelf, Change("MODIFIED" if previous else "ADDED", record, previous))
        return record

    def delete(self, key: Key) -> Record:
        """Remove an object that exists; the answer is its last state, at the new revision."""
        shelf = self._shelf(key.resource)
        previous = shelf.remove(key)
        self._revision += 1
        record = Record(key, stamped(previous.obj, self._revision), self._revision)
        self._tell(shelf, Change("DELETED", record, previous))
        return record

    def history(self, resource: str, since: int) -> list[Change]:
        """Changes after revision `since`, oldest first.  Raises Refused (410) if some are gone."""
        shelf = self._shelf(resource)
        if since < shelf.oldest:
            raise too_old(since, shelf.oldest)
        changes = []
        for change in reversed(shelf.history):
            if change.revision <= since:
                break
            changes.append(change)
        changes.reverse()
        return changes

    @contextmanager
    def listening(self, resource: str, listener: Listener) -> Iterator[None]:
        """Call listener with each change of a resource, in order, inside the block."""
        listeners = self._shelf(resource).listeners
        listeners[listener] = None
        try:
            yield
        finally:
            listeners.pop(listener, None)

    def tell_all(self, listener: Listener) -> None:
        """Call listener with each change of any resource, for ever."""
        self._everybody.append(listener)

    def forget(self, resource: str) -> None:
        """Drop a resource's objects and history without telling anybody (its CRD is gone)."""
        if resource in self._shelves:
            self._shelves[resource] = _Shelf(self._window, self._revision)

    def resources(self) -> list[str]:
        """Resources that have objects, sorted."""
        return sorted(name for name, shelf in self._shelves.items() if shelf.namespaces)

    def statistics(self) -> StoreStatistics:
        """Counts now."""
        shelves = self._shelves.values()
        return StoreStatistics(
            revision=self._revision,
            objects=sum(len(names) for shelf in shelves for names in shelf.namespaces.values()),
            history=sum(len(shelf.history) for shelf in shelves),
            listeners=sum(len(shelf.listeners) for shelf in shelves),
        )

    def _shelf(self, resource: str) -> _Shelf:
        shelf = self._shelves.get(resource)
        if shelf is None:
            shelf = self._shelves[resource] = _Shelf(self._window, self._first)
        return shelf

    def _tell(self, shelf: _Shelf, change: Change) -> None:
        if self._journal is not None:
            self._journal.write(change)
        shelf.note(change)
        for listener in self._everybody:
            listener(change)

    def __repr__(self) -> str:
        """Revision and size."""
        seen = self.statistics()
        return f"<Store revision={seen.revision} objects={seen.objects}>"


def stamped(obj: Object, revision: int) -> dict[str, Any]:
    """A copy that says its resourceVersion."""
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(revision)}}
