"""Encrypted files alone, without a cluster: cold, unchanged, and one that changed."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from benchmarks.scenarios.outcome import Outcome, Sizes
from benchmarks.scenarios.render import (
    FLEET,
    IN_FLIGHT,
    children,
    owner,
    stored,
)
from benchmarks.sealed import PERSON, Sealed
from benchmarks.workload import Workload
from benchmarks.world import ENGINE, Arena, fan_out
from engine.plugin import Context, KeyRing
from engine.reconcile.builders import Builders, open_builders
from engine.reconcile.builds import Builds, Desired
from engine.reconcile.data_keys import DataKeys
from engine.reconcile.opening import Means, Opening
from engine.reconcile.readers import Readers
from engine.reconcile.remotes import Fetch, built
from engine.render import Decrypting, Remotes, Rendered, Request
from engine.runtime import Priority, SystemClock
from engine.settings import Settings
from engine.source.store import Store
from engine.source.tree import Tree
from plugins import PLUGIN

_TIMEOUT = 300.0  # seconds; no limit of what is measured


async def decrypt(_: Arena, workload: Workload, sizes: Sizes) -> Outcome:
    """1,000 files for an age key: decrypted by two processes, then a commit elsewhere, then of one.

    The time of the first covers the start of the processes.
    """
    if not isinstance(workload, Sealed):
        raise TypeError("the files of this scenario are encrypted ones")
    with TemporaryDirectory(prefix="lockstep-") as path:
        return await fleet(Store(Path(path) / "store"), workload)


async def fleet(store: Store, workload: Sealed) -> Outcome:
    """The fleet decrypted by two processes; store: an empty one."""
    now, files = SystemClock().monotonic, workload.files()
    count = len(files)
    tree = stored(store, files)
    before, began = children(), now()
    async with open_builders(Settings()) as builders:
        memory = _Memory(builders, workload)
        await memory.build(tree, workload.names)
        cold, used = now() - began, children().since(before)
        outcome = Outcome({"cold": cold}, {ENGINE: used})
        outcome.figures = {
            "encrypted files": count,
            "files a second, cold": memory.decrypted / cold,
            "data keys opened, cold": memory.keys.statistics().opened,
            "CPU ms a file of the builders, cold": used.cpu / count * 1000,
        }
        path = workload.path(workload.names[0], 0)
        for what, changed in (("elsewhere", "README"), ("of one file", path)):
            is_sealed = changed == path
            files[changed] = workload.file(workload.names[0], 0) if is_sealed else b"another\n"
            tree = stored(store, files)
            opened, memory.decrypted, began = memory.keys.statistics().opened, 0, now()
            concerned = memory.concerned(tree)
            await memory.build(tree, concerned)
            outcome.seconds[f"commit {what}"] = now() - began
            outcome.figures |= {
                f"builds, commit {what}": len(concerned),
                f"files in those builds, commit {what}": memory.decrypted,
                f"data keys opened, commit {what}": memory.keys.statistics().opened - opened,
            }
    return outcome


@dataclass(slots=True)
class _Memory:
    """What the engine keeps of its builds and keys, and the processes that build."""

    builders: Builders
    workload: Sealed
    builds: Builds = field(default_factory=Builds)
    keys: DataKeys = field(default_factory=lambda: DataKeys(SystemClock(), _TIMEOUT))
    decrypted: int = 0
    readers: Readers = field(init=False)

    def __post_init__(self) -> None:
        self.readers = Readers(lambda reader, tree: not self.builds.is_concerned(reader, tree))

    async def build(self, tree: Tree, names: Iterable[str]) -> None:
        """Builds each, opens what it lacks, and remembers both."""
        await fan_out(names, partial(self._build, tree), IN_FLIGHT)

    async def _build(self, tree: Tree, name: str) -> None:
        ring = KeyRing({"age.agekey": PERSON.key_file})
        opening = Opening(
            Means(ring, "a Secret", "one"), PLUGIN.decryptors, cast("Context", None), self.keys
        )
        fetch = Fetch(cast("Any", None), _TIMEOUT, "the scenario", opening=opening)
        fetch.recall(self.builds.sealed(owner(name)))
        request = Request(path=f"apps/{name}", decryption=Decrypting("one"))

        async def once(remotes: Remotes) -> Rendered:
            return await self.builders.build(tree, request, Priority.INTERVAL, remotes)

        rendered = await built(once, fetch, fetch.bring)
        self.decrypted += rendered.opened.count
        desired = replace(Desired(), opened=rendered.opened)
        self.builds.keep(owner(name), request, rendered.inputs, desired)
        self.readers.keep(owner(name), FLEET, tree, rendered.inputs)

    def concerned(self, tree: Tree) -> list[str]:
        """Those that would build something else of another tree."""
        owners = {owner(name) for name in self.workload.names}
        return sorted(each.name for each in self.readers.concerned(owners, FLEET, tree))
