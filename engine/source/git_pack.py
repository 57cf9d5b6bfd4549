"""Take in a pack from a server that is not trusted: bounded first, then indexed.

dulwich checks that a pack is sound but not how much it inflates to; so every object's declared
and true size, and the size that a delta grows to, are added up before dulwich sees the file.
"""

import hashlib
import mmap
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.source.failures import ArchiveOperationFailed, CorruptPackError, GitError, of_disk
from engine.source.git_index import index_apart
from engine.source.store_folder import opened

MiB = 1024 * 1024
_OFS_DELTA, _REF_DELTA = 6, 7
_TYPES = {1, 2, 3, 4, _OFS_DELTA, _REF_DELTA}
_WINDOW = MiB
_HASHED = 16 * MiB


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one fetch may bring; each raises GitOperationFailed when passed."""

    pack_bytes: int = 512 * MiB  # a shallow clone of the largest known GitOps repositories: 200
    inflated_bytes: int = 2048 * MiB
    object_bytes: int = 256 * MiB  # held in memory as a whole while indexing; GitHub takes 100 MiB
    entries: int = 1_000_000  # of one tree, as trees may repeat themselves; objects of one pack
    depth: int = 100  # nested folders
    apart_objects: int = 20_000  # more take seconds of Python to index: not beside other work
    apart_bytes: int = 256 * MiB  # inflated; more is indexed in a process of its own, too
    index_memory_bytes: int = 1024 * MiB  # of that process; the largest object needs 3 times itself


class Incoming:
    """A pack on its way into an object store; invisible there until `finish` returns."""

    def __init__(
        self, folder: Path, object_format: str, exclusive: AbstractContextManager[object]
    ) -> None:
        """folder: of the objects.

        exclusive: held while the store changes; two may bring the same pack at once.
        """
        self._folder = folder
        self._objects = opened(folder, object_format)
        self._exclusive = exclusive
        self._file, self._commit, self._abort = self._objects.add_pack()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append bytes of the pack."""
        self._file.write(data)
        self.size += len(data)

    def finish(self, limits: Limits, check_cancelled: Callable[[], None]) -> None:
        """Make the pack's objects part of the store.

        check_cancelled: called now and then; may raise.  Raises GitError if the pack is corrupt
        or passes a limit; then nothing of it stays.
        """
        try:
            self._file.flush()
            id_bytes = self._objects.object_format.oid_length
            size = scan(self._file.fileno(), limits, check_cancelled, id_bytes)
            if size.objects == 0:
                self.discard()
                return
            with self._exclusive:
                self._index(size, limits, check_cancelled)
        except GitError:
            self.discard()
            raise
        except OSError as error:
            self.discard()
            problem = of_disk("the pack cannot be stored", error)
            raise GitError(problem, ArchiveOperationFailed) from error
        except Exception as error:  # dulwich raises bare errors of many kinds on hostile input
            self.discard()
            raise _corrupt(error) from error
        except BaseException:
            self.discard()
            raise
        finally:
            self._objects.close()

    def _index(self, size: "PackSize", limits: Limits, check_cancelled: Callable[[], None]) -> None:
        if size.objects <= limits.apart_objects and size.inflated <= limits.apart_bytes:
            self._commit()
            return
        name, memory = self._objects.object_format.name, limits.index_memory_bytes
        index_apart(self._file, self._folder, name, memory, check_cancelled)
        self.discard()  # the other process has made a pack of its own

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(FileNotFoundError, ValueError):
            self._abort()
        self._objects.close()


def _corrupt(error: Exception) -> CorruptPackError:
    return CorruptPackError(
        f"the pack sent by the server is corrupt ({type(error).__name__}: {str(error)[:200]}): "
        "the repository may need `git fsck` on the server"
    )


@dataclass(frozen=True, slots=True)
class PackSize:
    """How many objects a pack holds, and the bytes that they and their deltas inflate to."""

    objects: int
    inflated: int


def scan(
    file: int, limits: Limits, check_cancelled: Callable[[], None], id_bytes: int = 20
) -> PackSize:
    """How large the pack in the open `file` is, once all that it declares was looked at.

    id_bytes: of an object's id: 32 in a SHA-256 repository.  Raises GitError where a limit is
    passed or the pack cannot be followed.
    """
    size = os.fstat(file).st_size
    if size < 32:
        raise GitError("the pack is cut off")
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as pack:
        if pack[:4] != b"PACK" or pack[4:8] not in {b"\0\0\0\2", b"\0\0\0\3"}:
            raise GitError("what the server sent is not a pack of version 2 or 3")
        count = int.from_bytes(pack[8:12], "big")
        if count > limits.entries:  # each takes some 300 bytes of memory while it is indexed
            raise GitError(
                f"the pack says to hold {count} objects, more than the {limits.entries} allowed"
            )
        total = 0
        try:
            for number, inflated in enumerate(_sizes(pack, count, limits, id_bytes)):
                total += inflated
                if total > limits.inflated_bytes:
                    raise GitError(
                        f"the pack inflates to more than the {limits.inflated_bytes} bytes allowed"
                    )
                if number % 256 == 0:
                    check_cancelled()
            _check_sum(pack, check_cancelled, id_bytes)
        except (zlib.error, IndexError) as error:
            raise _corrupt(error) from error
    return PackSize(count, total)


def _check_sum(pack: mmap.mmap, check_cancelled: Callable[[], None], id_bytes: int) -> None:
    """Raises zlib.error if the pack's last bytes are not the hash of all before them."""
    found = hashlib.sha256() if id_bytes == 32 else hashlib.sha1(usedforsecurity=False)
    end = len(pack) - id_bytes
    for at in range(0, end, _HASHED):
        check_cancelled()
        found.update(pack[at : min(at + _HASHED, end)])
    if found.digest() != pack[end:]:
        raise zlib.error("the checksum at its end is wrong")


def _sizes(pack: mmap.mmap, count: int, limits: Limits, id_bytes: int) -> Iterator[int]:
    """For each object the bytes that it takes inflated, a delta with what it grows to."""
    at = 12
    end = len(pack) - id_bytes
    for _ in range(count):
        kind, size, at = _header(pack, at)
        if kind not in _TYPES or at >= end:
            raise zlib.error(f"object of type {kind} at byte {at}")
        if kind == _REF_DELTA:
            at += id_bytes
        elif kind == _OFS_DELTA:
            while pack[at] & 0x80:
                at += 1
            at += 1
        _check_object(size, limits)
        head, at = _inflate(pack, at, size)
        grown = _delta_result(head) if kind in {_OFS_DELTA, _REF_DELTA} else 0
        _check_object(grown, limits)
        yield size + grown
    if at != end:
        raise zlib.error(f"{end - at} bytes follow the last object")


def _check_object(size: int, limits: Limits) -> None:
    if size > limits.object_bytes:
        raise GitError(
            f"an object of the pack inflates to {size} bytes, more than the "
            f"{limits.object_bytes} bytes allowed"
        )


def _header(pack: mmap.mmap, at: int) -> tuple[int, int, int]:
    """Type, declared size, and where the header ends."""
    byte = pack[at]
    kind, size, shift = (byte >> 4) & 7, byte & 15, 4
    while byte & 0x80:
        at += 1
        byte = pack[at]
        size |= (byte & 0x7F) << shift
        shift += 7
        if shift > 63:
            raise zlib.error("an object's size has too many digits")
    return kind, size, at + 1


def _inflate(pack: mmap.mmap, at: int, size: int) -> tuple[bytes, int]:
    """The first bytes of an object that inflates to exactly `size`, and where it ends."""
    stream = zlib.decompressobj()
    head = b""
    inflated = 0
    data = b""
    while not stream.eof:
        if not data:
            step = min(_WINDOW, size - inflated + (size - inflated) // 1000 + 64)
            data = pack[at : at + step]
            at += len(data)
            if not data:
                raise zlib.error("the pack is cut off")
        part = stream.decompress(data, min(_WINDOW, size - inflated + 1))
        inflated += len(part)
        if inflated > size:
            raise zlib.error("an object is longer than it declares")
        if len(head) < 20:
            head += part[:20]
        data = stream.unconsumed_tail
    if inflated != size:
        raise zlib.error("an object is shorter than it declares")
    return head, at - len(stream.unused_data)


def _delta_result(head: bytes) -> int:
    """The size that a delta says it grows to: the second number of its head."""
    at = 0
    size = shift = 0
    for _ in range(2):
        size = shift = 0
        while True:
            byte = head[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
    return size
