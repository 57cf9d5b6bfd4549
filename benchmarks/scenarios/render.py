"""Builds alone, without a cluster: beside the Go library, and a fleet of overlays in processes."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from anyio import to_thread
from dulwich.objects import Blob

from benchmarks.overlays import BASES, Overlays
from benchmarks.process import Usage, usage, usage_alone
from benchmarks.scenarios.outcome import Outcome, Sizes
from benchmarks.scenarios.render_cases import cases, compared, overlays
from benchmarks.workload import NAMESPACE, SOURCE, Workload
from benchmarks.world import ENGINE, Arena, fan_out
from engine.objects.ref import Ref
from engine.reconcile.builders import Builders, open_builders
from engine.reconcile.builds import Builds, Desired
from engine.reconcile.readers import Readers
from engine.render import Request
from engine.runtime import Priority, SystemClock
from engine.settings import Settings
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store
from engine.source.tree import Tree

IN_FLIGHT = 4  # builds that are asked for at once: two wait, so that no process does


async def render(_: Arena, workload: Workload, sizes: Sizes) -> Outcome:
    """The open corpus built in this process beside the Go library, and a fleet by two processes.

    The fleet is built cold, then warm, then after a change of one overlay and one of a base.  The
    time of the first covers the start of the processes.
    """
    if not isinstance(workload, Overlays) or workload.objects < 2:
        raise ValueError("an overlay has at least a Deployment and the ConfigMap that it names")
    with TemporaryDirectory(prefix="lockstep-") as path:
        folder = Path(path)
        figures = await to_thread.run_sync(compared, folder / "cases", cases(), "corpus case")
        figures |= await to_thread.run_sync(compared, folder / "some", overlays(), "single overlay")
        outcome = await fleet(Store(folder / "store"), workload)
    outcome.figures = {**figures, **outcome.figures}
    return outcome


async def fleet(store: Store, workload: Overlays) -> Outcome:
    """The fleet built by two processes; store: an empty one."""
    now = SystemClock().monotonic
    files = workload.files()
    tree = stored(store, files)
    before, own_before, began = children(), usage_alone(os.getpid()).cpu, now()
    async with open_builders(Settings()) as builders:
        memory = _Memory(builders)
        await memory.build(tree, workload.names)
        cold, used = now() - began, children().since(before)
        cpu = used.cpu + usage_alone(os.getpid()).cpu - own_before
        outcome = Outcome({"fleet_cold": cold}, {ENGINE: used})
        began, before = now(), children()
        await memory.build(tree, workload.names)
        warm, warm_cpu = now() - began, children().since(before).cpu
        outcome.seconds["fleet_warm"] = warm
        count = workload.kustomizations
        outcome.figures = {
            "overlays a second, cold": count / cold,
            "overlays a second, warm": count / warm,
            "CPU ms an overlay of the builders, cold": used.cpu / count * 1000,
            "CPU ms an overlay of the builders, warm": warm_cpu / count * 1000,
            "CPU ms an overlay of all processes, cold": cpu / count * 1000,
            "overlays a second if all that two cores did were this, cold": 2 * count / cpu,
        }
        for what, path, reached in (
            ("overlay", f"{workload.folder(workload.names[0])}/patch.yaml", 1),
            ("base", f"{workload.base(0)}/app.yaml", len(range(0, count, BASES))),
        ):
            files[path] += b"# another\n"
            tree = stored(store, files)
            began = now()
            concerned = memory.concerned(tree, workload.names)
            await memory.build(tree, concerned)
            outcome.seconds[f"{what}_changed"] = now() - began
            outcome.figures[f"builds after a change of one {what}"] = len(concerned)
            outcome.figures[f"builds beyond those that it reaches, {what}"] = (
                len(concerned) - reached
            )
    return outcome


@dataclass(slots=True)
class _Memory:
    """What the engine keeps of its builds, and the processes that make them."""

    builders: Builders
    builds: Builds = field(default_factory=Builds)
    readers: Readers = field(init=False)

    def __post_init__(self) -> None:
        self.readers = Readers(lambda reader, tree: not self.builds.is_concerned(reader, tree))

    async def build(self, tree: Tree, names: Iterable[str]) -> None:
        """Builds each, and remembers what it has read."""
        await fan_out(names, partial(self._build, tree), IN_FLIGHT)

    async def _build(self, tree: Tree, name: str) -> None:
        request = Request(path=Overlays.folder(name))
        rendered = await self.builders.build(tree, request, Priority.INTERVAL)
        self.builds.keep(owner(name), request, rendered.inputs, Desired())
        self.readers.keep(owner(name), FLEET, tree, rendered.inputs)

    def concerned(self, tree: Tree, names: Iterable[str]) -> list[str]:
        """Those that would build something else of another tree."""
        owners = {owner(name) for name in names}
        return sorted(each.name for each in self.readers.concerned(owners, FLEET, tree))


FLEET = Ref("source.toolkit.fluxcd.io", "GitRepository", NAMESPACE, SOURCE)


def owner(name: str) -> Ref:
    """The Kustomization of that name."""
    return Ref("kustomize.toolkit.fluxcd.io", "Kustomization", NAMESPACE, name)


def stored(store: Store, files: Mapping[str, bytes]) -> GitTree:
    """The files as a tree of Git objects."""
    blobs = {path: Blob.from_string(content) for path, content in files.items()}
    store.add(blobs.values())
    stored = {path: StoredFile(blob.id.decode()) for path, blob in blobs.items()}
    return GitTree(store, write_tree(store, stored))


def children() -> Usage:
    """What the processes that this one started used so far."""
    every, own = usage(os.getpid()), usage_alone(os.getpid())
    return Usage(every.cpu - own.cpu, every.peak_bytes - own.peak_bytes)
