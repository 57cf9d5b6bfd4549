"""Builds run in processes of their own: one that hangs or dies concerns nobody else."""

import os
import signal

import anyio
import pytest

from tests.support.builds import fan_out_files
from tests.support.engines import Engines
from tests.support.fleet import Files, Fleet, condition_of, config_map, has_reason, is_ready
from tests.support.processes import builders_of, is_running, until

HANGS: Files = {name: content.decode() for name, content in fan_out_files(40, objects=300).items()}


async def test_a_build_that_hangs_fails_and_leaves_the_others_alone(fleet: Fleet) -> None:
    fleet.commit({"good/web.yaml": config_map("web"), **HANGS})
    await fleet.source()
    await fleet.kustomization("hangs", path="./app", retryInterval="1h")
    for number in range(4):
        await fleet.kustomization(f"good-{number}", path="./good", namePrefix=f"{number}-")

    async with fleet.engine(build_timeout=4.0):
        for number in range(4):
            await fleet.until("Kustomization", f"good-{number}", is_ready)
        assert not has_reason("BuildFailed")(await fleet.get("Kustomization", "hangs") or {})
        failed = await fleet.until("Kustomization", "hangs", has_reason("BuildFailed"))

    message = condition_of(failed)["message"]
    assert "'./app' was not built in 4s, the limit of --build-timeout" in message
    assert builders_of(os.getpid()) == []


async def test_a_builder_that_dies_in_a_build_fails_it_and_the_next_one_is_built(
    fleet: Fleet,
) -> None:
    fleet.commit({"good/web.yaml": config_map("web"), **HANGS})
    await fleet.source()
    await fleet.kustomization("hangs", path="./app", retryInterval="1h")

    async with fleet.engine(concurrent_builds=1):
        failed = anyio.Event()

        async def kill() -> None:
            while not failed.is_set():
                for pid in builders_of(os.getpid()):
                    os.kill(pid, signal.SIGKILL)
                await anyio.sleep(0.2)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kill)
            obj = await fleet.until("Kustomization", "hangs", has_reason("BuildFailed"))
            failed.set()
        assert "ended with SIGKILL" in condition_of(obj)["message"]
        await fleet.kustomization("good", path="./good")
        await fleet.until("Kustomization", "good", is_ready)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_no_builder_outlives_its_engine(
    fleet: Fleet, engines: Engines, end: signal.Signals
) -> None:
    fleet.commit({"good/web.yaml": config_map("web"), **HANGS})
    await fleet.source()
    await fleet.kustomization("hangs", path="./app")
    await fleet.kustomization("good", path="./good")
    engine = await engines.start(fleet, graceful_shutdown_timeout=0.5)
    await fleet.until("Kustomization", "good", is_ready)
    builders = builders_of(engine.pid)

    await engine.end(end)
    await until(lambda: not any(map(is_running, builders)))

    assert builders
