"""Processes as the kernel shows them."""

import os
from collections.abc import Callable
from pathlib import Path

import anyio


def builders_of(pid: int) -> list[int]:
    """The builder processes that a process has started and that still run."""
    return [each for each in children_of(pid) if b"engine.reconcile.builder" in command_of(each)]


def children_of(pid: int) -> list[int]:
    """All that a process has started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(each) for task in tasks for each in (task / "children").read_text().split()]


def is_running(pid: int) -> bool:
    return bool(command_of(pid))


def command_of(pid: int) -> bytes:
    """The command line; empty once the process has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def seconds_of(pid: int) -> float:
    """Of processor time, since its start."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def until(condition: Callable[[], object]) -> None:
    """Returns once it holds: no event tells of other processes."""
    while not condition():  # noqa: ASYNC110
        await anyio.sleep(0.01)
