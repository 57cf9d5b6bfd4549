from dataclasses import dataclass, field, replace

import pytest

from engine.errors import BuildFailed, BuildStopped
from engine.reconcile.builders import InThread
from engine.render import Rendered, Request
from engine.runtime import Priority
from engine.source.tree import Tree
from tests.support.fleet import config_map
from tests.support.reconciling import Workshop


@dataclass
class FailsOnce:
    """A builder whose first build fails."""

    failure: BuildFailed
    asked: list[Priority] = field(default_factory=list)

    async def build(self, tree: Tree, request: Request, priority: Priority) -> Rendered:
        self.asked.append(priority)
        if len(self.asked) == 1:
            raise self.failure
        return await InThread(0).build(tree, request, priority)


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
