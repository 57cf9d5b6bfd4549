"""What sources hold now, and who waits for it."""

from functools import partial

import anyio

from engine.objects.ref import Object
from engine.reconcile.artifacts import Artifacts
from engine.source.artifact import Artifact
from tests.support.reconciling import SOURCE


async def no_download(described: Object) -> Artifact:
    raise AssertionError(f"nothing is downloaded here: {described}")


async def test_whoever_waits_for_a_source_is_told_when_it_goes_and_nothing_is_kept() -> None:
    artifacts, ended = Artifacts(no_download), list[str]()

    async def wait(name: str) -> None:
        waits = {
            "arrival": partial(artifacts.arrival, SOURCE),
            "failure": artifacts.failure(SOURCE).wait,
            "tried": artifacts.tried(SOURCE).wait,
        }
        await waits[name]()
        ended.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, "arrival")
        await anyio.wait_all_tasks_blocked()
        artifacts.forget(SOURCE)
        tasks.start_soon(wait, "failure")
        tasks.start_soon(wait, "tried")
        await anyio.wait_all_tasks_blocked()
        artifacts.forget(SOURCE)

    assert sorted(ended) == ["arrival", "failure", "tried"]
    kept = (artifacts._arrivals, artifacts._failures, artifacts._tried)
    assert kept == ({}, {}, {})
