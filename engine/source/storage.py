"""Artifacts on disk, where other controllers find them under Flux's paths and URLs.

Layout: `<kind>/<namespace>/<name>/<commit>.tar.gz` below the storage folder (flux-behaviour 3.1).
A file appears whole (written beside its place, then renamed).  One process writes.
"""

import itertools
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.source import archive
from engine.source.archive import Written
from engine.source.digest import digest_of, is_equal
from engine.source.failures import ArchiveOperationFailed, of_disk
from engine.source.tree import Tree

_PART = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")  # as Kubernetes names: never `..`
_FILE = re.compile(r"[0-9a-zA-Z][-+.:_0-9a-zA-Z]*")
_TEMPORARY = ".new-"
_WALKED_AT_MOST = 1000  # files looked at in one collection, as Flux


@dataclass(frozen=True, slots=True)
class ArtifactOwner:
    """The object that an artifact belongs to; kind as in its manifest (`GitRepository`)."""

    kind: str
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Its folder.  Raises ArchiveOperationFailed if a name cannot be part of a path."""
        parts = (self.kind.lower(), self.namespace, self.name)
        if not all(_PART.fullmatch(part) for part in parts):
            raise ArchiveOperationFailed(f"invalid artifact path: {'/'.join(parts)!r}")
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """What `status.artifact` says of a file; updated_at: seconds since 1970."""

    path: str
    url: str
    digest: str
    size: int
    updated_at: float


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept beside the current artifact, so that slow readers still find theirs."""

    records: int = 2  # --artifact-retention-records
    ttl: float = 60.0  # --artifact-retention-ttl, seconds


class ArtifactStorage:
    """The folder with all artifacts of this engine."""

    def __init__(
        self,
        folder: Path,
        address: str,
        algorithm: str = "sha256",
        retention: Retention | None = None,
    ) -> None:
        """folder: made if it is not there.  address: `host[:port]` under which it is served."""
        self.folder = folder
        self.address = address
        self._algorithm = algorithm
        self._retention = retention or Retention()
        self._newest: dict[ArtifactOwner, tuple[Path, Written]] = {}
        """What was written last; the next one copies from it."""
        folder.mkdir(parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"ArtifactStorage({str(self.folder)!r}, {self.address!r})"

    def url(self, path: str) -> str:
        """The address of a stored file, with the host advertised now."""
        return f"http://{self.address}/{path}"

    def store(self, owner: ArtifactOwner, name: str, tree: Tree, now: float) -> StoredArtifact:
        """Write the tree as `<name>.tar.gz`.  Blocks.  Raises ArchiveOperationFailed."""
        path = f"{owner.path}/{name}.tar.gz"
        with self._before(owner) as before:
            written = self._put(
                path, lambda file: archive.write(tree, file, self._algorithm, before)
            )
        self._newest[owner] = self.folder / path, written
        return StoredArtifact(path, self.url(path), written.digest, written.size, now)

    @contextmanager
    def _before(self, owner: ArtifactOwner) -> Iterator[tuple[Written, BinaryIO] | None]:
        """The archive that was written last, open; None if there is none."""
        path, written = self._newest.get(owner, (None, None))
        with ExitStack() as stack:
            found = None
            if path and written:
                with suppress(OSError):  # removed, or damaged: then all is packed anew
                    found = written, stack.enter_context(path.open("rb"))
            yield found

    def _put(self, path: str, write: Callable[[BinaryIO], Written]) -> Written:
        if not _FILE.fullmatch(path.rpartition("/")[2]):
            raise ArchiveOperationFailed(f"invalid artifact path: {path!r}")
        target = self.folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=_TEMPORARY)
        except OSError as error:
            raise _failure(path, error) from error
        try:
            with os.fdopen(handle, "wb") as file:
                written = write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except OSError as error:
            raise _failure(path, error) from error
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        return written

    def is_intact(self, path: str, digest: str) -> bool:
        """True if the file is there with that content.  Blocks: reads the whole file."""
        found = self.locate(path)
        if found is None:
            return False
        try:
            with found.open("rb") as file:
                return is_equal(digest_of(file, digest.partition(":")[0]), digest)
        except OSError:
            return False

    def locate(self, path: str) -> Path | None:
        """The file at `<kind>/<namespace>/<name>/<file>`; None if there is none to be served."""
        *folders, name = path.split("/")
        if len(folders) != 3 or not all(_PART.fullmatch(part) for part in folders):
            return None
        if not _FILE.fullmatch(name):
            return None
        found = self.folder / path
        try:
            return found if stat.S_ISREG(found.lstat().st_mode) else None
        except OSError:  # also for a name too long for the disk: anybody may ask for one
            return None

    def collect(self, owner: ArtifactOwner, current: str, now: float) -> list[str]:
        """Remove what is too old or too many; the paths removed.  Raises ArchiveOperationFailed.

        current: path of the artifact that stays whatever its age.  The newest `records` files
        (the current one among them) stay while they are younger than `ttl`.
        """
        try:
            found = _files(self.folder / owner.path)
            others = [item for item in found if f"{owner.path}/{item[1].name}" != current]
            kept = max(self._retention.records - 1, 0)
            removed = []
            for number, (changed_at, path) in enumerate(others):
                if number >= kept or now - changed_at > self._retention.ttl:
                    path.unlink(missing_ok=True)
                    removed.append(f"{owner.path}/{path.name}")
        except OSError as error:
            raise ArchiveOperationFailed(
                of_disk(f"unable to remove old artifacts of {owner.path!r}", error)
            ) from error
        return removed

    def remove(self, owner: ArtifactOwner) -> bool:
        """Remove everything of an object that was deleted; False if there was nothing."""
        self._newest.pop(owner, None)
        folder = self.folder / owner.path
        if not folder.is_dir():
            return False
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise _failure(owner.path, error) from error
        return True


def _files(folder: Path) -> list[tuple[float, Path]]:
    """(changed at, path) of the files in a folder, newest first; none if there is no folder."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        walked = itertools.islice(entries, _WALKED_AT_MOST)
        files = (entry for entry in walked if entry.is_file(follow_symlinks=False))
        return sorted(((entry.stat().st_mtime, Path(entry.path)) for entry in files), reverse=True)
    return []


def _failure(path: str, error: OSError) -> ArchiveOperationFailed:
    return ArchiveOperationFailed(
        of_disk(f"unable to archive artifact to storage: {path!r}", error)
    )
