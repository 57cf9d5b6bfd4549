"""Take out of a store what is damaged, so that it is fetched again.

A disk may lose or turn bits, and a crash may leave less than was written.  What is sound stays.
"""

import hashlib
import zlib
from contextlib import suppress
from pathlib import Path

from engine.source.store import Store
from engine.telemetry import logger

_CHUNK = 1024 * 1024


def repaired(store: Store) -> bool:
    """Whether there was anything to repair: then no commit counts as held any more.  Blocks."""
    with store.exclusive:
        return bool(_repair(store))


def _repair(store: Store) -> int:
    """The number of files and marks removed; reads everything."""
    id_bytes = 32 if store.object_format == "sha256" else 20
    packs = store.folder / "objects" / "pack"
    broken = [path for path in _of_packs(packs) if not _is_sealed(path, id_bytes)]
    broken += [path for path in packs.glob("*.pack") if not path.with_suffix(".idx").exists()]
    loose = [
        path
        for path in store.folder.glob("objects/??/*")
        if not _is_loose(path, store.object_format)
    ]
    for path in broken:
        for suffix in (".idx", ".pack"):  # the index first: without it no pack is seen
            path.with_suffix(suffix).unlink(missing_ok=True)
    for path in loose:
        path.unlink(missing_ok=True)
    marks = list(store.held())
    for commit_id in marks:
        store.forget(commit_id)
    store.start_anew()
    if broken or loose:
        logger.warning("%r was damaged: %d files are fetched again", store, len(broken + loose))
    return len(broken) + len(loose) + len(marks)


def _of_packs(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.suffix in (".idx", ".pack")]


def _is_sealed(path: Path, id_bytes: int) -> bool:
    """Whether the file ends in the hash of all that is before."""
    found = hashlib.sha256() if id_bytes == 32 else hashlib.sha1(usedforsecurity=False)
    with suppress(OSError):
        left = path.stat().st_size - id_bytes
        with path.open("rb") as file:
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                found.update(chunk)
                left -= len(chunk)
            return left == 0 and file.read() == found.digest()
    return False


def _is_loose(path: Path, algorithm: str) -> bool:
    """Whether the file holds the object that it is named after."""
    found = hashlib.new(algorithm, usedforsecurity=False)
    unpacker = zlib.decompressobj()
    with suppress(OSError, zlib.error):
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(unpacker.decompress(chunk))
        found.update(unpacker.flush())
        return unpacker.eof and found.hexdigest() == path.parent.name + path.name
    return False
