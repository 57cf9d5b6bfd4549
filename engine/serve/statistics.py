"""Numbers that are not counted but looked up, right before somebody scrapes them."""

from collections.abc import Mapping

from engine.cluster import Client
from engine.cluster.lease import Leases
from engine.objects.ref import Ref
from engine.reconcile.run import Engine
from engine.runtime import Controller
from engine.telemetry import Metrics


def sample(
    series: Metrics,
    client: Client,
    controllers: Mapping[tuple[str, str], Controller[Ref]],
    leases: Leases | None,
    engine: Engine | None = None,
) -> None:
    """Sets the gauges to what queues, Leases and the limiter of requests say at this moment.

    engine: None until the Leases are held.
    """
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
    series.watches.set(limiter.watches)
    series.latency.labels("0.5").set(limiter.latency_median)
    series.latency.labels("0.99").set(limiter.latency_p99)
    for priority, count in limiter.waiting.items():
        series.waiting.labels(priority.name.lower()).set(count)
    if engine is not None:
        _sample_objects(series, engine)


def _sample_objects(series: Metrics, engine: Engine) -> None:
    builds, clusters = engine.builds.statistics(), engine.clusters.all
    lives = [each.live.statistics() for each in clusters]
    drifts = [each.drift.statistics() for each in clusters]
    stale = sum(each.stale for each in lives)
    series.kinds.labels("fresh").set(sum(each.watches for each in lives) - stale)
    series.kinds.labels("stale").set(stale)
    series.observed.set(sum(each.objects for each in lives))
    series.drifted.set(sum(each.drifted for each in drifts))
    series.contended.set(sum(each.contended for each in drifts))
    series.reachable.clear()
    for link in engine.clusters.pool.links:
        series.reachable.labels(link.name).set(link.breaker.outage is None)
    counts = {
        "held": builds.held,
        "built": builds.built,
        "used": builds.used,
        "failed": builds.failed,
    }
    for state, count in counts.items():
        series.builds.labels(state).set(count)
    keys = engine.data_keys.statistics()
    counts = {
        "held": keys.held,
        "opened": keys.opened,
        "used": keys.used,
        "refused": keys.refused,
    }
    for state, count in counts.items():
        series.data_keys.labels(state).set(count)
    now = engine.builders.statistics()
    counts = {"idle": now.idle, "building": now.building, "waiting": now.waiting}
    for state, count in counts.items():
        series.builders.labels(state).set(count)
