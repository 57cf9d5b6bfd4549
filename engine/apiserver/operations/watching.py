"""A watch: changes of one resource, as the client's selection and form see them.

Source: apiserver storage/cacher (watch events under selectors), bookmarks and WatchList.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.apiserver.errors import Refused, expired
from engine.apiserver.operations.options import ListOptions
from engine.apiserver.operations.reading import Selection, too_new
from engine.apiserver.state import State
from engine.apiserver.storage.store import Change, Record

BOOKMARK_SECONDS = 60.0  # Source: the apiserver's bookmarkFrequency
_MOST_PENDING = 20_000
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True, slots=True)
class View:
    """The form in which a watcher sees objects.

    name: tells forms apart, so that frames are shared; "" if they cannot be.
    """

    name: str
    encode: Callable[[Record], bytes]
    bookmark: Callable[[int, dict[str, str]], dict[str, Any]]


@dataclass(slots=True)
class Watch:
    """Frames for one client; `wake` is called when there are some."""

    state: State
    wanted: Selection
    view: View
    wake: Callable[[], None]
    seen: int = 0  # the revision up to which the client knows everything
    ended: bool = False
    _pending: deque[Change] = field(default_factory=deque)
    _first: list[bytes] = field(default_factory=list)

    @contextmanager
    def open(self, options: ListOptions) -> Iterator[None]:
        """Watch inside the block, from the revision that the options say.

        Raises Refused: 410 if that is no longer known, 504 if it lies in the future.
        """
        key = self.wanted.resource.key
        self._begin(options)
        with self.state.store.listening(key, self._offer):
            yield

    def take(self) -> bytes:
        """All frames so far, each a line; empty if there are none."""
        frames, self._first = self._first, []
        while self._pending:
            change = self._pending.popleft()
            self.seen = change.revision
            frame = self._frame(change)
            if frame:
                frames.append(frame)
        return b"".join(frames)

    def bookmark(self) -> bytes:
        """A frame that says how far the client knows everything."""
        if not self._pending:
            self.seen = max(self.seen, self.state.store.revision)
        return self._bookmark({})

    def end(self) -> None:
        """Nothing more will come: the resource is gone or the client is too slow."""
        self.ended = True
        self.wake()

    def _begin(self, options: ListOptions) -> None:
        store, key = self.state.store, self.wanted.resource.key
        asked = int(options.revision or 0)
        if asked > store.revision:
            raise too_new(asked, store.revision)
        if options.initial_events or asked == 0:
            records = store.records(key, self.wanted.namespace)
            selected = (record for record in records if self.wanted.has(record.obj))
            self._first = [self._line("ADDED", self.view.encode(each)) for each in selected]
            self.seen = store.revision
            if options.initial_events and options.bookmarks:
                self._first.append(self._bookmark(_INITIAL_END))
            return
        self.seen = asked
        self._pending.extend(store.history(key, asked))

    def _offer(self, change: Change) -> None:
        if len(self._pending) >= _MOST_PENDING:
            self.ended = True
        elif not self.ended:
            self._pending.append(change)
        self.wake()

    def _frame(self, change: Change) -> bytes:
        wanted = self.wanted
        if wanted.namespace is not None and change.record.key.namespace != wanted.namespace:
            return b""
        now = change.type != "DELETED" and wanted.has(change.record.obj)
        before = change.previous is not None and wanted.has(change.previous.obj)
        if not now and not before:
            return b""
        kind = "DELETED" if not now else "MODIFIED" if before else "ADDED"
        name = (kind, self.view.name)
        frame = change.frames.get(name) if self.view.name else None
        if frame is None:
            record = change.record
            if kind == "DELETED" and change.type != "DELETED":
                record = _left(change)
            frame = self._line(kind, self.view.encode(record))
            if self.view.name:
                change.frames[name] = frame
        return frame

    def _line(self, kind: str, encoded: bytes) -> bytes:
        return b'{"type":"%s","object":%s}\n' % (kind.encode(), encoded)

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        return self._line("BOOKMARK", orjson.dumps(self.view.bookmark(self.seen, annotations)))


def _left(change: Change) -> Record:
    """An object that left the selection: its state before, at the revision of the change."""
    previous = change.previous
    if previous is None:  # cannot be: it was selected before
        return change.record
    metadata = {**previous.obj["metadata"], "resourceVersion": str(change.revision)}
    return Record(previous.key, {**previous.obj, "metadata": metadata}, change.revision)


def error_frame(error: Refused) -> bytes:
    """The frame that ends a watch that could not begin or go on."""
    return b'{"type":"ERROR","object":%s}\n' % orjson.dumps(error.status())


def is_gone(error: Refused) -> bool:
    """Whether a watch may report the refusal as its first frame, as the real server does."""
    return error.reason == expired("").reason
