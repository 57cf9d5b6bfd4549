"""ConfigMaps and Secrets that runs have read: who runs again once one of them changes.

In: each read, and what watches tell of those with the label; nobody's values are kept.
A reader is woken only by another resourceVersion than the one that it read, "none there" included.
Source: flux-behaviour 1.4 and 4.4 (triggers); Flux goes by what a spec names, so that it also wakes
for what was read already.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.cluster.mirror import version
from engine.objects.ref import Object, Ref


@dataclass(slots=True)
class Reading:
    """A read under way: its answer may be older than what a watch tells meanwhile."""

    told: int = 0
    """The newest version that was told of the object since it was asked for."""
    found: int | None = None
    """The version that was read; 0: there is none; None: that is not known."""

    def answered(self, obj: Object | None) -> None:
        """The API server's answer."""
        self.found = version(obj) if obj is not None else 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment."""

    read: int  #: objects that somebody has read
    readers: int


class Configs:
    """What each reader has read, and in which version."""

    def __init__(self, wake: Callable[[Ref, str], None]) -> None:
        """wake: queue that reader, for that reason."""
        self._wake = wake
        self._known: defaultdict[Ref, dict[Ref, int]] = defaultdict(dict)  # {read: {reader: ...}}
        self._reads: defaultdict[Ref, set[Ref]] = defaultdict(set)  # {reader: what it read}
        self._under_way: defaultdict[Ref, list[Reading]] = defaultdict(list)
        self._news: dict[Ref, Ref] = {}  # {reader: what it was woken for, and has not read since}

    @contextmanager
    def reading(self, reader: Ref, ref: Ref) -> Iterator[Reading]:
        """A read, from the request on; what it `answered` counts, however it ends."""
        reading = Reading()
        self._under_way[ref].append(reading)
        try:
            yield reading
        finally:
            self._under_way[ref].remove(reading)
            if not self._under_way[ref]:
                del self._under_way[ref]
        if reading.found is None:
            return
        self._known[ref][reader] = reading.found
        self._reads[reader].add(ref)
        if self._news.get(reader) == ref:
            del self._news[reader]
        if reading.told > reading.found:
            self._tell(reader, ref)

    def told(self, ref: Ref, at: int, *, is_there: bool) -> None:
        """A watch tells of an object; at: its version, or the one at which it was gone."""
        for reading in self._under_way.get(ref, ()):
            reading.told = max(reading.told, at)
        for reader, known in sorted(self._known.get(ref, {}).items()):
            if known < at and (known or is_there):
                self._tell(reader, ref)

    def news(self, reader: Ref) -> Ref | None:
        """What the reader was woken for and has not read since, None if nothing."""
        return self._news.get(reader)

    def forget(self, reader: Ref) -> None:
        """The reader is gone."""
        for ref in self._reads.pop(reader, set()):
            self._drop(reader, ref)
        self._news.pop(reader, None)

    def _tell(self, reader: Ref, ref: Ref) -> None:
        # Whatever is told until it reads again is told by that: one run is enough.
        self._reads[reader].discard(ref)
        self._drop(reader, ref)
        self._news[reader] = ref
        self._wake(reader, str(ref))

    def _drop(self, reader: Ref, ref: Ref) -> None:
        self._known[ref].pop(reader, None)
        if not self._known[ref]:
            del self._known[ref]

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(len(self._known), sum(map(bool, self._reads.values())))

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Configs {self.statistics()}>"
