"""Tests run by several processes side by side; each test here starts three interpreters."""

import os
import signal
import sys
from pathlib import Path

import anyio
from anyio.abc import Process

from tests.support.processes import until

ROOT = Path(__file__).parents[2]


async def started(folder: Path, *arguments: str) -> Process:
    """Two processes that run the tests of a folder, which have no part in this project's."""
    command = [sys.executable, "-m", "tests.support.parts", "2", "-q", "-c", os.devnull]
    command += [f"--rootdir={folder}", str(folder), *arguments]
    lean = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # a second of CPU for each process
    return await anyio.open_process(command, cwd=ROOT, stderr=None, env=lean)


async def output_of(process: Process) -> str:
    """All that it says until it ends."""
    assert process.stdout is not None
    pieces = [piece async for piece in process.stdout]
    await process.wait()
    return b"".join(pieces).decode()


def ran(folder: Path) -> list[str]:
    notes = folder / "ran"
    return sorted(notes.read_text().split()) if notes.exists() else []


def write_tests(folder: Path, last: str) -> None:
    """Three files whose tests note that they ran; the last of each ends with a statement."""
    for number in range(3):
        note = f"open({str(folder / 'ran')!r}, 'a').write"
        folder.joinpath(f"test_{number}.py").write_text(
            f"def test_a(): {note}('{number}a ')\n\n"
            f"def test_b():\n    {note}('{number}b ')\n    {last}\n"
        )


async def test_each_test_is_run_once_and_a_failure_is_the_status(tmp_path: Path) -> None:
    write_tests(tmp_path, "assert __name__ != 'test_1', 'a sentence'")

    async with await started(tmp_path) as process:
        said = await output_of(process)

    assert ran(tmp_path) == ["0a", "0b", "1a", "1b", "2a", "2b"]
    assert process.returncode == 1
    assert "AssertionError: a sentence" in said
    assert {line[:3] for line in said.splitlines()} == {"1| ", "2| "}


async def test_if_all_pass_the_status_is_0(tmp_path: Path) -> None:
    write_tests(tmp_path, "pass")

    async with await started(tmp_path) as process:
        await output_of(process)

    assert process.returncode == 0


async def test_a_file_that_cannot_be_imported_is_a_failure_and_the_others_run(
    tmp_path: Path,
) -> None:
    write_tests(tmp_path, "pass")
    tmp_path.joinpath("test_1.py").write_text("import nowhere_to_be_found")

    async with await started(tmp_path) as process:
        said = await output_of(process)

    assert process.returncode == 1
    assert ran(tmp_path) == ["0a", "0b", "2a", "2b"]
    assert "No module named 'nowhere_to_be_found'" in said
    assert said.count(" 1 error in ") == 1


async def test_a_process_that_is_left_without_a_test_is_no_failure_unless_all_are(
    tmp_path: Path,
) -> None:
    write_tests(tmp_path, "pass")
    tmp_path.joinpath("test_3.py").write_text("def test_c(): pass")

    async with (
        await started(tmp_path, "-k", "test_c") as some,
        await started(tmp_path, "-k", "nothing") as none,
    ):
        await output_of(some)
        await output_of(none)

    assert (some.returncode, none.returncode) == (0, 5)


async def test_a_signal_ends_all_in_order(tmp_path: Path) -> None:
    write_tests(tmp_path, "import time; time.sleep(60)")

    async with await started(tmp_path) as process:
        await until(lambda: len(ran(tmp_path)) == 4)
        process.send_signal(signal.SIGINT)
        said = await output_of(process)

    assert process.returncode == 2
    assert said.count("KeyboardInterrupt") >= 2
    assert len(ran(tmp_path)) == 4
