"""What /metrics say: our engine's of itself, and the API server's beside its own audit log."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.meter import Seen, by_method, of_engine, tally
from engine.runtime import SystemClock
from tests.support.apiserver import ApiServer

EVERYBODY = "requests of all"
"""In place of an HTTP method: what the API server's metrics count."""
_REQUESTS = "rest_client_requests_total"
_SERVED = re.compile(rb"^apiserver_request_total\{([^}]*)\} (\S+)$", re.MULTILINE)
_NOT_COUNTED = re.compile(rb'(^|,)resource=""|verb="(WATCH|CONNECT)"')  # a watch counts at its end


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """Requests of one HTTP method: as the API server logs them, and as the engine counts them."""

    audit: int
    client: int


async def metrics(log: Path) -> str:
    """The text of the engine's /metrics, "" of an engine whose log names no address for it."""
    where = address(log, "metrics")
    if not where:
        return ""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{where}/metrics") as answer,
    ):
        return await answer.text()


def address(log: Path, what: str) -> str:
    """Where the engine serves something, as its log says; "" if it does not."""
    found = re.search(rf"serving {what} on ([^\s\"]+)", log.read_text(errors="replace"))
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


@dataclass(frozen=True, slots=True)
class Served:
    """What the API server's metrics say of an instant (seconds since 1970)."""

    server: ApiServer
    at: float
    count: int

    @staticmethod
    async def now(server: ApiServer, clock: SystemClock) -> "Served":
        """As it is."""
        at = clock.wall()
        async with server.session() as session, session.get("/metrics") as answer:
            return Served(server, at, served(await answer.read()))

    async def since(self, seen: Callable[[], list[Seen]], clock: SystemClock) -> ClientCheck:
        """Requests since then, by the audit log and (as `client`) by the metrics.

        What is under way at either instant may count in one only.
        """
        later = await Served.now(self.server, clock)
        logged = sum(self.at <= e.at <= later.at and _is_counted(e.what) for e in seen())
        return ClientCheck(logged, later.count - self.count)


def served(text: bytes) -> int:
    """Requests for resources, watches apart, in the /metrics of an API server."""
    return sum(
        int(float(found[2]))
        for found in _SERVED.finditer(text)
        if not _NOT_COUNTED.search(found[1])
    )


def _is_counted(what: str) -> bool:
    verb, _, resource = what.partition(" ")
    return verb not in ("watch", "connect") and not resource.startswith("/")
