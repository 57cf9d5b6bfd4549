"""A disk that is full: writes below a folder fail as the system reports it; or one that hangs."""

import errno
import os
import resource
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class _Fault:
    """Which change below the folder fails; None: none does."""

    folder: str = ""
    at: int | None = None
    seen: int = 0


_FAULT = _Fault()
_hooked: list[bool] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    """Python tells of each file that is about to be opened, made or renamed; this may object."""
    if _FAULT.at is None or not _is_change(event, arguments):
        return
    path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else ""
    if not path.startswith(_FAULT.folder):
        return
    _FAULT.seen += 1
    if _FAULT.seen == _FAULT.at:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def _is_change(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and bool(flags & _WRITES)
    return event in ("os.rename", "os.mkdir")


@contextmanager
def failing(folder: Path, at: int) -> Iterator[_Fault]:
    """The change number `at` below the folder fails, the first is 1.

    What is given says how many there were.  Source: sys.addaudithook; a hook stays for good.
    """
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked.append(True)
    _FAULT.folder, _FAULT.at, _FAULT.seen = str(folder), at, 0
    try:
        yield _FAULT
    finally:
        _FAULT.at = None


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes: a write is cut off in its middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def hanging(database: Path) -> Iterator[Callable[[], object]]:
    """Whoever writes to that SQLite file waits until what is given is called; 5 s at most."""
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("begin immediate")
    try:
        yield lambda: other.execute("rollback")
    finally:
        other.close()
