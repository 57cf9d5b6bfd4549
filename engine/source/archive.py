"""Artifacts as files: a tree to a tar.gz that is the same for the same content, and back.

Source: flux-behaviour 3.1, fluxcd/pkg tar.  The tar bytes depend on the content alone; the
compressed bytes also on the zlib that Python was built with (zlib-ng packs differently), so
digests are compared only with what the same program wrote.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from dulwich.objects import Blob

from engine.errors import ArtifactFailed
from engine.source.digest import hasher
from engine.source.failures import of_disk
from engine.source.git_compact import compact_if_worth
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store
from engine.source.tree import Entry, Form, Tree

MiB = 1024 * 1024
_FOLDER_MODE, _FILE_MODE, _EXECUTABLE_MODE = 0o750, 0o600, 0o700
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no name, no time, unknown system (RFC 1952)
_LEVEL = 6
_BATCH_BYTES = 16 * MiB  # of files held in memory until they are written
_CHUNK = MiB


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much an archive of somebody else may unpack to."""

    bytes: int = 1024 * MiB
    file_bytes: int = 128 * MiB  # a file is held in memory as a whole
    entries: int = 200_000


def write(tree: Tree, file: BinaryIO, algorithm: str = "sha256") -> tuple[str, int]:
    """Write the tree as tar.gz; the digest of the bytes written, and their number."""
    target = _Gzip(file, algorithm)
    with tarfile.open(
        fileobj=cast("BinaryIO", target), mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8"
    ) as tar:
        for path, entry in _walk(tree, ""):
            content = tree.read(path) if entry.form is Form.FILE else b""
            tar.addfile(_header(path, entry, len(content)), _Bytes(content))
    return target.finish()


def _walk(tree: Tree, folder: str) -> Iterator[tuple[str, Entry]]:
    for name, entry in sorted(tree.names(folder).items()):
        path = f"{folder}/{name}" if folder else name
        yield path, entry
        if entry.form is Form.FOLDER:
            yield from _walk(tree, path)


def _header(path: str, entry: Entry, size: int) -> tarfile.TarInfo:
    """Everything that is not content is the same for everybody."""
    header = tarfile.TarInfo(path)
    header.uid = header.gid = header.mtime = 0
    header.uname = header.gname = ""
    if entry.form is Form.FOLDER:
        header.type = tarfile.DIRTYPE
        header.mode = _FOLDER_MODE
    else:
        header.size = size
        header.mode = _EXECUTABLE_MODE if entry.executable else _FILE_MODE
    return header


class _Bytes:
    """The least that tarfile reads a member from."""

    def __init__(self, content: bytes) -> None:
        self._rest = memoryview(content)

    def read(self, size: int = -1, /) -> bytes:
        size = len(self._rest) if size < 0 else size
        part, self._rest = self._rest[:size], self._rest[size:]
        return bytes(part)


class _Gzip:
    """Compresses what is written to it, and hashes what comes out."""

    def __init__(self, file: BinaryIO, algorithm: str) -> None:
        self._file = file
        self._algorithm = algorithm
        self._hash = hasher(algorithm)
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._checksum = zlib.crc32(b"")
        self._given = self._size = 0
        self._put(_GZIP_HEAD)

    def write(self, data: bytes) -> int:
        self._checksum = zlib.crc32(data, self._checksum)
        self._given += len(data)
        self._put(self._packer.compress(data))
        return len(data)

    def finish(self) -> tuple[str, int]:
        self._put(self._packer.flush())
        self._put(self._checksum.to_bytes(4, "little"))
        self._put((self._given & 0xFFFFFFFF).to_bytes(4, "little"))
        return f"{self._algorithm}:{self._hash.hexdigest()}", self._size

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)


def read(file: BinaryIO, store: Store, limits: ArchiveLimits | None = None) -> GitTree:
    """The tree in a tar.gz whose digest was verified before; its files are in `store`.

    Links are dropped.  Raises ArtifactFailed if the archive cannot be read, names something
    outside, holds devices or passes a limit.
    """
    with store.exclusive:
        tree = _read(file, store, limits or ArchiveLimits())
        compact_if_worth(store)
    return tree


def _read(file: BinaryIO, store: Store, limits: ArchiveLimits) -> GitTree:
    unpacked = _Unpacked(store, limits)
    try:
        with (
            gzip.GzipFile(fileobj=file, mode="rb") as plain,
            tarfile.open(fileobj=cast("BinaryIO", _Bounded(plain, limits.bytes)), mode="r|") as tar,
        ):
            for member in tar:
                unpacked.take(tar, member)
        return GitTree(store, unpacked.finish())
    except gzip.BadGzipFile as error:  # an OSError too, but not the disk's
        raise ArtifactFailed(f"failed to untar artifact: {error}") from error
    except OSError as error:
        raise ArtifactFailed(of_disk("failed to untar artifact", error)) from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise ArtifactFailed(f"failed to untar artifact: {error}") from error


class _Bounded:
    """Passes bytes on until there were too many: archives may inflate a thousandfold."""

    def __init__(self, file: gzip.GzipFile, limit: int) -> None:
        self._file = file
        self._left = self._limit = limit

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ArtifactFailed(
                f"failed to untar artifact: it unpacks to more than the {self._limit} bytes allowed"
            )
        return data


class _Unpacked:
    """Files on their way into the store."""

    def __init__(self, store: Store, limits: ArchiveLimits) -> None:
        self._store = store
        self._limits = limits
        self._files: dict[str, StoredFile] = {}
        self._folders: set[str] = set()
        self._batch: list[Blob] = []
        self._batch_bytes = self._entries = 0

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Take one member over, or refuse it."""
        self._entries += 1
        if self._entries > self._limits.entries:
            raise ValueError(f"it holds more than the {self._limits.entries} entries allowed")
        path = _safe_path(member.name)
        if member.isdir() and path:
            self._folders.add(path)
        elif member.isfile():
            self._take_file(tar, member, path)
        elif not (member.isdir() or member.issym() or member.islnk()):
            raise ValueError(f"{member.name!r} is a device or a pipe")

    def _take_file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        if not path or member.size > self._limits.file_bytes:
            raise ValueError(
                f"{member.name!r} has {member.size} bytes, {self._limits.file_bytes} are allowed"
            )
        reader = tar.extractfile(member)
        content = reader.read() if reader else b""
        if len(content) != member.size:
            raise ValueError(f"{member.name!r} is cut off")
        blob = Blob.from_string(content)
        self._batch.append(blob)
        self._batch_bytes += len(content)
        self._files[path] = StoredFile(blob.id.decode(), bool(member.mode & 0o111))
        if self._batch_bytes > _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._store.add(self._batch)
        self._batch, self._batch_bytes = [], 0

    def finish(self) -> str:
        """The id of the whole."""
        self._flush()
        return write_tree(self._store, self._files, sorted(self._folders))


def _safe_path(name: str) -> str:
    """The path inside the tree, "" for the root.  Raises ValueError if it leads outside."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise ValueError(f"it names {name!r}, which is outside of it")
    return "/".join(parts)
