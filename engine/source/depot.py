"""Everything that sources keep: Git objects, artifacts on disk, connections; opened once.

The one place where the engine asks for a fetch, for the file of an artifact, or for its tree.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from engine.objects.ref import Ref
from engine.settings import Settings
from engine.source import archive, git
from engine.source.artifact import Artifact
from engine.source.download import DownloadPolicy, download
from engine.source.failures import ArchiveOperationFailed
from engine.source.git import Fetched, GitRequest, Tools
from engine.source.git_pack import Limits
from engine.source.git_tree import GitTree
from engine.source.storage import ArtifactOwner, ArtifactStorage, Retention
from engine.source.store import Stores
from engine.source.transport import open_session

_FOREIGN = "artifacts of other controllers"  # the store of what did not come from Git


class Depot:
    """The sources' side of one engine."""

    def __init__(self, stores: Stores, storage: ArtifactStorage, tools: Tools) -> None:
        """stores: Git objects.  storage: artifacts as files.  tools: connections and threads."""
        self._stores = stores
        self.storage = storage
        self._tools = tools
        self._policy = DownloadPolicy()

    def __repr__(self) -> str:
        return f"Depot({self.storage!r})"

    def limit(self, settings: Settings) -> None:
        """Take the bounds of downloads from the settings."""
        limits = archive.ArchiveLimits(bytes=settings.artifact_max_bytes)
        self._policy = DownloadPolicy(
            attempts=settings.http_retry + 1, bytes=settings.artifact_max_bytes, limits=limits
        )

    async def fetch(self, request: GitRequest) -> Fetched:
        """The commit that the request means now; see `git.fetch` for its failures."""
        store = await to_thread.run_sync(self._stores.of, request.url)
        return await git.fetch(request, store, self._tools)

    async def store(self, ref: Ref, fetched: Fetched, wall: float) -> dict[str, Any]:
        """Writes the artifact of a fetched commit; `status.artifact` for it.

        wall: seconds since 1970.  Raises ArchiveOperationFailed.
        """
        owner = owner_of(ref)
        write = partial(self.storage.store, owner, fetched.commit.id, fetched.tree, wall)
        stored = await to_thread.run_sync(write, limiter=self._tools.workers)
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

        Raises ArtifactFailed, ArtifactPending.
        """
        digest = described["digest"]
        store = await to_thread.run_sync(self._stores.of, _FOREIGN)
        if await self.kept(described):
            tree = await to_thread.run_sync(self._read, described["path"])
        else:
            tree = await download(described["url"], digest, store, self._tools, self._policy)
        return Artifact(described["revision"], digest, tree, dict(described.get("metadata") or {}))

    def _read(self, path: str) -> GitTree:
        found = self.storage.locate(path)
        if found is None:
            raise ArchiveOperationFailed(f"artifact '{path}' disappeared from storage")
        with found.open("rb") as file:
            return archive.read(file, self._stores.of(_FOREIGN), self._policy.limits)

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


@asynccontextmanager
async def open_depot(folder: Path, settings: Settings) -> AsyncIterator[Depot]:
    """The depot in a folder, while inside; `storage.address` is still to be set."""
    retention = Retention(settings.artifact_retention_records, settings.artifact_retention_ttl)
    storage = ArtifactStorage(folder / "artifacts", "", retention=retention)
    stores = Stores(folder / "git")
    workers = anyio.CapacityLimiter(settings.concurrent_fetches)
    try:
        async with open_session() as session:
            depot = Depot(stores, storage, Tools(session, workers))
            depot.limit(settings)
            yield depot
    finally:
        stores.close()


def _instant(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
