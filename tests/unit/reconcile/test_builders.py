import os
import pickle
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest

from engine.errors import ArtifactFailed, BuildFailed, BuildStopped, Failure
from engine.reconcile.builders import Bounds, InThread, Processes, open_builders
from engine.render import Lacking, Needs, Request, render
from engine.runtime import Priority
from engine.settings import Settings
from engine.source.author import commit_files, create_repository
from engine.source.git_commit import parse_commit
from engine.source.git_tree import GitTree
from engine.source.store import Store
from engine.source.tree import MemoryTree
from tests.support.builds import Unreadable, bulk, endless, plain
from tests.support.processes import (
    builders_of,
    command_of,
    is_running,
    mapped_by,
    seconds_of,
    until,
)

pytestmark = pytest.mark.slow  # each starts processes
BOUNDS = Bounds(most=1, seconds=9.0, memory_bytes=512 * 2**20, cache_bytes=2**20)
ROOT = Path(__file__).parents[3]
REQUEST = Request(path="app")


@asynccontextmanager
async def processes(bounds: Bounds = BOUNDS) -> AsyncIterator[Processes]:
    builders = Processes(bounds)
    try:
        yield builders
    finally:
        await builders.close()


def children() -> list[int]:
    return builders_of(os.getpid())


async def test_a_build_in_a_process_gives_what_one_in_this_process_gives() -> None:
    async with processes() as builders:
        rendered = await builders.build(plain(), REQUEST, Priority.INTERVAL)

    assert rendered == render(plain(), REQUEST)


async def test_a_process_that_builds_holds_no_openssl() -> None:
    async with processes() as builders:
        await builders.build(plain(), REQUEST, Priority.INTERVAL)
        [pid] = children()
        mapped = mapped_by(pid)

    assert "libcrypto" not in mapped  # 3.7 MB of each


async def test_a_git_tree_is_read_by_the_process_itself_even_what_came_after_its_first_build(
    tmp_path: Path,
) -> None:
    create_repository(tmp_path)
    store = Store(tmp_path)
    async with processes() as builders:
        for name in ("first", "second"):
            text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"
            commit = commit_files(tmp_path, {"app/map.yaml": text.encode()}, name)
            tree = GitTree(store, parse_commit(commit, store.commit(commit)).tree)
            rendered = await builders.build(tree, REQUEST, Priority.INTERVAL)

            assert [each.ref.name for each in rendered.objects] == [name]


@pytest.mark.parametrize(
    ("files", "request_", "failure", "text"),
    [
        ({}, REQUEST, ArtifactFailed, "kustomization path not found: 'app'"),
        ({"app/x.yaml": b"a: [\n"}, REQUEST, BuildFailed, "kustomize build failed: app/x.yaml"),
    ],
)
async def test_what_is_wrong_with_a_build_is_raised_here(
    files: dict[str, bytes], request_: Request, failure: type[Failure], text: str
) -> None:
    async with processes() as builders:
        with pytest.raises(failure, match=text):
            await builders.build(MemoryTree(files), request_, Priority.INTERVAL)
        first = children()
        await builders.build(plain(), REQUEST, Priority.INTERVAL)

        assert children() == first


async def test_what_a_build_lacks_is_raised_here() -> None:
    base = "https://github.com/example/fleet//base?ref=v1"
    tree = MemoryTree({"app/kustomization.yaml": f"resources: ['{base}']\n".encode()})
    async with processes() as builders:
        with pytest.raises(Lacking) as lacking:
            await builders.build(tree, REQUEST, Priority.INTERVAL)

    assert lacking.value.needs == Needs(files=frozenset({base}))


async def test_an_error_that_nobody_expects_is_raised_here_with_its_traceback() -> None:
    async with processes() as builders:
        with pytest.raises(RuntimeError, match="cannot read app/") as raised:
            await builders.build(Unreadable({"app/map.yaml": b""}), REQUEST, Priority.INTERVAL)

    assert "tests/support/builds.py" in raised.value.__notes__[0]


@pytest.mark.parametrize(
    "failure",
    [
        BuildFailed("text", retry_after=3.0, told="other"),
        ArtifactFailed("text"),
        BuildStopped("text", told="other"),
    ],
)
def test_a_failure_crosses_whole(failure: Failure) -> None:
    sent = pickle.loads(pickle.dumps(failure))

    assert type(sent) is type(failure)
    assert vars(sent) == vars(failure)
    assert str(sent) == str(failure)


async def test_a_build_that_hangs_fails_alone() -> None:
    bounds = replace(BOUNDS, most=2, seconds=5.0)  # the good one starts a process, too
    outcomes: list[str] = []

    async def hang() -> None:
        with pytest.raises(BuildStopped, match=r"'app' was not built in 5s, the limit of --build"):
            await builders.build(endless(), REQUEST, Priority.INTERVAL)
        outcomes.append("hung")

    async with processes(bounds) as builders, anyio.create_task_group() as tasks:
        tasks.start_soon(hang)
        await builders.build(plain(), REQUEST, Priority.INTERVAL)
        outcomes.append("built")

    assert outcomes == ["built", "hung"]


async def test_after_one_that_hung_the_next_build_gets_a_new_process() -> None:
    async with processes(replace(BOUNDS, seconds=1.0)) as builders:
        await builders.start()
        [hung] = children()
        with pytest.raises(BuildStopped):
            await builders.build(endless(), REQUEST, Priority.INTERVAL)

        assert children() == []
        assert not is_running(hung)

    async with processes() as builders:
        assert (await builders.build(plain(), REQUEST, Priority.INTERVAL)).objects


async def test_a_process_that_dies_in_a_build_fails_it_and_says_how() -> None:
    async with processes() as builders:

        async def kill() -> None:
            await until(children)
            os.kill(children()[0], signal.SIGKILL)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kill)
            with pytest.raises(BuildStopped, match="that built 'app' ended with SIGKILL"):
                await builders.build(endless(), REQUEST, Priority.INTERVAL)

        assert (await builders.build(plain(), REQUEST, Priority.INTERVAL)).objects


async def test_a_process_that_died_while_idle_is_replaced() -> None:
    async with processes() as builders:
        await builders.start()
        [idle] = children()
        os.kill(idle, signal.SIGKILL)
        await until(lambda: not children())
        await anyio.wait_all_tasks_blocked()

        assert (await builders.build(plain(), REQUEST, Priority.INTERVAL)).objects


async def test_all_processes_but_one_end_when_nothing_is_to_be_built() -> None:
    bounds = replace(BOUNDS, most=2, seconds=30.0, idle=0.2)
    async with processes(bounds) as builders:
        await builders.start()
        [first] = children()
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(builders.build, plain(), REQUEST, Priority.INTERVAL)
        await until(lambda: children() == [first])
        await until(lambda: builders.statistics().idle == 1)

        assert (await builders.build(plain(), REQUEST, Priority.INTERVAL)).objects
        assert children() == [first]


async def test_when_the_process_that_stays_is_killed_another_one_stays() -> None:
    async with processes() as builders:
        await builders.start()
        [first] = children()
        os.kill(first, signal.SIGKILL)
        await until(lambda: not children())
        await builders.build(plain(), REQUEST, Priority.INTERVAL)

        [second] = children()
        assert command_of(second).split(b"\0")[-2] == b"0.0"  # seconds that it waits: for ever


async def test_a_build_that_takes_too_much_memory_fails_alone() -> None:
    async with processes(replace(BOUNDS, memory_bytes=100 * 2**20)) as builders:
        with pytest.raises(BuildStopped, match="'app' takes more than 100 MiB of memory to build"):
            await builders.build(bulk(3, "x" * 10_000_000), REQUEST, Priority.INTERVAL)

        assert children() == []
        assert (await builders.build(plain(), REQUEST, Priority.INTERVAL)).objects


async def test_a_cancelled_build_leaves_no_process() -> None:
    async with processes() as builders:
        with anyio.move_on_after(0.5):
            await builders.build(endless(), REQUEST, Priority.INTERVAL)

        assert children() == []
        assert builders.statistics().building == 0


async def test_a_build_that_is_cancelled_while_its_process_starts_leaves_none() -> None:
    async with processes() as builders, anyio.create_task_group() as tasks:
        tasks.start_soon(builders.build, plain(), REQUEST, Priority.INTERVAL)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert children() == []


async def test_who_waits_for_a_process_goes_by_priority_and_may_give_up() -> None:
    order: list[str] = []

    async def build(name: str, priority: Priority) -> None:
        await builders.build(plain(), REQUEST, priority)
        order.append(name)

    async with processes() as builders, anyio.create_task_group() as tasks:
        for name, priority in (
            ("first", Priority.INTERVAL),
            ("second", Priority.INTERVAL),
            ("manual", Priority.MANUAL),
        ):
            tasks.start_soon(build, name, priority)
            await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(0):
            await builders.build(plain(), REQUEST, Priority.MANUAL)

    assert order == ["first", "manual", "second"]


@pytest.mark.parametrize("priority", [Priority.MANUAL, Priority.INTERVAL])
async def test_builds_of_one_tenant_that_hang_keep_no_other_waiting(priority: Priority) -> None:
    async with processes(replace(BOUNDS, most=2)) as builders, anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(
                partial(builders.build, endless(), REQUEST, Priority.MANUAL, tenant="noisy")
            )
        await until(lambda: builders.statistics().building == 2)

        built = await builders.build(plain(), REQUEST, priority, tenant="calm")

        assert built.objects
        assert builders.statistics().building == 2  # none of the others has ended
        tasks.cancel_scope.cancel()


async def test_tenants_beyond_the_bound_are_few() -> None:
    async with processes(replace(BOUNDS, most=1)) as builders, anyio.create_task_group() as tasks:
        for tenant in ("a", "b", "c", "d"):
            tasks.start_soon(
                partial(builders.build, endless(), REQUEST, Priority.INTERVAL, tenant=tenant)
            )
        await until(lambda: len(children()) == 2)

        assert (builders.statistics().building, builders.statistics().waiting) == (2, 2)
        tasks.cancel_scope.cancel()


async def test_builders_leave_nothing_behind() -> None:
    async with open_builders(Settings()) as builders:
        await builders.build(plain(), REQUEST, Priority.INTERVAL)
        assert len(children()) == 1

    assert children() == []


async def test_builders_without_processes_build_in_a_thread() -> None:
    async with open_builders(Settings(concurrent_builds=0)) as builders:
        assert isinstance(builders, InThread)
        rendered = await builders.build(plain(), REQUEST, Priority.INTERVAL)

    assert rendered == render(plain(), REQUEST)
    assert children() == []


ENGINE = textwrap.dedent("""
    import anyio
    from engine.reconcile.builders import Bounds, Processes
    from engine.render import Request
    from engine.runtime import Priority
    from tests.support.builds import endless

    async def main():
        builders = Processes(Bounds(2, 60.0, 0, 0))
        await builders.start()
        await builders.start()
        await builders.build(endless(), Request(path="app"), Priority.INTERVAL)

    anyio.run(main)
""")


async def test_no_process_outlives_an_engine_that_is_killed() -> None:
    command = [sys.executable, "-c", ENGINE]
    async with await anyio.open_process(command, stderr=None, cwd=ROOT) as engine:
        await until(lambda: len(builders_of(engine.pid)) == 2)
        found = builders_of(engine.pid)
        await until(lambda: any(seconds_of(pid) > 0.6 for pid in found))  # it builds
        engine.kill()
    await until(lambda: not any(map(is_running, found)))
