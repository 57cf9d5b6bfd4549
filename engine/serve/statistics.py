"""Numbers that are not counted but looked up, right before somebody scrapes them."""

from collections.abc import Mapping

from engine.cluster import Client
from engine.cluster.lease import Leases
from engine.objects.ref import Ref
from engine.runtime import Controller
from engine.telemetry import Metrics


def sample(
    series: Metrics,
    client: Client,
    controllers: Mapping[tuple[str, str], Controller[Ref]],
    leases: Leases | None,
) -> None:
    """Sets the gauges to what queues, Leases and the limiter of requests say at this moment."""
    for (_, kind), controller in controllers.items():
        name, now = kind.lower(), controller.statistics()
        series.queued.labels(name, name).set(now.due)
        series.working.labels(name).set(now.working)
        series.slots.labels(name).set(now.slots)
    for name, is_held in (leases.statistics() if leases is not None else {}).items():
        series.leader.labels(name).set(is_held)
    limiter = client.statistics().limiter
    series.limit.set(limiter.limit)
    series.in_flight.set(limiter.in_flight)
    series.rejected.set(limiter.rejected)
    for priority, count in limiter.waiting.items():
        series.waiting.labels(priority.name.lower()).set(count)
