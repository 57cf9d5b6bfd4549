"""What a scenario measures, and how its beginning and end are told apart from the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.meter import Budget, Requests, budget, of_engine
from benchmarks.process import Usage
from benchmarks.scrape import ClientCheck
from benchmarks.world import ENGINE, World


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of what a scenario does beside its workload; each scenario reads what it needs."""

    window: float = 60.0  #: seconds of steady_state, with the engine and then without
    rounds: int = 3  #: commits of one_change and webhook_to_ready, one after the other
    singles: int = 200  #: edits of drift_storm, one after the other
    patience: float = 120.0  #: seconds after which drift_storm begins no further of them
    edits: int = 1000  #: edits of drift_storm, at once
    failing: int = 11  #: Kustomizations of failing_neighbours that never become ready
    noisy: int = 1000  #: Kustomizations of the noisy neighbour in tenants
    flood: float = 10.0  #: seconds of calls as fast as they are answered, in webhook_to_ready
    steps: int = 3  #: times that memory adds a fleet of the same size


@dataclass(slots=True)
class Outcome:
    """The figures of one scenario; durations in seconds, sizes in bytes.

    seconds: {what: since the scenario's beginning}.   usage: {process: what it used}.
    series: {what: single values, in the order in which they came}.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    requests: Requests = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    series: dict[str, list[float]] = field(default_factory=dict)
    counted: dict[str, ClientCheck] = field(default_factory=dict)
    """{HTTP method: requests} of the engine's whole life."""

    def budget(self, managed: frozenset[str]) -> Budget:
        """What the engine's requests were for."""
        return budget(of_engine(self.requests), managed)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time that is measured, from when it was made."""

    world: World
    before: Mapping[str, Usage]
    began: float  #: monotonic
    began_at: float  #: seconds since 1970

    @staticmethod
    def of(world: World) -> "Stretch":
        """One that begins now."""
        return Stretch(world, world.usages(), world.clock.monotonic(), world.clock.wall())

    def since(self, instant: float) -> float:
        """Seconds until a monotonic instant."""
        return instant - self.began

    def outcome(self, seconds: Mapping[str, float], ended_at: float | None = None) -> Outcome:
        """What was used and asked until now, or until an instant (since 1970)."""
        end = self.world.clock.wall() if ended_at is None else ended_at
        return Outcome(dict(seconds), self.used(), self.world.requests(self.began_at, end))

    def used(self) -> dict[str, Usage]:
        """What each process used; one that was not there then, since its start."""
        nothing = Usage(0.0, 0)
        now = self.world.usages()
        return {name: used.since(self.before.get(name, nothing)) for name, used in now.items()}


def engine_cpu(outcome: Outcome) -> float:
    """Seconds of the engine, its children included."""
    return outcome.usage[ENGINE].cpu
