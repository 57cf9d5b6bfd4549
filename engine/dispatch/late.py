"""A journal that begins with the first event to be told: most engines have no Alert.

SQLite and an open file take 1 MB, so neither is loaded before.  What an earlier engine left is read
at the start, and told.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from engine.dispatch.journal import Journal


class JournalBroken(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """The file cannot be written or read."""


class Deliveries(Protocol):
    """What waits to be told, on disk; each method may run in a worker thread, one at a time."""

    def rows(self) -> list[tuple[int, bytes]]:
        """All that waits, oldest first.  Raises JournalBroken."""
        ...

    def write(self, added: Iterable[tuple[int, bytes]], done: Iterable[int]) -> None:
        """Both at once or neither.  Raises JournalBroken."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def journal_at(path: Path) -> Deliveries:
    """The journal: with what the file holds, if there is one.  Raises JournalBroken."""
    if not path.exists():
        return LateJournal(path)
    from engine.dispatch.journal import Journal

    return Journal.opened(path)


class LateJournal:
    """A journal without a file, until something is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._journal: Journal | None = None

    def rows(self) -> list[tuple[int, bytes]]:
        """All that waits, oldest first.  Raises JournalBroken."""
        return [] if self._journal is None else self._journal.rows()

    def write(self, added: Iterable[tuple[int, bytes]], done: Iterable[int]) -> None:
        """Both at once or neither.  Raises JournalBroken."""
        if self._journal is None:
            from engine.dispatch.journal import Journal

            self._journal = Journal(self._path)
        self._journal.write(added, done)

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._journal is not None:
            self._journal.close()
