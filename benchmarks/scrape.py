"""What our engine says of itself: its /metrics, and its requests beside the API server's count."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.meter import Seen, by_method, of_engine, tally
from engine.runtime import SystemClock

_ADDRESS = re.compile(r"serving metrics on ([^\s\"]+)")
_REQUESTS = "rest_client_requests_total"


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """Requests of one HTTP method: as the API server counts them, and as the engine does."""

    audit: int
    client: int


async def metrics(log: Path) -> str:
    """The text of the engine's /metrics, "" of an engine whose log names no address for it."""
    address = _address(log)
    if not address:
        return ""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}/metrics") as answer,
    ):
        return await answer.text()


def _address(log: Path) -> str:
    found = _ADDRESS.search(log.read_text(errors="replace"))
    return found[1] if found else ""


def total(text: str, name: str, label: str = "") -> dict[str, float]:
    """{value of the label, "" without one: sum} of one series."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                found[sample.labels.get(label, "")] += sample.value  # type: ignore[assignment] # a float
    return dict(found)


async def checked(
    log: Path, seen: Callable[[], list[Seen]], began_at: float, clock: SystemClock
) -> dict[str, ClientCheck]:
    """{HTTP method: counts} since the engine's start; empty if it does not tell.

    They are equal only if nothing is asked meanwhile.
    """
    counted = total(await metrics(log), _REQUESTS, "method")
    if not counted:
        return {}
    audited = by_method(of_engine(tally(seen(), began_at, clock.wall())))
    return {
        method: ClientCheck(audited.get(method, 0), int(counted.get(method, 0)))
        for method in sorted({*audited, *counted})
    }
