"""Everything that sources keep: Git objects, artifacts on disk, connections; opened once.

The one place where the engine asks for a fetch, for the file of an artifact, or for its tree.
"""

import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from aiohttp import TCPConnector
from anyio import to_thread

from engine.errors import ArtifactPending
from engine.objects.ref import Ref
from engine.settings import Settings
from engine.source import archive, git
from engine.source.addresses import Guarded
from engine.source.artifact import Artifact
from engine.source.bases import Bases
from engine.source.download import DownloadPolicy, download
from engine.source.failures import ArchiveOperationFailed, of_disk
from engine.source.git import Fetched, GitRequest, Tools
from engine.source.git_pack import Limits
from engine.source.git_repair import repaired
from engine.source.git_tree import GitTree
from engine.source.guard import Guard
from engine.source.ssh_pool import SshConnections
from engine.source.ssh_server import Algorithms
from engine.source.storage import ArtifactOwner, ArtifactStorage, Retention
from engine.source.store import Store
from engine.source.stores import Stores
from engine.source.transport import open_session
from engine.telemetry import because, logger

_FOREIGN = "artifacts of other controllers"  # the store of what did not come from Git


class Depot:
    """The sources' side of one engine."""

    def __init__(
        self,
        stores: Stores,
        storage: ArtifactStorage,
        tools: Tools,
        policy: DownloadPolicy,
        limits: Limits | None = None,
    ) -> None:
        """stores: Git objects.  storage: artifacts as files.  tools: connections and threads.

        limits: of the fetch of a base.
        """
        self._stores = stores
        self.storage = storage
        self._tools = tools
        self._policy = policy
        # Threads of their own: what kustomizations name must not keep sources waiting.
        apart = replace(tools, workers=anyio.CapacityLimiter(tools.workers.total_tokens))
        self.bases = Bases(self._store_of, apart, limits or Limits())
        """What kustomizations name by URL."""

    def __repr__(self) -> str:
        return f"Depot({self.storage!r})"

    async def fetch(self, request: GitRequest) -> Fetched:
        """The commit that the request means now; see `git.fetch` for its failures."""
        store = await self._store_of(request.url, request.reader)
        return await git.fetch(request, store, self._tools)

    async def _store_of(self, url: str, reader: str = "") -> Store:
        try:
            return await to_thread.run_sync(self._stores.of, url, reader)
        except OSError as error:
            problem = of_disk("no place for Git objects can be made", error)
            raise ArchiveOperationFailed(problem) from error

    async def store(self, ref: Ref, fetched: Fetched, wall: float) -> dict[str, Any]:
        """Writes the artifact of a fetched commit; `status.artifact` for it.

        wall: seconds since 1970.  Raises ArchiveOperationFailed.
        """
        owner = owner_of(ref)
        write = partial(self.storage.store, owner, fetched.commit.id, fetched.tree, wall)
        try:
            stored = await to_thread.run_sync(write, limiter=self._tools.workers)
        except KeyError as error:  # a file that was there when it was fetched
            lost = error.args[0]
            await to_thread.run_sync(repaired, fetched.tree.store, limiter=self._tools.workers)
            raise ArchiveOperationFailed(
                f"unable to archive artifact to storage: {lost!r} cannot be read: the disk may be "
                "damaged; it is fetched again"
            ) from error
        await to_thread.run_sync(self.storage.collect, owner, stored.path, wall)
        return {
            "digest": stored.digest,
            "lastUpdateTime": _instant(stored.updated_at),
            "path": stored.path,
            "revision": fetched.revision,
            "size": stored.size,
            "url": stored.url,
        }

    async def kept(self, described: Mapping[str, Any]) -> dict[str, Any] | None:
        """`status.artifact` with the address that serves it now, None if the file is not intact."""
        path, digest = str(described.get("path", "")), str(described.get("digest", ""))
        if not path or not await to_thread.run_sync(self.storage.is_intact, path, digest):
            return None
        return {**described, "url": self.storage.url(path)}

    async def open(self, described: Mapping[str, Any]) -> Artifact:
        """The tree of an artifact: from our own storage, else from the controller that serves it.

        Raises ArtifactFailed, ArtifactPending, ArchiveOperationFailed.
        """
        digest = described["digest"]
        store = await self._store_of(_FOREIGN)
        if await self.kept(described):
            tree = await to_thread.run_sync(self._read, described["path"], store)
        else:
            tree = await download(described["url"], digest, store, self._tools, self._policy)
        return Artifact(described["revision"], digest, tree, dict(described.get("metadata") or {}))

    def _read(self, path: str, store: Store) -> GitTree:
        try:
            with (self.storage.folder / path).open("rb") as file:
                return archive.read(file, store, self._policy.limits)
        except FileNotFoundError:  # a newer one has just taken its place
            raise ArtifactPending(f"artifact '{path}' disappeared from storage") from None
        except OSError as error:
            problem = of_disk(f"artifact '{path}' cannot be read", error)
            raise ArchiveOperationFailed(problem) from error

    async def remove(self, ref: Ref) -> bool:
        """Removes the files of a deleted source; False if there were none."""
        return await to_thread.run_sync(self.storage.remove, owner_of(ref))


def owner_of(ref: Ref) -> ArtifactOwner:
    """The folder's owner for a source object."""
    return ArtifactOwner(ref.kind, ref.namespace, ref.name)


def limits_of(settings: Settings) -> Limits:
    """How much one fetch may bring."""
    return Limits(
        pack_bytes=settings.git_max_pack_bytes, inflated_bytes=settings.git_max_inflated_bytes
    )


def ssh_of(settings: Settings) -> SshConnections:
    """The connections to ssh servers; to be entered."""
    algorithms = Algorithms(settings.ssh_kex_algos, settings.ssh_hostkey_algos)
    return SshConnections(algorithms, settings.ssh_idle_timeout)


@asynccontextmanager
async def open_depot(
    folder: Path, settings: Settings, names: Guarded | None = None
) -> AsyncIterator[Depot]:
    """The depot in a folder, while inside; `storage.address` is still to be set.

    names: judges where what tenants name leads, None: anywhere.
    Raises ArchiveOperationFailed if the folder cannot be used, or another engine uses it.
    """
    policy = DownloadPolicy(
        attempts=settings.http_retry + 1,
        bytes=settings.artifact_max_bytes,
        limits=archive.ArchiveLimits(bytes=settings.artifact_max_bytes),
    )
    # Two more, as one or two tenants may fetch beyond that (runtime/lines.py).
    workers = anyio.CapacityLimiter(settings.concurrent_fetches + 2)
    with _opened(folder, settings) as (stores, storage):
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            # No limit of connections: how many fetch at once is limited tenant by tenant.
            tools = Tools(
                await enter(open_session(TCPConnector(limit=0))),
                workers,
                ssh=await enter(ssh_of(settings)),
                environment=os.environ,
                store_of=stores.of,
            )
            if names is not None:
                session = await enter(open_session(TCPConnector(limit=0, resolver=names)))
                tools = replace(tools, guard=Guard(session, names))
            yield Depot(stores, storage, tools, policy, limits_of(settings))


@contextmanager
def _opened(folder: Path, settings: Settings) -> Iterator[tuple[Stores, ArtifactStorage]]:
    """What is on disk; held alone, as it is tidied by what this process has in use."""
    retention = Retention(settings.artifact_retention_records, settings.artifact_retention_ttl)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            lock = (folder / "lock").open("w")
    except OSError as error:
        raise _unusable(folder, error.strerror or str(error)) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _unusable(folder, "another engine is using it") from None
        except OSError as error:  # a network file system without locks: then nobody can tell
            logger.debug("%s cannot be locked", folder, extra=because(error))
        try:
            storage = ArtifactStorage(folder / "artifacts", "", retention=retention)
            stores = Stores(folder / "git")
        except OSError as error:
            raise _unusable(folder, error.strerror or str(error)) from error
        try:
            yield stores, storage
        finally:
            stores.close()


def _unusable(folder: Path, why: str) -> ArchiveOperationFailed:
    return ArchiveOperationFailed(
        f"the storage folder '{folder}' cannot be used: {why}: name another one, that can be "
        "written to, with --storage-path or LOCKSTEP_STORAGE_PATH"
    )


def _instant(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
