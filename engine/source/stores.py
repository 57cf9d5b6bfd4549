"""All stores of one engine: by repository URL and who may read it; none that nobody needs."""

import hashlib
import os
import shutil
import threading
from itertools import islice
from pathlib import Path

from engine.source.store import Store

_UNUSED = 7 * 86400.0  # seconds
_WITH_FILES = 50  # stores that keep their files open; each has some 40 packs, of four descriptors


class Stores:
    """The stores below one folder, by repository URL.  Only one process may hold a Stores.

    A store is a cache: those that nobody asked for in a week go, at the start and when a new one
    is made.  Their last use is the time of their config.
    """

    def __init__(self, folder: Path) -> None:
        """folder: made if it is not there; what a crash left half written is removed."""
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[str, Store] = {}  # the last one asked for is last
        folder.mkdir(parents=True, exist_ok=True)
        for place in ("*", "*/sha256"):
            for leftover in ("objects/pack/tmp*", "refs/held/*.new", "objects/*/*.lock"):
                for path in folder.glob(f"{place}/{leftover}"):
                    path.unlink(missing_ok=True)
        uses = {each: _used_at(each) for each in folder.iterdir()}
        last = max(uses.values(), default=0.0)  # not now: the engine may have been off for long
        for each, used_at in uses.items():
            if last - used_at > _UNUSED:
                shutil.rmtree(each, ignore_errors=True)

    def of(self, url: str, reader: str = "") -> Store:
        """The store of a repository for one tenant, for everybody if `reader` is "".  Blocks.

        Who has no login in the URL gets nothing that was fetched by one: a store does not ask.
        """
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        login, _, host = host.rpartition("@")
        parts = [f"{scheme}://{host}{slash}{path.rstrip('/')}"]
        if reader or login:
            parts += [reader, login]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
        with self._lock:
            is_new = key not in self._open
            found = Store(self._folder / key) if is_new else self._open.pop(key)
            self._open[key] = found
            for idle in islice(reversed(self._open.values()), _WITH_FILES, None):
                idle.close()  # also one that was: it opens them again when it is read
            os.utime(found.folder / "config")
            if is_new:
                self._remove_unused(_used_at(found.folder))
            return found

    def _remove_unused(self, now: float) -> None:
        for key, store in list(self._open.items()):
            if now - _used_at(store.folder) > _UNUSED and not store.trees_in_use():
                del self._open[key]
                store.close()
                shutil.rmtree(store.folder, ignore_errors=True)

    def close(self) -> None:
        """Give back all open files."""
        for store in self._open.values():
            store.close()


def _used_at(store: Path) -> float:
    try:
        return (store / "config").stat().st_mtime
    except FileNotFoundError:  # a crash while it was made
        return 0.0
