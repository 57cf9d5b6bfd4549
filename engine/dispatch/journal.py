"""What waits to be told, in one SQLite file: it survives the process.

WAL with `synchronous=NORMAL`: a commit is in the file system's cache, so that the end of the
process, however hard, loses nothing that was committed.  Only the end of the machine can lose the
last ones (and never more): an fsync for each event would hold up the telling by milliseconds,
seconds on slow disks, for the sake of events that the objects' own statuses still show.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from engine.dispatch.late import JournalBroken as JournalBroken
from engine.telemetry import because, logger

_TABLE = "create table if not exists deliveries (id integer primary key, body blob not null)"


class Journal:
    """The file; each method may run in a worker thread, one at a time."""

    def __init__(self, path: Path) -> None:
        """Raises JournalBroken."""
        try:
            path.touch(mode=0o600)  # messages are for those who may read the objects
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise JournalBroken(f"{path}: {error}") from error
        try:
            self._connection.execute("pragma journal_mode=wal")
            self._connection.execute("pragma synchronous=normal")
            self._connection.execute(_TABLE)
        except sqlite3.Error as error:
            self.close()
            raise JournalBroken(f"{path}: {error}") from error

    @classmethod
    def opened(cls, path: Path) -> Self:
        """The journal; a file that cannot be read is set aside.  Raises JournalBroken."""
        try:
            journal = cls(path)
            try:
                journal.rows()
            except JournalBroken:
                journal.close()
                raise
        except JournalBroken as error:
            if not path.exists():
                raise
            aside = path.with_suffix(".broken")
            logger.error("%s cannot be read, it is kept as %s", path, aside, extra=because(error))
            try:
                path.replace(aside)
                for end in ("-wal", "-shm"):
                    path.with_name(path.name + end).unlink(missing_ok=True)
            except OSError:
                raise error from None
            return cls(path)
        return journal

    def rows(self) -> list[tuple[int, bytes]]:
        """All that waits, oldest first.  Raises JournalBroken."""
        try:
            found = self._connection.execute("select id, body from deliveries order by id")
            return [(number, bytes(body)) for number, body in found.fetchall()]
        except sqlite3.Error as error:
            raise JournalBroken(str(error)) from error

    def write(self, added: Iterable[tuple[int, bytes]], done: Iterable[int]) -> None:
        """Both at once or neither.  Raises JournalBroken."""
        try:
            self._connection.execute("begin immediate")
            try:
                self._connection.executemany(
                    "insert or replace into deliveries values (?, ?)", added
                )
                self._connection.executemany(
                    "delete from deliveries where id = ?", ((number,) for number in done)
                )
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise JournalBroken(str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
