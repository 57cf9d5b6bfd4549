"""A Journal in one SQLite file: the newest state of every object, written in batches.

Changes gather in memory; `flush` writes them in one transaction and may run in a worker thread.
A crash loses at most the last batch, never the order.
"""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from engine.apiserver.storage.store import Change, Key

_TABLES = """
create table if not exists objects (
  resource text not null, namespace text not null, name text not null, value blob not null,
  primary key (resource, namespace, name)) without rowid;
create table if not exists counter (id integer primary key check (id = 1), revision integer);
insert or ignore into counter values (1, 0);
"""


class SqliteJournal:
    """Keeps a Store in the file `path`, which is made if it is missing."""

    def __init__(self, path: Path) -> None:
        """Open the file; one process at a time."""
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("pragma journal_mode=wal")
        self._connection.execute("pragma synchronous=normal")
        self._connection.executescript(_TABLES)
        self._pending: dict[Key, Change] = {}  # the newest change of each key
        self._lock = threading.Lock()

    def load(self) -> Iterator[tuple[Key, bytes]]:
        """Every object kept."""
        rows = self._connection.execute("select resource, namespace, name, value from objects")
        for resource, namespace, name, value in rows.fetchall():
            yield Key(resource, namespace, name), value

    def revision(self) -> int:
        """The last revision that was flushed."""
        return int(self._connection.execute("select revision from counter").fetchone()[0])

    def write(self, change: Change) -> None:
        """Note a change for the next flush."""
        self._pending[change.record.key] = change

    @property
    def pending(self) -> int:
        """How many objects wait for a flush."""
        return len(self._pending)

    def flush(self) -> None:
        """Make everything noted durable."""
        with self._lock:
            changes, self._pending = self._pending, {}
            if not changes:
                return
            gone = [key for key, change in changes.items() if change.type == "DELETED"]
            kept = [
                (*key, change.record.encoded("stored", dict))
                for key, change in changes.items()
                if change.type != "DELETED"
            ]
            newest = max(change.revision for change in changes.values())
            self._connection.execute("begin immediate")
            self._connection.executemany(
                "delete from objects where resource = ? and namespace = ? and name = ?", gone
            )
            self._connection.executemany("insert or replace into objects values (?, ?, ?, ?)", kept)
            self._connection.execute("update counter set revision = ?", (newest,))
            self._connection.execute("commit")

    def close(self) -> None:
        """Flush and close the file."""
        self.flush()
        self._connection.close()
