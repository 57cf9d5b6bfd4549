"""A client that does nothing but send: what else is compared with, and what edits by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import orjson

from benchmarks.manifests import Manifest
from benchmarks.meter import OWN
from benchmarks.world import World

_MANAGER = "benchmark-editor"


@dataclass(frozen=True, slots=True)
class Bare:
    """PATCH and nothing else; no retries, no limits, no decoding."""

    session: aiohttp.ClientSession

    async def apply(self, path: str, obj: Manifest) -> bytes:
        """The answer to a server-side apply that takes over what others own."""
        how = {"fieldManager": _MANAGER, "force": "true"}
        return await self._patch(path, "application/apply-patch+yaml", obj, how)

    async def merge(self, path: str, patch: Manifest) -> bytes:
        """The answer to an RFC 7386 patch."""
        how = {"fieldManager": _MANAGER}
        return await self._patch(path, "application/merge-patch+json", patch, how)

    async def _patch(
        self, path: str, content_type: str, body: Manifest, how: dict[str, str]
    ) -> bytes:
        headers = {"Content-Type": content_type, "User-Agent": f"{OWN}/0"}
        async with self.session.patch(
            path, params=how, data=orjson.dumps(body), headers=headers
        ) as answer:
            content = await answer.read()
            if not answer.ok:
                raise RuntimeError(f"PATCH {path}: {answer.status} {content.decode()}")
            return content


@asynccontextmanager
async def bare(world: World) -> AsyncIterator[Bare]:
    """One as administrator, while inside."""
    async with world.server.session() as session:
        yield Bare(session)
