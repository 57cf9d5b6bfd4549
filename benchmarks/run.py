"""One scenario, measured for our engine and for each peer: the result that is written."""

import pstats
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import anyio

from benchmarks.bare import pace
from benchmarks.peer import OURS, Competitor, Ours, Peer
from benchmarks.process import machine
from benchmarks.scenarios import SCENARIOS, Outcome, Sizes
from benchmarks.workload import Workload
from benchmarks.world import Arena, EngineEnded
from engine.cli.problems import unwrapped
from engine.reconcile.run import rfc3339
from engine.runtime import SystemClock

RATE = "bare client, writes a second"
"""The figure by which those of two machines can be compared."""
NO_SERVER = "no"
"""In place of the API server, in the result of a scenario that needs none."""
_HOTTEST = 15  # functions of a profile that are kept


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be measured; limit: seconds for each engine.

    log: file for what the engines say, "" for one that goes away.
    """

    scenario: str
    workload: Workload
    sizes: Sizes = field(default_factory=Sizes)
    server: str = "real"
    ours: Ours = field(default_factory=Ours)
    peers: Sequence[Peer] = ()
    limit: float = 600.0
    log: str = ""


async def measured(wish: Wish) -> dict[str, Any]:
    """The result, as it is written to the JSON: ours, and below `peers` those of the others."""
    started_at, environment = SystemClock().wall(), machine()
    ours = Arena(wish.server, wish.ours, wish.log)
    outcome = await _outcome(wish, ours)
    result: dict[str, Any] = {
        "scenario": wish.scenario,
        "at": rfc3339(started_at),
        "server": wish.server if SCENARIOS[wish.scenario].has_server else NO_SERVER,
        "arguments": list(wish.ours.arguments),
        "profiled": bool(wish.ours.profile),
        "workload": asdict(wish.workload),
        "sizes": asdict(wish.sizes),
        "machine": {**environment, "kubernetes": ours.kubernetes},
        **_plain(outcome),
    }
    if wish.ours.profile:
        result["profile"] = hottest(Path(wish.ours.profile))
    result["peers"] = {peer.name: await beside(wish, peer) for peer in wish.peers}
    return result


async def beside(wish: Wish, peer: Peer) -> dict[str, Any]:
    """The result of a peer; without figures, but with `not_done`, if it does not get there."""
    try:
        return _plain(await _outcome(wish, Arena(wish.server, peer, _log_of(wish.log, peer))))
    except Exception as problem:
        error = unwrapped(problem)
        if isinstance(error, TimeoutError):
            why = f"not within {wish.limit:g} s"
        elif isinstance(error, EngineEnded):
            why = str(error).partition(";")[0]  # what follows is its log, with paths
        else:
            raise
    return {**_plain(Outcome()), "not_done": why}


async def _outcome(wish: Wish, arena: Arena) -> Outcome:
    """The scenario's, and what a bare client reaches just before: it tells machines apart."""
    scenario = SCENARIOS[wish.scenario]
    rate = await pace(arena, wish.workload) if scenario.has_server else None
    with anyio.fail_after(wish.limit):
        outcome = await scenario.run(arena, wish.workload, wish.sizes)
    if rate is not None:
        outcome.figures |= paced(outcome, rate)
    return outcome


def paced(outcome: Outcome, rate: float) -> dict[str, float]:
    """What a bare client does; and where all of a scenario is writing, how long for as much."""
    found = {RATE: rate}
    if writes := outcome.figures.get("writes"):
        alone = writes / rate
        found["bare client, seconds for as many writes"] = alone
        found["last ready / bare client"] = outcome.seconds["last_ready"] / alone
    return found


def _log_of(log: str, competitor: Competitor) -> str:
    return f"{log}.{competitor.name}" if log and competitor.name != OURS else log


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {
        **asdict(outcome),
        "seconds": rounded(outcome.seconds),
        "figures": rounded(outcome.figures),
    }


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """To thousandths: what lies behind is noise."""
    return {name: round(figure, 3) for name, figure in figures.items()}


def hottest(profile: Path) -> list[dict[str, Any]]:
    """The functions of a cProfile that took the most time themselves, most first; seconds."""
    stats = pstats.Stats(str(profile)).stats  # type: ignore[attr-defined] # which has no other way
    rows = [
        {"function": _title(*where), "calls": calls, "own": round(own, 3), "all": round(every, 3)}
        for where, (_, calls, own, every, _) in stats.items()
    ]
    return sorted(rows, key=lambda row: -row["own"])[:_HOTTEST]


def _title(file: str, line: int, function: str) -> str:
    """Without what is above the packages: where they are installed is nobody's business."""
    if file == "~":
        return function
    parts = Path(file).parts
    for top in ("site-packages", "engine", "plugins"):
        if top in parts:
            at = len(parts) - 1 - parts[::-1].index(top)
            parts = parts[at + (top == "site-packages") :]
            return f"{'/'.join(parts)}:{line} {function}"
    return f"{'/'.join(parts[-2:])}:{line} {function}"
