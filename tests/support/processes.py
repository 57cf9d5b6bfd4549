"""Processes as the kernel shows them."""

import os
from collections.abc import Callable
from pathlib import Path

import anyio


def builders_of(pid: int) -> list[int]:
    """The builder processes that a process has started and that still run."""
    return [each for each in children_of(pid) if b"engine.reconcile.builder" in command_of(each)]


def children_of(pid: int) -> list[int]:
    """All that a process has started and that is not reaped yet.

    Asked of each process: the list that Linux keeps for a parent may leave some out while others
    come and go.
    """
    found = (int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal())
    return [each for each in found if parent_of(each) == pid]


def parent_of(pid: int) -> int:
    """0 if there is no such process any more."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(status.rpartition(b")")[2].split()[1])


def is_running(pid: int) -> bool:
    return bool(command_of(pid))


def command_of(pid: int) -> bytes:
    """The command line; empty once the process has ended.

    It is empty, too, while a program takes the place of another: then it is read again.
    """
    while True:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return b""
        if command or state in (b"Z", b"X"):
            return command


def mapped_by(pid: int) -> str:
    """The files and regions that it has in memory, a line each."""
    return Path(f"/proc/{pid}/maps").read_text()


def seconds_of(pid: int) -> float:
    """Of processor time, since its start."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def until(condition: Callable[[], object]) -> None:
    """Returns once it holds: no event tells of other processes."""
    while not condition():  # noqa: ASYNC110
        await anyio.sleep(0.01)
