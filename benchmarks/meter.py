"""What a run cost: requests by who, verb and resource, CPU seconds, peak memory, latencies.

Linux only: processes are read from /proc.
"""

import math
import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

Requests = dict[str, dict[str, int]]
"""{first word of the user agent: {"verb resource.group/subresource": count}}."""

_PROC = Path("/proc")
_TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that an API server got; at: seconds since 1970; what: `verb resource`."""

    at: float
    agent: str
    what: str


def seen_in(events: Iterable[Mapping[str, Any]]) -> list[Seen]:
    """The requests of an audit log, each once, though it logs a watch at its start and its end."""
    found = {event["auditID"]: event for event in events}
    return [
        Seen(
            datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
            agent_of(event.get("userAgent", "")),
            f"{_verb(event)} {_resource(event)}",
        )
        for event in found.values()
    ]


def agent_of(header: str) -> str:
    """`lockstep` of `lockstep/0.1.0 (linux)`."""
    return header.partition("/")[0] or "unknown"


def _verb(event: Mapping[str, Any]) -> str:
    is_dry = "dryRun=All" in event["requestURI"]
    return f"dry-run-{event['verb']}" if is_dry else str(event["verb"])


def _resource(event: Mapping[str, Any]) -> str:
    ref = event.get("objectRef")
    if not ref:
        path = event["requestURI"].partition("?")[0]
        return "/".join(path.split("/")[:3])  # /openapi/v3, whatever the document
    return resource_title(ref["resource"], ref.get("apiGroup", ""), ref.get("subresource", ""))


def resource_title(plural: str, group: str, subresource: str) -> str:
    """`deployments.apps/scale`."""
    return f"{plural}{'.' + group if group else ''}{'/' + subresource if subresource else ''}"


def tally(seen: Iterable[Seen], began_at: float, ended_at: float) -> Requests:
    """The requests that came between two instants, both included, the most frequent first."""
    counts: dict[str, Counter[str]] = {}
    for each in seen:
        if began_at <= each.at <= ended_at:
            counts.setdefault(each.agent, Counter())[each.what] += 1
    return {agent: dict(counter.most_common()) for agent, counter in sorted(counts.items())}


def by_verb(requests: Mapping[str, int]) -> dict[str, int]:
    """{verb: count} of {"verb resource": count}, the most frequent first."""
    counts: Counter[str] = Counter()
    for what, count in requests.items():
        counts[what.partition(" ")[0]] += count
    return dict(counts.most_common())


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and those that it started used so far; cpu: seconds, user and system."""

    cpu: float
    peak_bytes: int

    def since(self, earlier: "Usage") -> "Usage":
        """What was used in between; the peak is that of the whole life."""
        return Usage(round(self.cpu - earlier.cpu, 2), self.peak_bytes)


def usage(pid: int) -> Usage:
    """Of the process, its children that ended, and its children that run."""
    cpu, peak = 0.0, 0
    for each in _family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            # After the program's name, which may hold anything; numbers as in proc(5), from 3.
            fields = (_PROC / f"{each}/stat").read_text().rpartition(")")[2].split()
            cpu += sum(int(ticks) for ticks in fields[11:15]) * _TICK
            peak += _kilobytes(_PROC / f"{each}/status", "VmHWM") * 1024
    return Usage(round(cpu, 2), peak)


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in (_PROC / f"{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _kilobytes(file: Path, name: str) -> int:
    """A line `Name:  123 kB`, 0 if there is none."""
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


def latencies(seconds: Sequence[float]) -> dict[str, float]:
    """First, median, 95th percentile and last, by nearest rank.  Raises ValueError if empty."""
    if not seconds:
        raise ValueError("no latency was measured")
    ordered = sorted(seconds)

    def rank(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    found = {"first": ordered[0], "p50": rank(0.5), "p95": rank(0.95), "last": ordered[-1]}
    return {name: round(value, 3) for name, value in found.items()}


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
