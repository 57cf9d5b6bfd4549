"""What must hold, and what Flux was measured to need: figures of the issue that this answers.

The bounds of times and of CPU hold for a machine on which a bare client makes `PACE` writes a
second; those of ratios to a peer in the same run hold for any.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PACE = 1050.0
"""Writes a second of a bare client where the absolute bounds were taken."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure of a scenario that must not be above a bound.

    figure: a name below `seconds` or `figures` of a result.   objects: of the fleet it holds for,
    0 for any.   why: where the bound comes from.   timed: on a slower machine it is larger.
    """

    scenario: str
    figure: str
    bound: float
    why: str
    objects: int = 0
    timed: bool = False

    @property
    def title(self) -> str:
        """What the bound is of."""
        return self.figure

    def value(self, result: Mapping[str, Any]) -> float:
        """Of a result that has it."""
        return figures_of(result)[self.figure]

    def measured(
        self, results: Iterable[Mapping[str, Any]]
    ) -> tuple[Mapping[str, Any], float] | None:
        """The newest result that has the figure, not on an embedded API server, and the figure."""
        found = [each for each in results if self._fits(each)]
        if not found:
            return None
        newest = max(found, key=lambda each: str(each["at"]))
        return newest, self.value(newest)

    def _fits(self, result: Mapping[str, Any]) -> bool:
        return (
            result["scenario"] == self.scenario
            and result["server"] != "embedded"
            and not result["profiled"]
            and self.objects in (0, objects_of(result))
            and self._has(result)
        )

    def _has(self, result: Mapping[str, Any]) -> bool:
        return self.figure in figures_of(result)


class Share(Limit):
    """The bound is of the share of what a peer needs in the same run, the best of the peers."""

    __slots__ = ()

    @property
    def title(self) -> str:
        """As Limit."""
        return f"{self.figure}, share of the peer's"

    def value(self, result: Mapping[str, Any]) -> float:
        """As Limit."""
        return figures_of(result)[self.figure] / min(self._of_peers(result))

    def _has(self, result: Mapping[str, Any]) -> bool:
        return self.figure in figures_of(result) and bool(self._of_peers(result))

    def _of_peers(self, result: Mapping[str, Any]) -> list[float]:
        """What each of them needs, those that got there and needed anything."""
        found = (figures_of(each).get(self.figure) for each in result.get("peers", {}).values())
        return [each for each in found if each]


def figures_of(result: Mapping[str, Any]) -> dict[str, float]:
    """Seconds and figures of a result, together."""
    return {**result["seconds"], **result["figures"]}


def objects_of(result: Mapping[str, Any]) -> int:
    """How many objects a result's fleet has."""
    found: int = result["workload"]["kustomizations"] * result["workload"]["objects"]
    return found


_COLD = "a sixth of Flux's 21 s"
_MANAGED = "writes of managed objects an object"
_IDLE_CPU = "engine's CPU seconds a minute"
LIMITS = (
    Limit("cold_start", "last_ready", 3.5, _COLD, 1000, timed=True),
    Share("cold_start", "last_ready", 1 / 6, "6 times faster", 1000),
    Limit("cold_start", _MANAGED, 1.2, "creates, applies and dry-runs together"),
    Limit("cold_start", "other writes a Kustomization", 6, "status, events, finalizers"),
    Limit("cold_start", "GETs an object", 0, "the live view knows"),
    Limit("steady_state", "other requests", 0, "watches and Lease renewals only"),
    Limit("steady_state", "engine's requests a minute", 29, "1 % of Flux's 2,900", 1000),
    Share("steady_state", "engine's requests a minute", 0.01, "1 %", 1000),
    Limit("steady_state", _IDLE_CPU, 0.5, "2 % of Flux's 25 s", 1000, timed=True),
    Share("steady_state", _IDLE_CPU, 0.02, "2 %", 1000),
    Limit("one_change", "live", 0.5, "from the request", timed=True),
    Limit("one_change", "last_ready", 2.7, "a tenth of Flux's 27 s", 1000, timed=True),
    Share("one_change", "last_ready", 0.1, "a tenth", 1000),
    Limit("webhook_to_ready", "live_p50", 1, "from the call that tells of the push", timed=True),
    Limit("drift_storm", "single_p99", 0.5, "one edit after the other", timed=True),
    Limit("drift_storm", "storm / bare client", 1.5, "the same requests at 16 in flight"),
    Limit("drift_storm", "manual_started", 0.5, "in the middle of the storm", timed=True),
    Limit("chain", "cold_hand_over_last", 0.1, "the slowest link", timed=True),
    Limit("chain", "commit_hand_over_last", 0.1, "the slowest link", timed=True),
    Limit("failing_neighbours", "cold, with failing / alone", 1.1, "as without, within noise"),
    Limit("failing_neighbours", "commit, with failing / alone", 1.1, "as without, within noise"),
    Limit("restart", "dry-runs an object", 0, "steady without a dry-run each", 10_000),
    Limit("memory", "resident MB at 1000 objects", 150, "workers included"),
    Limit("render", "ours / Go, corpus cases", 3, "the Go library in the same run"),
    Limit("render", "fleet_cold", 3.33, "300 overlays a second by two processes", 10_000),
    Limit("render", "builds beyond those that it reaches, overlay", 0, "one file changed"),
    Limit("render", "builds beyond those that it reaches, base", 0, "one file changed"),
)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What Flux needed on another machine of this size; for orientation only."""

    scenario: str
    what: str
    flux: str
    concurrent: str = ""
    """The same with --concurrent=20."""


FLUX = (
    Elsewhere("cold_start", "last Ready", "21 s", "24 s"),
    Elsewhere("cold_start", "CPU", "17 s"),
    Elsewhere(
        "cold_start",
        "requests",
        "1,073 GET, 1,000 dry-runs, 1,101 applies, 1,043 status patches",
    ),
    Elsewhere("steady_state", "CPU a minute", "25 s"),
    Elsewhere(
        "steady_state",
        "requests a minute",
        "about 1,000 GET, 1,000 dry-runs, 800 status patches, 100 events",
    ),
    Elsewhere("one_change", "live after the request", "4.7 s", "5.4 s"),
    Elsewhere("one_change", "all Ready on the new revision", "27 s", "24 s"),
    Elsewhere("drift_storm", "a manual edit corrected", "33 s (up to the interval)"),
    Elsewhere("memory", "both controllers, 1,000 objects", "273 MB"),
)
