"""Fetch the artifact of another controller: verified before it is unpacked."""

import tempfile
from dataclasses import dataclass, field
from typing import BinaryIO

import aiohttp
import anyio
from anyio import to_thread

from engine.errors import ArtifactFailed, ArtifactPending
from engine.source import archive
from engine.source.digest import hasher, is_equal
from engine.source.git import Tools
from engine.source.git_tree import GitTree
from engine.source.store import Store

MiB = 1024 * 1024
_CHUNK = 256 * 1024
_IN_MEMORY = 4 * MiB  # larger artifacts are spooled to disk


@dataclass(frozen=True, slots=True)
class DownloadPolicy:
    """How hard to try; pause: seconds before the second attempt, doubled each time."""

    attempts: int = 4
    pause: float = 0.5
    bytes: int = 512 * MiB
    limits: archive.ArchiveLimits = field(default_factory=archive.ArchiveLimits)


async def download(
    url: str, digest: str, store: Store, tools: Tools, policy: DownloadPolicy | None = None
) -> GitTree:
    """The tree of the tar.gz at `url`, whose bytes must have `digest` (`sha256:<hex>`).

    Raises ArtifactPending if it is not there, ArtifactFailed if it cannot be had or trusted.
    """
    policy = policy or DownloadPolicy()
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        file: BinaryIO = spool  # type: ignore[assignment]  # typeshed: lacks two unused methods
        await _fetch(url, digest, file, tools.session, policy)
        file.seek(0)
        return await to_thread.run_sync(
            archive.read, file, store, policy.limits, limiter=tools.workers
        )


async def _fetch(
    url: str, digest: str, file: BinaryIO, session: aiohttp.ClientSession, policy: DownloadPolicy
) -> None:
    """Fill `file` with the verified bytes, trying again where that may help."""
    pause = policy.pause
    for attempt in range(1, policy.attempts + 1):
        try:
            found = await _try(url, digest.partition(":")[0], file, session, policy.bytes)
        except (aiohttp.ClientError, OSError) as error:
            if attempt == policy.attempts:
                reason = str(error) or type(error).__name__
                raise ArtifactFailed(
                    f"failed to download artifact from '{url}': {reason}: is the controller that "
                    "serves it running, and does a network policy let us through?"
                ) from error
            await anyio.sleep(pause)
            pause *= 2
            continue
        if not is_equal(found, digest):
            raise ArtifactFailed(
                f"failed to verify artifact from '{url}': computed digest '{found}' does not "
                f"match '{digest}': the source may just have stored a newer one"
            )
        return


async def _try(
    url: str, algorithm: str, file: BinaryIO, session: aiohttp.ClientSession, limit: int
) -> str:
    """The digest of what was read; only errors that may pass are aiohttp's."""
    found = hasher(algorithm)
    file.seek(0)
    file.truncate()
    size = 0
    headers = {"Accept-Encoding": "identity"}
    async with session.get(url, headers=headers, max_redirects=3) as response:
        if response.status == 404:
            raise ArtifactPending(f"artifact not found at '{url}'")
        response.raise_for_status()
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise ArtifactFailed(f"the artifact at '{url}' has more than {limit} bytes")
            found.update(chunk)
            file.write(chunk)
    return f"{algorithm}:{found.hexdigest()}"
