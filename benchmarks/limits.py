"""What must hold, and what Flux was measured to need: figures of the issue that this answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure of a scenario that must not be above a bound.

    figure: a name below `seconds` or `figures` of a result.   objects: of the fleet it holds for,
    0 for any.   why: where the bound comes from.
    """

    scenario: str
    figure: str
    bound: float
    why: str
    objects: int = 0

    def measured(
        self, results: Iterable[Mapping[str, Any]]
    ) -> tuple[Mapping[str, Any], float] | None:
        """The newest result on a real API server that has the figure, and the figure."""
        found = [each for each in results if self._fits(each)]
        if not found:
            return None
        newest = max(found, key=lambda each: str(each["at"]))
        return newest, figures_of(newest)[self.figure]

    def _fits(self, result: Mapping[str, Any]) -> bool:
        return (
            result["scenario"] == self.scenario
            and result["server"] == "real"
            and not result["profiled"]
            and self.objects in (0, objects_of(result))
            and self.figure in figures_of(result)
        )


def figures_of(result: Mapping[str, Any]) -> dict[str, float]:
    """Seconds and figures of a result, together."""
    return {**result["seconds"], **result["figures"]}


def objects_of(result: Mapping[str, Any]) -> int:
    """How many objects a result's fleet has."""
    found: int = result["workload"]["kustomizations"] * result["workload"]["objects"]
    return found


_COLD = "a sixth of Flux's 21 s"
_MANAGED = "writes of managed objects an object"
LIMITS = (
    Limit("cold_start", "last_ready", 3.5, _COLD, 1000),
    Limit("cold_start", _MANAGED, 1.2, "creates, applies and dry-runs together"),
    Limit("cold_start", "other writes a Kustomization", 6, "status, events, finalizers"),
    Limit("cold_start", "GETs an object", 0, "the live view knows"),
    Limit("steady_state", "other requests", 0, "watches and Lease renewals only"),
    Limit("steady_state", "engine's requests a minute", 29, "1 % of Flux's 2,900", 1000),
    Limit("steady_state", "engine's CPU seconds a minute", 0.5, "2 % of Flux's 25 s", 1000),
    Limit("one_change", "live", 0.5, "from the request"),
    Limit("one_change", "last_ready", 2.7, "a tenth of Flux's 27 s", 1000),
    Limit("drift_storm", "single_p99", 0.5, "one edit after the other"),
    Limit("drift_storm", "storm / bare client", 1.5, "the same requests at 16 in flight"),
    Limit("drift_storm", "manual_started", 0.5, "in the middle of the storm"),
    Limit("chain", "cold_hand_over_last", 0.1, "the slowest link"),
    Limit("chain", "commit_hand_over_last", 0.1, "the slowest link"),
    Limit("failing_neighbours", "cold, with failing / alone", 1.1, "as without, within noise"),
    Limit("failing_neighbours", "commit, with failing / alone", 1.1, "as without, within noise"),
    Limit("restart", "dry-runs an object", 0, "steady without a dry-run each", 10_000),
    Limit("memory", "resident MB at 1000 objects", 150, "workers included"),
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
