"""Whatever happens to live objects and to the watches, the end is what Git says.

The engine is told of drift: in the end phase nothing runs unless it was queued, so each lost event
would leave an object as it should not be.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.cluster import Forbidden
from engine.objects.ref import Object, Ref
from engine.reconcile.triggers import DRIFT
from tests.support.build import made
from tests.support.clock import ManualClock
from tests.support.reconciling import APP, Workshop
from tests.support.soak import examples

KINDS = {"a": "ConfigMap", "b": "ConfigMap", "s": "Secret"}
LABEL = "kustomize.toolkit.fluxcd.io/name"
OTHERS = "kubectl-edit"


def ref_of(name: str) -> Ref:
    return Ref("", KINDS[name], "ns", name)


async def tasks_run() -> None:
    for _ in range(12):
        await anyio.lowlevel.checkpoint()


@dataclass
class Machine:
    """One Kustomization, others who write its objects, and watches that come and go."""

    shop: Workshop = field(default_factory=lambda: Workshop(clock=ManualClock()))
    desired: dict[str, str] = field(default_factory=dict)
    revision: int = 0
    runs: int = 0

    @property
    def objects(self) -> dict[Ref, dict[str, Any]]:
        return self.shop.client.objects

    async def commit(self, desired: dict[str, str]) -> None:
        self.desired, self.revision = desired, self.revision + 1
        files = {n: made(KINDS[n], n, data={"x": value}) for n, value in desired.items()}
        self.shop.source(f"main@sha1:{self.revision}", **files)

    # What others do

    async def edit(self, name: str, value: str) -> None:
        live = self.objects.get(ref_of(name))
        if live is not None:
            self.shop.client.put({**live, "data": {**live["data"], "x": value}})

    async def adorn(self, name: str, value: str) -> None:
        """A field that is not ours."""
        live = self.objects.get(ref_of(name))
        if live is not None:
            self.shop.client.put({**live, "data": {**live["data"], "theirs": value}})

    async def unlabel(self, name: str) -> None:
        live = self.objects.get(ref_of(name))
        if live is not None:
            labels = {k: v for k, v in live["metadata"].get("labels", {}).items() if k != LABEL}
            self.shop.client.put({**live, "metadata": {**live["metadata"], "labels": labels}})

    async def remove(self, name: str) -> None:
        if ref_of(name) in self.objects:
            self.shop.client.remove(ref_of(name))

    async def make_anew(self, name: str, value: str) -> None:
        """Without anything of ours."""
        await self.remove(name)
        self.shop.client.put(made(KINDS[name], name, data={"x": value}))

    async def disown(self, name: str) -> None:
        """Who wrote what is forgotten, as some backup tools do."""
        live = self.objects.get(ref_of(name))
        if live is not None:
            self.shop.client.put({**live, "metadata": {**live["metadata"], "managedFields": []}})

    async def copy(self, name: str) -> None:
        """An operator copies our label to an object of its own."""
        copied = made("ConfigMap", f"copy-of-{name}", labels={LABEL: "app"})
        if Ref.of(copied) not in self.objects:
            self.shop.client.put(copied)

    async def suspend(self, *, unheard: bool) -> None:
        await self._set_suspend(True, unheard=unheard)

    async def resume(self) -> None:
        """What is queued then is a run for the changed spec, and no correction."""
        await self._set_suspend(False, unheard=False)
        self.seen = 0

    async def _set_suspend(self, wanted: bool, *, unheard: bool) -> None:
        ks = self.objects[APP]
        if bool(ks["spec"].get("suspend")) == wanted:
            return
        metadata = {**ks["metadata"], "generation": ks["metadata"]["generation"] + 1}
        changed = {**ks, "metadata": metadata, "spec": {**ks["spec"], "suspend": wanted}}
        if unheard:  # its watch tells later than those of its objects
            self.shop.client.put(changed)
        else:
            self.shop.tell(changed)

    # What happens to the watches

    async def hold(self, kinds: list[str]) -> None:
        self.shop.client.wire.hold(*kinds)

    async def cut(self, *, forgets: bool) -> None:
        wire = self.shop.client.wire
        if forgets:
            wire.forget()
        wire.cut()
        await tasks_run()
        for _ in range(3):  # the pauses before a new connection
            await self.wait(5)

    async def fall_silent(self) -> None:
        """The connections stay, and for two bookmarks nothing comes."""
        self.shop.clock._now += 121  # type: ignore[union-attr] - a ManualClock
        await tasks_run()

    async def forbid(self, kind: str) -> None:
        """For minutes nobody may watch that kind."""
        if not self.shop.client._refusals.get(f"watch {kind}"):
            self.shop.client.refuse(f"watch {kind}", Forbidden(403, "Forbidden", "no"))
        await self.cut(forgets=False)

    async def double(self) -> None:
        self.shop.client.wire.doubles = not self.shop.client.wire.doubles

    async def wait(self, seconds: float) -> None:
        clock = self.shop.clock
        assert isinstance(clock, ManualClock)
        clock._now += seconds  # without looking whether all tasks are blocked: that takes 0.1 s
        for until, scope in list(clock._sleepers.values()):
            if until <= clock._now:
                scope.cancel()
        self.shop.client.wire.bookmark()
        await tasks_run()

    # What the engine does

    async def work(self) -> None:
        """A run, if one is queued."""
        await tasks_run()
        if APP not in self.shop.pushed:
            return
        is_suspended = bool(self.objects[APP]["spec"].get("suspend"))
        is_first = self.runs == 0 or self.revision != self.seen
        self.seen, self.runs = self.revision, self.runs + 1
        self.shop.pushed.clear()
        calls = len(self.shop.client.calls)
        await self.shop.run(reasons=("test",) if is_first else (DRIFT,))
        if is_suspended and not is_first:  # a commit is judged by what was heard
            assert not [c for c in self.shop.client.calls[calls:] if c.startswith("apply")]
        deleted = {call for call in self.shop.client.calls[calls:] if call.startswith("delete")}
        wanted = {f"delete {ref_of(name)}" for name in self.desired}
        assert not deleted & wanted

    seen: int = 0

    async def race(self, name: str, deed: str, value: str) -> None:
        """Git wants something new of an object, and somebody writes it before our answer comes.

        The events come before the answer, too.
        """
        call, client = f"apply {ref_of(name)}", self.shop.client

        async def work() -> None:
            await tasks_run()
            await (self.edit(name, value) if deed == "edit" else self.remove(name))
            await tasks_run()

        client.after(call, work)
        await self.commit({**self.desired, name: value + "'"})
        await self.work()

    def mistakes(self) -> list[str]:
        """What is not as Git says."""
        found = []
        for name, value in self.desired.items():
            live: Object = self.objects.get(ref_of(name)) or {"metadata": {}, "data": {}}
            labels = live["metadata"].get("labels") or {}
            if live["data"].get("x") != value or labels.get(LABEL) != "app":
                found.append(f"{name}: {live}")
        return found


names, values = st.sampled_from(sorted(KINDS)), st.sampled_from("123")
commits = st.dictionaries(names, values, min_size=1)
Step = tuple[Callable[..., Any], dict[str, Any]]


def step(deed: Callable[..., Any], /, **given_: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(deed), st.fixed_dictionaries(given_))


steps = st.one_of(
    step(Machine.work),
    step(Machine.edit, name=names, value=values),
    step(Machine.unlabel, name=names),
    step(Machine.adorn, name=names, value=values),
    step(Machine.remove, name=names),
    step(Machine.make_anew, name=names, value=values),
    step(Machine.race, name=names, deed=st.sampled_from(["edit", "remove"]), value=values),
    step(Machine.hold, kinds=st.lists(st.sampled_from(["ConfigMap", "Secret"]), unique=True)),
    step(Machine.cut, forgets=st.booleans()),
    step(Machine.double),
    step(Machine.disown, name=names),
    step(Machine.copy, name=names),
    step(Machine.suspend, unheard=st.booleans()),
    step(Machine.resume),
    step(Machine.fall_silent),
    step(Machine.forbid, kind=st.sampled_from(["ConfigMap", "Secret"])),
    step(Machine.commit, desired=commits),
)


@settings(max_examples=examples(15))
@example(  # corrected by a new content, and deleted again before our answer came
    first={"b": "1"},
    story=[
        (Machine.unlabel, {"name": "b"}),
        (Machine.race, {"name": "b", "deed": "remove", "value": "1"}),
    ],
)
@given(first=commits, story=st.lists(steps, max_size=14))
async def test_in_the_end_all_is_as_git_says_and_nothing_goes_on(
    first: dict[str, str], story: list[Step]
) -> None:
    machine = Machine()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(machine.shop.engine.clusters.own.live.serve)
        await tasks_run()
        machine.shop.kustomization()
        await machine.commit(first)
        await machine.work()
        for deed, given_ in story:
            await deed(machine, **given_)
        await machine.hold([])
        await machine.resume()
        await machine.cut(forgets=False)
        before = machine.runs
        for _ in range(25):  # what may not be watched is tried again after 300 s at most
            await machine.wait(20)
            await machine.work()
        mistakes, runs = machine.mistakes(), machine.runs - before
        machine.shop.client.calls.clear()
        machine.shop.pushed.clear()
        await machine.shop.run()
        await tasks_run()
        tasks.cancel_scope.cancel()

    assert mistakes == []
    assert runs <= 6
    assert machine.shop.client.writes() == []
    assert machine.shop.pushed == []
