"""Which line of Git an event names for a field that was corrected."""

import os
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import BuildFailed, BuildStopped
from engine.objects.manifests import dump
from engine.objects.ref import Ref
from engine.reconcile.builder import Job
from engine.reconcile.builders import Bounds, Processes
from engine.render import Request
from engine.runtime import Priority
from engine.source.tree import MemoryTree
from tests.support.build import config
from tests.support.builds import endless
from tests.support.processes import builders_of
from tests.support.reconciling import Workshop

A = Ref("", "ConfigMap", "ns", "a")
HEAD = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
TREE = MemoryTree(
    {
        "app/kustomization.yaml": b"resources: [map.yaml]\nnamespace: ns\npatches:\n"
        b"- path: p.yaml\n",
        "app/map.yaml": HEAD + b"  x: a\n  y: b\n",
        "app/p.yaml": HEAD + b"  y: c\n",
    }
)
JOB = Job(TREE, Request(path="app"), wanted={A: (".data.x", ".data.y", ".data.z")})
WANTED = {A: {".data.x": "app/map.yaml:5", ".data.y": "app/p.yaml:5", ".data.z": "app/map.yaml:5"}}
BOUNDS = Bounds(most=1, seconds=9.0, memory_bytes=512 * 2**20, cache_bytes=2**20)


async def corrected(shop: Workshop) -> str:
    """The second line of the event about an edit of the object's data."""
    shop.source("main@sha1:1", a=config("a", data={"x": "1", "y": "2"}))
    shop.kustomization()
    await shop.run()
    shop.told()
    shop.client.put({**shop.client.objects[A], "data": {"x": "edited", "y": "2"}})
    await shop.run()
    return shop.told()[0].splitlines()[1]


async def test_a_patch_of_the_spec_that_set_the_field_is_named() -> None:
    shop = Workshop()
    patch = {"op": "replace", "path": "/data/x", "value": "patched"}
    shop.kustomization(patches=[{"patch": dump([patch]), "target": {"kind": "ConfigMap"}}])

    assert (await corrected(shop)).endswith('now "patched" (spec.patches[0])')


async def test_a_field_of_a_manifest_is_named_with_its_line() -> None:
    assert (await corrected(Workshop())).endswith(
        'corrected (app/a.yaml:1): .data.x was "edited", now "1" (app/a.yaml:3)'
    )


@pytest.mark.parametrize("failure", [BuildStopped("too slow"), BuildFailed("x"), KeyError("bug")])
async def test_without_an_explanation_the_event_has_the_objects_line(failure: Exception) -> None:
    shop = Workshop()

    class Silent(type(shop.engine.builders)):  # type: ignore[misc]  # whichever a workshop has
        async def places(self, job: Job, priority: Priority, tenant: str = "") -> Any:
            raise failure

    shop.engine = replace(shop.engine, builders=Silent(0))

    assert (await corrected(shop)).endswith('(app/a.yaml:1): .data.x was "edited", now "1"')


async def test_a_builder_process_tells_where_fields_stand() -> None:
    builders = Processes(BOUNDS)
    try:
        first = await builders.places(JOB, Priority.DRIFT)
        process = builders_of(os.getpid())
        again = await builders.places(JOB, Priority.DRIFT)

        assert first == again == WANTED
        assert builders_of(os.getpid()) == process
    finally:
        await builders.close()


async def test_an_explanation_is_bound_as_a_build_is() -> None:
    builders = Processes(replace(BOUNDS, seconds=0.2))
    try:
        with pytest.raises(BuildStopped, match="was not built in 200ms"):
            await builders.places(replace(JOB, tree=endless()), Priority.DRIFT)
    finally:
        await builders.close()
