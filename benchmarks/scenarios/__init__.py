"""What is measured: a function a scenario, each on worlds of its own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from benchmarks.overlays import Overlays
from benchmarks.scenarios.chain import chain
from benchmarks.scenarios.change import one_change
from benchmarks.scenarios.decrypt import decrypt
from benchmarks.scenarios.drift import drift_storm
from benchmarks.scenarios.failing import failing_neighbours
from benchmarks.scenarios.idle import steady_state
from benchmarks.scenarios.memory import memory
from benchmarks.scenarios.outcome import Outcome, Sizes
from benchmarks.scenarios.render import render
from benchmarks.scenarios.start import cold_start, flux_benchmark, restart
from benchmarks.scenarios.tenants import tenants
from benchmarks.scenarios.webhook import webhook_to_ready
from benchmarks.sealed import Sealed
from benchmarks.workload import Chain, Failing, Noisy, OfFlux, Workload
from benchmarks.world import Arena

__all__ = ["SCENARIOS", "Outcome", "Scenario", "Sizes"]

Run = Callable[[Arena, Workload, Sizes], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario and the fleet that it is meant for; has_server: it needs an API server."""

    run: Run
    fleet: Workload = Workload()  # noqa: RUF009 - immutable
    has_server: bool = True

    @property
    def summary(self) -> str:
        """One sentence."""
        return (self.run.__doc__ or "").partition("\n")[0]

    def workload(self, sizes: Sizes, **wanted: int | str | None) -> Workload:
        """The fleet with those of its numbers that are wanted otherwise; None: as it is."""
        given = {name: value for name, value in wanted.items() if value not in (None, "")}
        if isinstance(self.fleet, Failing):
            given["failing"] = sizes.failing
        if isinstance(self.fleet, Noisy):
            given["noisy"] = sizes.noisy
        return replace(self.fleet, **given)  # type: ignore[arg-type] # names and types as the fields


SCENARIOS: Mapping[str, Scenario] = {
    each.run.__name__: each
    for each in (
        Scenario(cold_start),
        Scenario(steady_state, Workload(interval="1m")),
        Scenario(one_change),
        Scenario(webhook_to_ready),
        Scenario(drift_storm, Workload(kustomizations=101, interval="1m")),
        Scenario(chain, Chain(kustomizations=10)),
        Scenario(failing_neighbours, Failing(kustomizations=128)),
        Scenario(tenants, Noisy(kustomizations=5)),
        Scenario(restart),
        Scenario(memory),
        Scenario(flux_benchmark, OfFlux(objects=4)),
        Scenario(render, Overlays(kustomizations=1000), has_server=False),
        Scenario(decrypt, Sealed(kustomizations=20, objects=50), has_server=False),
    )
}
