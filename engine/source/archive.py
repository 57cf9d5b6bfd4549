"""Artifacts as files: a tree to a tar.gz that is the same for the same content, and back.

Source: flux-behaviour 3.1, fluxcd/pkg tar.  The tar bytes depend on the content alone; the
compressed bytes also on the zlib that Python was built with (zlib-ng packs differently), so
digests are compared only with what the same program wrote.
"""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from dulwich.objects import Blob

from engine.errors import ArtifactFailed
from engine.source.archive_layout import Group, Layout, lay_out
from engine.source.archive_record import END, header, padding
from engine.source.digest import hasher
from engine.source.failures import of_disk
from engine.source.git_compact import compact_if_worth
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store
from engine.source.tree import Entry, Form, Tree
from engine.telemetry import because, logger

MiB = 1024 * 1024
_LEVEL = 6
_GZIP = zlib.MAX_WBITS | 16  # with a gzip head: no name, no time
_COPIED_AT_MOST = 256 * MiB  # bytes of a group, held in memory as a whole
_BATCH_BYTES = 16 * MiB  # of files held in memory until they are written


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much an archive of somebody else may unpack to."""

    bytes: int = 1024 * MiB
    file_bytes: int = 128 * MiB  # a file is held in memory as a whole
    entries: int = 200_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group stands in an archive; digest: SHA-256 of these bytes."""

    start: int
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """An archive that was written.

    digest: `sha256:<hex>` of its bytes.  size: their number.  tree: what it was made of.
    places: of its groups by key.
    """

    digest: str
    size: int
    tree: Tree = field(repr=False, compare=False)
    layout: Layout = field(repr=False)
    places: Mapping[bytes, Place] = field(repr=False)


def write(
    tree: Tree,
    file: BinaryIO,
    algorithm: str = "sha256",
    before: tuple[Written, BinaryIO] | None = None,
) -> Written:
    """Write the tree as tar.gz; the same tree gives the same bytes.

    before: an archive of a tree that may differ little, and its file.  Groups that it has as well
    are copied if they are intact, which changes the time that this takes and never the outcome.
    """
    target = _Hashed(file, algorithm)
    layout = lay_out(tree, (before[0].layout, before[0].tree) if before else None)
    places: dict[bytes, Place] = {}
    for group in layout.groups:
        start = target.size
        digest = _copy(group, *before, target) if before else None
        digest = digest or _pack(_records(group, tree), target)
        places[group.key] = Place(start, target.size - start, digest)
    _pack([END], target)
    return Written(target.digest, target.size, tree, layout, places)


def _copy(group: Group, written: Written, file: BinaryIO, target: "_Hashed") -> bytes | None:
    """Take a group over from the archive before; None if it is not there, or not intact."""
    place = written.places.get(group.key)
    if place is None or place.size > _COPIED_AT_MOST:
        return None
    try:
        file.seek(place.start)
        member = file.read(place.size)
    except OSError as error:  # the group can be packed anew
        logger.warning("the artifact before cannot be read", extra=because(error))
        return None
    if hashlib.sha256(member).digest() != place.digest:
        return None
    target.write(member)
    return place.digest


def _pack(records: Iterable[bytes], target: "_Hashed") -> bytes:
    """Write one member of the gzip file; its SHA-256.

    A gzip file may have many: it then stands for what they hold, one after the other (RFC 1952).
    """
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    digest = hashlib.sha256()
    for record in records:
        if part := packer.compress(record):
            digest.update(part)
            target.write(part)
    rest = packer.flush()
    digest.update(rest)
    target.write(rest)
    return digest.digest()


def _records(group: Group, tree: Tree) -> Iterator[bytes]:
    if group.has_folder:
        yield header(group.folder, Entry(Form.FOLDER, ""), 0)
    yield from _below(group.folder, group.members, tree)


def _below(folder: str, members: Iterable[tuple[str, Entry]], tree: Tree) -> Iterator[bytes]:
    for name, entry in members:
        path = f"{folder}/{name}" if folder else name
        content = tree.read(path) if entry.form is Form.FILE else b""
        yield header(path, entry, len(content))
        yield content
        yield padding(len(content))
        if entry.form is Form.FOLDER:
            yield from _below(path, tree.names(path).items(), tree)


class _Hashed:
    """Counts and hashes what is written to a file."""

    def __init__(self, file: BinaryIO, algorithm: str) -> None:
        self._file = file
        self._algorithm = algorithm
        self._hash = hasher(algorithm)
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        return f"{self._algorithm}:{self._hash.hexdigest()}"


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
