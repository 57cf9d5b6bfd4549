"""Run tests in several pytest processes side by side: `python -m tests.support.parts N ARGS`.

Each has control planes of its own.  Lines are told as they come, with the number of the process
before them; the status is that of the first process that failed.  A process that found no test to
run has not, as long as another one did.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE, STDOUT

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

MORTAL = Path(__file__).with_name("mortal.py")
NOTHING_RUN = 5  # pytest.ExitCode.NO_TESTS_COLLECTED, without pytest


async def run(count: int, arguments: Sequence[str]) -> int:
    """The status of pytest with those arguments, run by `count` processes."""
    with tempfile.TemporaryDirectory(prefix="lockstep-claims-") as claims:
        command = [sys.executable, str(MORTAL), str(os.getpid()), sys.executable, "-m", "pytest"]
        command += ["-p", "tests.support.claims", f"--claims={claims}"]
        command += ["-p", "no:cacheprovider", "-o", "console_output_style=count"]  # all share it
        command += arguments
        statuses = [0] * count
        async with anyio.create_task_group() as tasks:
            processes = [await started(command) for _ in range(count)]
            async with anyio.create_task_group() as parts:
                tasks.start_soon(pass_on, processes)
                for number, process in enumerate(processes):
                    parts.start_soon(follow, number, process, statuses)
            tasks.cancel_scope.cancel()
    if all(status == NOTHING_RUN for status in statuses):
        return NOTHING_RUN
    return next((status for status in statuses if status not in (0, NOTHING_RUN)), 0)


async def started(command: Sequence[str]) -> Process:
    # A session of its own: what a person or CI sends comes once, from here.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # a line is told when it is whole
    return await anyio.open_process(
        command, stdout=PIPE, stderr=STDOUT, env=environment, start_new_session=True
    )


async def follow(number: int, process: Process, statuses: list[int]) -> None:
    """Tells what a process says, line by line, and notes its status."""
    assert process.stdout is not None
    rest = ""
    async for text in TextReceiveStream(process.stdout, errors="replace"):
        *lines, rest = (rest + text).split("\n")
        tell(number, lines)
    tell(number, [rest] if rest else [])
    statuses[number] = await process.wait()


def tell(number: int, lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{number + 1}| {line}\n" for line in lines))
    sys.stdout.flush()


async def pass_on(processes: Sequence[Process]) -> None:
    """Each signal that asks to end is for all; they end in order."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async for each in signals:
            for process in processes:
                if process.returncode is None:
                    process.send_signal(each)


if __name__ == "__main__":
    sys.exit(anyio.run(run, int(sys.argv[1]), sys.argv[2:]))
