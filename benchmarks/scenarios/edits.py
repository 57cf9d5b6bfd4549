"""Somebody edits live objects by hand; when is each as Git says again?"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import orjson

from benchmarks.bare import Bare
from benchmarks.manifests import Manifest
from benchmarks.workload import TARGET_NAMESPACE, Workload
from benchmarks.world import World
from engine.objects.ref import Object

_LABEL = "app"  # what is edited; every object of a fleet has it
WRONG: Manifest = {"metadata": {"labels": {_LABEL: "edited-by-hand"}}}


@dataclass(frozen=True, slots=True)
class Target:
    """An object that is edited; wanted: the label's value in Git."""

    api_version: str
    kind: str
    name: str
    wanted: str


def targets(workload: Workload) -> list[Target]:
    """All objects, Kustomization by Kustomization, without those of the last one."""
    return [
        Target(obj["apiVersion"], obj["kind"], obj["metadata"]["name"], name)
        for name in workload.names[:-1] or workload.names
        for obj in workload.manifests(name)
    ]


async def edit(client: Bare, world: World, target: Target) -> int:
    """The object's resource version after it was given a wrong label."""
    resource = await world.client.resource(target.api_version, target.kind)
    answer = await client.merge(resource.path(TARGET_NAMESPACE, target.name), WRONG)
    return int(orjson.loads(answer)["metadata"]["resourceVersion"])


@dataclass(slots=True)
class Corrections:
    """What a watch says of every object of a fleet."""

    world: World
    wanted: Mapping[tuple[str, str], Target]
    """By (kind, name)."""
    right: dict[Target, tuple[int, float]] = field(default_factory=dict)
    """{object: the last resource version in which it was as in Git, and when that was seen}."""
    news: anyio.Event = field(default_factory=anyio.Event)

    def note(self, obj: Object) -> None:
        """Takes an object as it is now."""
        metadata = obj["metadata"]
        target = self.wanted.get((obj["kind"], metadata["name"]))
        if target is None or metadata.get("labels", {}).get(_LABEL) != target.wanted:
            return
        self.right[target] = int(metadata["resourceVersion"]), self.world.clock.monotonic()
        self.news.set()

    async def corrected(
        self, edited: Mapping[Target, int], half: anyio.Event | None = None
    ) -> dict[Target, float]:
        """When each was right again after its edit of that resource version; monotonic.

        half: set once half of them are.
        """
        missing, found = dict(edited), {}
        while True:
            for target, version in list(missing.items()):
                right, instant = self.right.get(target, (0, 0.0))
                if right > version:
                    found[target] = instant
                    del missing[target]
            if half is not None and len(found) >= len(edited) / 2:
                half.set()
            if not missing:
                return found
            self.news = anyio.Event()
            await self.news.wait()
            await self.world.clock.sleep(0.002)  # many come at once


@asynccontextmanager
async def corrections(world: World, workload: Workload) -> AsyncIterator[Corrections]:
    """Watches every kind of the fleet while inside."""
    wanted = {(each.kind, each.name): each for each in targets(workload)}
    seen = Corrections(world, wanted)

    async def follow(api_version: str, kind: str) -> None:
        async with aclosing(world.objects(api_version, kind, TARGET_NAMESPACE)) as objects:
            async for obj in objects:
                seen.note(obj)

    async with anyio.create_task_group() as tasks:
        for api_version, kind in sorted(
            {(each.api_version, each.kind) for each in wanted.values()}
        ):
            tasks.start_soon(follow, api_version, kind)
        yield seen
        tasks.cancel_scope.cancel()
