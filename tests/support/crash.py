"""A user's world whose engine is killed again and again: each change to Git replaces objects.

A step commits an update, a create, a delete and a rename, with names that never come back; so an
object that is deleted while wanted, or made twice, is told from one that was to go.
"""

import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import anyio

from engine.api.meta import FINALIZER, KUSTOMIZE_OWNER_NAME
from engine.cluster.watch import EventType, Watch
from engine.objects.ref import Object
from engine.runtime import SystemClock
from tests.support.engines import EngineProcess, Engines
from tests.support.fleet import Fleet, config_map, is_at, is_ready

LEASES = tuple(
    f"{controller}-controller-leader-election"
    for controller in ("kustomize", "source", "notification")
)
CONVERGED = 30.0  # seconds that a fresh engine may take on a busy machine


@dataclass
class World:
    """One namespace with its source, its Kustomizations and the objects that Git wants in it.

    apps: names of Kustomizations, of which each depends on the one before if `chained`.
    """

    fleet: Fleet
    engines: Engines
    apps: Sequence[str]
    chained: bool = False
    step: int = 0
    commit: str = ""
    wanted: dict[str, dict[str, str]] = field(default_factory=dict)
    """{name of a ConfigMap: its data}."""
    wrongs: list[str] = field(default_factory=list)
    uids: dict[str, str] = field(default_factory=dict)

    async def set_up(self) -> None:
        """The first commit, the source and the Kustomizations."""
        self.change()
        await self.fleet.source(timeout="20s")
        before = ""
        for app in self.apps:
            after = {"dependsOn": [{"name": before}]} if before and self.chained else {}
            await self.fleet.kustomization(
                app, path=f"./{app}", wait=True, retryInterval="1s", timeout="20s", **after
            )
            before = app

    def change(self) -> None:
        """Commits the next step: of each app one object changes, comes, goes and is renamed."""
        self.step += 1
        old, new = self.step - 1, self.step
        files: dict[str, Any] = {}
        wanted: dict[str, dict[str, str]] = {}
        for app in self.apps:
            data = {
                f"{app}-stays": {"for": "ever"},
                f"{app}-changes": {"step": str(new)},
                f"{app}-comes-{new}": {"step": str(new)},
                f"{app}-moves-{new}": {"same": "content"},
            }
            wanted |= data
            files |= {f"{app}/{name}.yaml": config_map(name, **data[name]) for name in data}
            if old:
                files |= {f"{app}/{app}-{what}-{old}.yaml": None for what in ("comes", "moves")}
        self.wanted = wanted
        self.commit = self.fleet.commit(files, f"step {new}")

    async def ask(self) -> None:
        """What `flux reconcile source` does."""
        await self.fleet.request("GitRepository", "fleet", f"step-{self.step}")

    async def start(self, *, kill_at: int = 0, takes_over: bool = False) -> EngineProcess:
        """A fresh engine; its dead predecessor's Leases are removed, unless it `takes_over`."""
        if not takes_over:
            for name in LEASES:
                await self.fleet.delete("Lease", name)
        return await self.engines.start(self.fleet, kill_at=kill_at)

    async def is_converged(self) -> None:
        """Returns once every Kustomization says that it has applied the newest commit."""
        for app in self.apps:
            await self.fleet.until("Kustomization", app, is_at(self.commit))
        source = await self.fleet.until("GitRepository", "fleet", is_ready)
        assert source["status"]["artifact"]["revision"] == f"main@sha1:{self.commit}"
        path = source["status"]["artifact"]["path"]
        assert list(self.fleet.folder.glob(f"*/artifacts/{path}"))

    async def is_tidy(self) -> None:
        """Returns once nothing is put off any more, as it was for who was not built yet."""
        with anyio.fail_after(CONVERGED):
            for name in (await self.live()).keys() - self.wanted.keys():
                await self.fleet.until_gone("ConfigMap", name)
            for app in self.apps:
                await self.fleet.until("Kustomization", app, self._holds_its_own(app))

    def _holds_its_own(self, app: str) -> Callable[[Object], bool]:
        own = {name for name in self.wanted if name.startswith(f"{app}-")}
        ids = {f"{self.fleet.namespace}_{name}__ConfigMap" for name in own}
        return lambda ks: {each["id"] for each in ks["status"]["inventory"]["entries"]} == ids

    async def check(self) -> None:
        """Everything wanted is there, nothing else is, and what stayed was never made anew."""
        live = await self.live()
        found = {name: obj["data"] for name, obj in live.items()}
        names = found.keys() | self.wanted.keys()
        wrong = {n: (found.get(n), self.wanted.get(n)) for n in sorted(names)}
        wrong = {name: both for name, both in wrong.items() if both[0] != both[1]}
        assert not wrong, f"step {self.step}, {{name: (there, wanted)}}: {wrong}"
        for app in self.apps:
            ks = await self.fleet.get("Kustomization", app)
            assert ks is not None
            assert ks["metadata"]["finalizers"] == [FINALIZER]
            assert self._holds_its_own(app)(ks), ks["status"]["inventory"]
        now = {name: obj["metadata"]["uid"] for name, obj in live.items()}
        again = {n for n, uid in self.uids.items() if n in now and now[n] != uid}
        assert not again, f"made anew: {again}"
        assert not self.wrongs
        self.uids = now

    async def live(self) -> Mapping[str, Object]:
        """By name: the ConfigMaps that the engine applied."""
        resource = await self.fleet.resource("ConfigMap")
        listed = await self.fleet.client.list(
            resource, self.fleet.namespace, label_selector=KUSTOMIZE_OWNER_NAME
        )
        return {obj["metadata"]["name"]: obj for obj in listed.items}

    async def guard(self) -> None:
        """Notes, for ever, each deletion of an object that Git wants."""
        resource = await self.fleet.resource("ConfigMap")
        watch = Watch(self.fleet.client, resource, SystemClock(), Random(0), self.fleet.namespace)
        async with aclosing(watch.events()) as events:
            async for event in events:
                if event.type is EventType.DELETED:
                    name = event.obj["metadata"]["name"]
                    if name in self.wanted:
                        self.wrongs.append(f"{name} was deleted in step {self.step}")

    async def survived(self, engine: EngineProcess) -> bool:
        """As `settled`, and the engine lives on after what a run does behind its status."""
        if await self.settled(engine):
            with anyio.move_on_after(0.3):
                await engine.ended.wait()
        return not engine.ended.is_set()

    async def settled(self, engine: EngineProcess) -> bool:
        """Waits until the newest commit is applied or the engine is dead; whether it lives."""
        async with anyio.create_task_group() as either:

            async def died() -> None:
                await engine.ended.wait()
                either.cancel_scope.cancel()

            either.start_soon(died)
            with anyio.move_on_after(CONVERGED) as waiting:
                await self.is_converged()
            if waiting.cancelled_caught:
                engine.send(signal.SIGUSR1)
                await anyio.sleep(1)
                raise AssertionError(f"it hangs: {engine.said()}")
            either.cancel_scope.cancel()
        return not engine.ended.is_set()


@asynccontextmanager
async def world_at(
    fleet: Fleet, engines: Engines, apps: Sequence[str], *, chained: bool = False
) -> AsyncIterator[World]:
    """A World that is watched for wrong deletions; not converged yet."""
    world = World(fleet, engines, apps, chained)
    await world.set_up()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.guard)
        yield world
        tasks.cancel_scope.cancel()


def folder_of(tmp_path: Path, name: str) -> Path:
    """A folder of its own for one of several worlds."""
    folder = tmp_path / name
    folder.mkdir()
    return folder
