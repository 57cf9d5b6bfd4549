"""Fetch the artifact of another controller: verified before it is unpacked."""

import tempfile
from dataclasses import dataclass, field
from typing import BinaryIO

import aiohttp
import anyio
from anyio import to_thread
from yarl import URL

from engine.errors import ArtifactFailed, ArtifactPending
from engine.source import archive
from engine.source.connection import explained
from engine.source.digest import hasher, is_equal
from engine.source.git import Tools
from engine.source.git_tree import GitTree
from engine.source.store import Store
from engine.telemetry import carried

MiB = 1024 * 1024
_CHUNK = 256 * 1024
_IN_MEMORY = 4 * MiB  # larger artifacts are spooled to disk
_LONGEST_PAUSE = 30.0  # seconds, as Flux


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
    # Beside the store: a pod may have no other folder that is large, or that it may write to.
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(store.folder)) as spool:
        file: BinaryIO = spool  # type: ignore[assignment]  # typeshed: lacks two unused methods
        await _fetch(url, digest, file, tools.session, policy)
        file.seek(0)
        return await to_thread.run_sync(
            archive.read, file, store, policy.limits, limiter=tools.workers
        )


class _MayPass(Exception):  # noqa: N818 - it says what to do: try again
    """No artifact came, for a reason that may not be there the next time."""


async def _fetch(
    url: str, digest: str, file: BinaryIO, session: aiohttp.ClientSession, policy: DownloadPolicy
) -> None:
    """Fill `file` with the verified bytes, trying again where that may help."""
    pause = policy.pause
    for attempt in range(1, policy.attempts + 1):
        try:
            found = await _try(url, digest.partition(":")[0], file, session, policy.bytes)
            break
        except _MayPass as problem:
            if attempt == policy.attempts:
                raise ArtifactFailed(
                    f"failed to download artifact from '{url}': {problem}: is the controller that "
                    "serves it running, and does a network policy let us through?"
                ) from problem
            await anyio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    if not is_equal(found, digest):
        raise ArtifactFailed(
            f"failed to verify artifact from '{url}': computed digest '{found}' does not "
            f"match '{digest}': the source may just have stored a newer one"
        )


async def _try(
    url: str, algorithm: str, file: BinaryIO, session: aiohttp.ClientSession, limit: int
) -> str:
    """The digest of what was read."""
    found = hasher(algorithm)
    file.seek(0)
    file.truncate()
    size = 0
    headers = {"Accept-Encoding": "identity", **carried()}
    try:
        async with session.get(url, headers=headers, max_redirects=3) as response:
            _check_status(response.status, url)
            async for chunk in response.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise ArtifactFailed(f"the artifact at '{url}' has more than {limit} bytes")
                found.update(chunk)
                _keep(file, chunk, url)
    except aiohttp.InvalidURL as error:
        raise ArtifactFailed(f"'{url}' is no URL that an artifact can be fetched from") from error
    except (aiohttp.ClientError, OSError) as error:
        raise _MayPass(explained(error, URL(url))) from error
    return f"{algorithm}:{found.hexdigest()}"


def _check_status(status: int, url: str) -> None:
    if status == 404:
        raise ArtifactPending(f"artifact not found at '{url}'")
    if status in {408, 429} or status >= 500:
        raise _MayPass(f"the server is overloaded or out of order (HTTP {status})")
    if status != 200:
        raise ArtifactFailed(
            f"failed to download artifact from '{url}': the server refuses it (HTTP {status}): "
            "does a proxy or a network policy stand in between?"
        )


def _keep(file: BinaryIO, chunk: bytes, url: str) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise ArtifactFailed(
            f"no room for the artifact from '{url}': {error.strerror}: give the folder named by "
            "--storage-path more space"
        ) from error
