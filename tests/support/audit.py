"""What this process does to its machine, as Python's audit events tell it.

A hook cannot be taken away again, so there is one for all tests, which listens while it is asked.
Source: PEP 578.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn")
_listeners: list[tuple[tuple[str, ...], list[tuple[str, Any]]]] = []
_installed: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for events, heard in _listeners:
        if event in events:
            heard.append((event, arguments))


@contextmanager
def audited(*events: str) -> Iterator[list[tuple[str, Any]]]:
    """The events of these names that come while inside, with their arguments."""
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    heard: list[tuple[str, Any]] = []
    entry = events, heard
    _listeners.append(entry)
    try:
        yield heard
    finally:
        _listeners.remove(entry)
