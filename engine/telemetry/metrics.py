"""The series of one engine, under Flux's names, and the text that Prometheus scrapes."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from engine.telemetry.calls import CallSeries

# Flux: ten exponential buckets from 10 ms to 30 min
_BUCKETS = tuple(0.01 * (1800 / 0.01) ** (step / 9) for step in range(10))
_STATUSES = ("True", "False", "Unknown")

# Else each histogram and counter has a series more, which Flux has not.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The series of one engine, in a registry of their own.

    Counters and histograms are told of what happens; the gauges below `queued` are set right
    before a scrape, see `engine/serve/statistics.py`.
    """

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        each, controller = ("kind", "name", "namespace"), ("controller",)
        self.duration = Histogram(
            "gotk_reconcile_duration_seconds",
            "Time of one reconcile, waiting for health included.",
            each,
            buckets=_BUCKETS,
            registry=registry,
        )
        self.condition = Gauge(
            "gotk_reconcile_condition",
            "1 for the current status of an object's condition.",
            (*each, "type", "status"),
            registry=registry,
        )
        self.suspended = Gauge(
            "gotk_suspend_status", "1 while the object is suspended.", each, registry=registry
        )
        self.reconciles = Counter(
            "controller_runtime_reconcile_total",
            "Reconciles by outcome: success, requeue_after (success, to be repeated), error.",
            ("controller", "result"),
            registry=registry,
        )
        self.requests = Counter(
            "rest_client_requests_total",
            "Requests to API servers.",
            ("code", "method", "host"),
            registry=registry,
        )
        self.queued = Gauge(
            "workqueue_depth",
            "Keys that are due and wait for a slot.",
            ("name", "controller"),
            registry=registry,
        )
        self.working = Gauge(
            "controller_runtime_active_workers",
            "Reconciles that hold a slot; those that wait for health hold none.",
            controller,
            registry=registry,
        )
        self.slots = Gauge(
            "controller_runtime_max_concurrent_reconciles",
            "Reconciles that may hold a slot at the same time.",
            controller,
            registry=registry,
        )
        self.leader = Gauge(
            "leader_election_master_status",
            "1 while this engine holds the Lease.",
            ("name",),
            registry=registry,
        )
        self.limit = Gauge(
            "lockstep_api_concurrency_limit",
            "Requests that may be in flight at once; adapts to how fast the API server answers.",
            registry=registry,
        )
        self.in_flight = Gauge(
            "lockstep_api_requests_in_flight", "Requests in flight.", registry=registry
        )
        self.waiting = Gauge(
            "lockstep_api_requests_waiting",
            "Requests that wait for leave to be sent.",
            ("priority",),
            registry=registry,
        )
        self.rejected = Gauge(
            "lockstep_api_requests_rejected",
            "Requests that the API server refused for load since the start.",
            registry=registry,
        )
        self.watches = Gauge(
            "lockstep_api_watches", "Watches that are open at the API server.", registry=registry
        )
        self.latency = Gauge(
            "lockstep_api_latency_seconds",
            "How long the API server took for the last 512 requests.",
            ("quantile",),
            registry=registry,
        )
        self.kinds = Gauge(
            "lockstep_live_watches",
            "Kinds of managed objects that are watched; stale: those that have fallen silent.",
            ("state",),
            registry=registry,
        )
        self.observed = Gauge(
            "lockstep_live_objects", "Objects that the watches show.", registry=registry
        )
        self.reachable = Gauge(
            "lockstep_cluster_reachable",
            "1 while another cluster answers, by the Secret or ConfigMap that names it.",
            ("cluster",),
            registry=registry,
        )
        self.drifted = Gauge(
            "lockstep_drifted_objects",
            "Objects that differ from Git, and are to be corrected or could not be.",
            registry=registry,
        )
        self.contended = Gauge(
            "lockstep_contended_objects",
            "Objects that somebody else changes back again and again.",
            registry=registry,
        )
        self.corrections = Counter(
            "lockstep_drift_corrections_total",
            "Corrections of objects that differed from Git.",
            ("kind",),
            registry=registry,
        )
        self.token_events = Counter(
            "gotk_token_cache_events_total",
            "Credentials that an object asked for: cache_hit or cache_miss, and for what.",
            ("event_type", *each, "operation"),
            registry=registry,
        )
        self.token_requests = Counter(
            "gotk_token_cache_requests_total",
            "Credentials asked for by outcome: success or failure.",
            ("status",),
            registry=registry,
        )
        self.token_evictions = Counter(
            "gotk_token_cache_evictions_total",
            "Credentials that went because others were used more recently.",
            registry=registry,
        )
        self.tokens = Gauge(
            "gotk_token_cached_items", "Credentials that are kept.", registry=registry
        )
        self.hits = Counter(
            "lockstep_receiver_hits_total",
            "Calls of webhooks by what came of them; calls of paths that there are not have no "
            "name.",
            ("name", "namespace", "type", "outcome"),
            registry=registry,
        )
        self.webhook_calls = CallSeries("gotk_receiver", "calls of webhooks", registry)
        self.builds = Gauge(
            "lockstep_builds",
            "held: builds in memory; since the start, built: done, failed, used: not done again, "
            "as nothing that they read had changed.",
            ("state",),
            registry=registry,
        )
        self.builders = Gauge(
            "lockstep_builders",
            "idle: processes that wait for a build; building: builds under way; waiting: builds "
            "that wait for a process.",
            ("state",),
            registry=registry,
        )
        self.data_keys = Gauge(
            "lockstep_data_keys",
            "held: data keys of encrypted files in memory; since the start, opened: by a key of a "
            "Secret or a key service, used: not opened again, refused: opened by none of the keys.",
            ("state",),
            registry=registry,
        )
        self.notifications = Counter(
            "lockstep_notifications_total",
            "Events for Alerts by type of Provider and outcome: delivered, failed (the Alert has a "
            "Warning event), dropped (the queue was full), withdrawn (Alert gone, or Provider "
            "suspended).",
            ("type", "outcome"),
            registry=registry,
        )
        self.notifications_waiting = Gauge(
            "lockstep_notifications_waiting",
            "Events for Alerts that are in line on disk.",
            registry=registry,
        )
        self.event_calls = CallSeries("gotk_event", "posts of other controllers", registry)
        GCCollector(registry)
        PlatformCollector(registry)
        ProcessCollector(registry=registry)

    def text(self) -> bytes:
        """The exposition that Prometheus scrapes: 0.2 ms an object, so not for the event loop."""
        return generate_latest(self.registry)

    def ready(self, kind: str, namespace: str, name: str, status: str) -> None:
        """Sets the Ready series of one object: 1 at its status, 0 at the others."""
        for each in _STATUSES:
            self.condition.labels(kind, name, namespace, "Ready", each).set(each == status)

    def suspend(self, kind: str, namespace: str, name: str, is_suspended: bool) -> None:
        """Sets whether one object is suspended."""
        self.suspended.labels(kind, name, namespace).set(is_suspended)

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """Drops every series of a deleted object."""
        self.duration.remove(kind, name, namespace)
        self.suspended.remove(kind, name, namespace)
        self.token_events.remove_by_labels({"kind": kind, "name": name, "namespace": namespace})
        if kind == "Receiver":
            self.hits.remove_by_labels({"name": name, "namespace": namespace})
        for each in _STATUSES:
            self.condition.remove(kind, name, namespace, "Ready", each)
