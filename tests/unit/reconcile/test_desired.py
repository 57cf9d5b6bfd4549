from dataclasses import dataclass, field, replace

import anyio
import pytest

from engine.cluster import Resource
from engine.errors import BuildFailed, BuildStopped
from engine.objects.manifests import dump
from engine.objects.ref import Ref
from engine.plan.policy import Owner
from engine.reconcile.builders import InThread, Statistics
from engine.reconcile.desired import scoped
from engine.render import Remotes, Rendered, Request, render
from engine.runtime import Priority
from engine.source.tree import MemoryTree, Tree
from tests.support.fleet import config_map
from tests.support.memory_client import MemoryClient, kind
from tests.support.processes import until
from tests.support.reconciling import Workshop


@dataclass
class FailsOnce:
    """A builder whose first build fails."""

    failure: BuildFailed
    asked: list[Priority] = field(default_factory=list)

    def statistics(self) -> Statistics:
        return Statistics(0, 0, 0)

    async def build(
        self,
        tree: Tree,
        request: Request,
        priority: Priority,
        remotes: Remotes | None = None,
        *,
        tenant: str = "",
    ) -> Rendered:
        self.asked.append(priority)
        if len(self.asked) == 1:
            raise self.failure
        return await InThread(0).build(tree, request, priority, remotes)


@dataclass
class Hangs:
    """A builder whose builds end when they are told to."""

    begun: list[str] = field(default_factory=list)
    go_on: anyio.Event = field(default_factory=anyio.Event)

    def statistics(self) -> Statistics:
        return Statistics(0, len(self.begun), 0)

    async def build(
        self,
        tree: Tree,
        request: Request,
        priority: Priority,
        remotes: Remotes | None = None,
        *,
        tenant: str = "",
    ) -> Rendered:
        self.begun.append(tree.id)
        await self.go_on.wait()
        return await InThread(0).build(tree, request, priority, remotes)


@pytest.mark.parametrize(
    ("failure", "builds", "said"),
    [
        (BuildFailed("it is wrong"), 1, "False BuildFailed: it is wrong"),
        (BuildStopped("it took too long"), 2, "True ReconciliationSucceeded"),
    ],
)
async def test_of_the_same_tree_only_a_build_that_was_stopped_is_tried_again(
    failure: BuildFailed, builds: int, said: str
) -> None:
    builders = FailsOnce(failure)
    workshop = Workshop()
    workshop.engine = replace(workshop.engine, builders=builders)
    workshop.source("main@sha1:1", web=config_map("web", "flux"))
    workshop.kustomization()

    await workshop.run()
    assert workshop.said() == f"False BuildFailed: {failure}"
    await workshop.run()

    assert len(builders.asked) == builds
    assert workshop.said().startswith(said)


async def test_a_build_is_as_urgent_as_its_run() -> None:
    builders = FailsOnce(BuildStopped("text"))
    workshop = Workshop()
    workshop.engine = replace(workshop.engine, builders=builders)
    workshop.source("main@sha1:1", web=config_map("web", "flux"))
    workshop.kustomization()

    await workshop.run()

    assert builders.asked == [Priority.INTERVAL]


def widgets(*, namespaced: bool) -> Resource:
    return kind("example.com/v1", "Widget", "widgets", namespaced=namespaced)


async def test_a_kind_that_has_another_scope_now_is_built_anew() -> None:
    """kustomize gives a namespace to every kind that it does not know."""
    client = MemoryClient(kinds=[widgets(namespaced=True)])
    workshop = Workshop(client=client)
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    workshop.source("main@sha1:1", w=widget)
    workshop.kustomization(targetNamespace="flux")
    await workshop.run()

    client.remove(Ref("example.com", "Widget", "flux", "w"))  # as its definition is
    client.kinds["example.com", "Widget"] = widgets(namespaced=False)
    await workshop.run()

    entries = workshop.status()["inventory"]["entries"]
    assert [each["id"] for each in entries] == ["_w_example.com_Widget"]


def fleet(builders: Hangs) -> Workshop:
    """A Kustomization whose build of the first revision hangs."""
    workshop = Workshop()
    workshop.engine = replace(workshop.engine, builders=builders)
    workshop.source("main@sha1:1", web=config_map("web", "flux"))
    workshop.kustomization()
    return workshop


async def test_a_newer_revision_ends_a_build_that_hangs() -> None:
    builders = Hangs()
    workshop = fleet(builders)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workshop.run)
        await until(lambda: builders.begun)
        workshop.source("main@sha1:2", web=config_map("other", "flux"))

    assert workshop.told() == []
    builders.go_on.set()
    await workshop.run()
    assert len(builders.begun) == 2
    assert workshop.said().startswith("True ReconciliationSucceeded")
    assert workshop.status()["lastAppliedRevision"] == "main@sha1:2"


async def test_the_build_after_one_that_was_ended_is_let_finish() -> None:
    builders = Hangs()
    workshop = fleet(builders)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workshop.run)
        await until(lambda: builders.begun)
        workshop.source("main@sha1:2", web=config_map("other", "flux"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workshop.run)
        await until(lambda: len(builders.begun) == 2)
        workshop.source("main@sha1:3", web=config_map("another", "flux"))
        await anyio.wait_all_tasks_blocked()
        builders.go_on.set()

    assert workshop.status()["lastAppliedRevision"] == "main@sha1:2"


async def test_a_definition_without_a_group_is_left_to_the_api_server() -> None:
    version = "apiextensions.k8s.io/v1"
    broken = {"apiVersion": version, "kind": "CustomResourceDefinition", "spec": {"scope": "x"}}
    files = {"a.yaml": dump({**broken, "metadata": {"name": "a"}}).encode()}
    built = render(MemoryTree(files), Request())

    desired, is_known = await scoped(
        built, Owner("app", "flux"), MemoryClient().as_client().discovery
    )

    assert [each.name for each in desired.contents] == ["a"]
    assert is_known
