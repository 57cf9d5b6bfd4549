"""A client that does nothing but send: what else is compared with, and what edits by hand."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count, islice

import aiohttp
import orjson

from benchmarks.manifests import Manifest
from benchmarks.meter import OWN
from benchmarks.workload import Workload
from benchmarks.world import Arena, Item, World, fan_out

NAMESPACE = "bare"
"""A namespace that no engine knows."""
_MANAGER = "benchmark-editor"
_WRITES = 2000  # enough for two seconds on a quiet machine
_WARMING = 1.0  # seconds that do not count: connections, the API server's caches
_WITHIN = 5.0  # seconds, for a machine that is not quiet


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


async def pace(arena: Arena, workload: Workload) -> float:
    """Writes a second that a bare client reaches, on a fresh control plane without an engine.

    Server-side applies that create objects as the workload's, as many in flight as edits are.
    """
    async with arena.world() as world, bare(world) as client:
        await world.create_namespace(NAMESPACE)
        objects = (obj for n in count() for obj in workload.manifests(f"app-{n:04d}"))
        items = iter([(await path(world, obj), obj) for obj in islice(objects, 2 * _WRITES)])
        now, done = world.clock.monotonic, 0

        async def apply(item: tuple[str, Manifest]) -> None:
            nonlocal done
            await client.apply(*item)
            done += 1

        await fan_out(islice(_until(now() + _WARMING, now, items), _WRITES), apply)
        done, began = 0, now()
        await fan_out(islice(_until(began + _WITHIN, now, items), _WRITES), apply)
        return done / (now() - began)


async def path(world: World, obj: Manifest) -> str:
    """Where an object is in the namespace of the bare client."""
    resource = await world.client.resource(obj["apiVersion"], obj["kind"])
    return resource.path(NAMESPACE, obj["metadata"]["name"])


def _until(end: float, now: Callable[[], float], items: Iterator[Item]) -> Iterator[Item]:
    for item in items:
        yield item
        if now() >= end:
            return
