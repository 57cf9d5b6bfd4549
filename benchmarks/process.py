"""What processes use: CPU seconds and memory, children included, and the machine they run on.

Linux only: all of it is read from /proc.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds
_ENDED = (FileNotFoundError, ProcessLookupError)  # what /proc says of a process that is gone


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and those that it started used so far; cpu: seconds, user and system."""

    cpu: float
    peak_bytes: int

    def since(self, earlier: "Usage") -> "Usage":
        """What was used in between; the peak is that of the whole life."""
        return Usage(round(self.cpu - earlier.cpu, 2), self.peak_bytes)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process and its children hold in memory, in bytes.

    resident: pages that several of them share count for each.   proportional: they count once.
    """

    resident: int
    proportional: int


def usage(pid: int) -> Usage:
    """Of the process, its children that ended, and its children that run."""
    cpu, peak = 0.0, 0
    for each in _family(pid):
        with suppress(*_ENDED):
            cpu += sum(_times(each)) * _TICK
            peak += _kilobytes(_PROC / f"{each}/status", "VmHWM") * 1024
    return Usage(round(cpu, 2), peak)


def usage_alone(pid: int) -> Usage:
    """Of the process without its children."""
    own, _ = _times(pid)
    return Usage(round(own * _TICK, 2), _kilobytes(_PROC / f"{pid}/status", "VmHWM") * 1024)


def memory(pid: int) -> Memory:
    """Of the process and its children, now."""
    resident = proportional = 0
    for each in _family(pid):
        with suppress(*_ENDED):
            rollup = _PROC / f"{each}/smaps_rollup"
            resident += _kilobytes(rollup, "Rss") * 1024
            proportional += _kilobytes(rollup, "Pss") * 1024
    return Memory(resident, proportional)


def resident(pid: int) -> int:
    """Bytes of `Memory.resident`, in a way that is cheap enough to look often."""
    found = 0
    for each in _family(pid):
        with suppress(*_ENDED):
            found += _kilobytes(_PROC / f"{each}/status", "VmRSS") * 1024
    return found


def _times(pid: int) -> tuple[int, int]:
    """Ticks of CPU: its own, and those of its children that ended."""
    # After the program's name, which may hold anything; numbers as in proc(5), from 3.
    fields = (_PROC / f"{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, children_user, children_system = (int(ticks) for ticks in fields[11:15])
    return user + system, children_user + children_system


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(*_ENDED):
        for task in (_PROC / f"{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _kilobytes(file: Path, name: str) -> int:
    """A line `Name:  123 kB`, 0 if there is none."""
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


def machine() -> dict[str, Any]:
    """What the figures were measured on; load: of the last minute, processes that want a core."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": _kilobytes(_PROC / "meminfo", "MemTotal") * 1024,
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("lockstep", "aiohttp", "dulwich", "msgspec")},
    }


def _cpu_model() -> str:
    for line in (_PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
