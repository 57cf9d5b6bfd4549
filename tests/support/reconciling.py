"""Kustomizations and a cluster in memory: one run at a time, without controllers and watches."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import anyio

from engine.api.meta import KUSTOMIZE_GROUP, REQUESTED_AT, SOURCE_GROUP
from engine.cluster import Client
from engine.cluster.breaker import Breaker
from engine.cluster.endpoint import Endpoint
from engine.cluster.mirror import Mirror
from engine.cluster.outbound import Http
from engine.cluster.pool import Pool
from engine.cluster.tokens import Tokens
from engine.objects.manifests import dump
from engine.objects.ref import Object, Ref
from engine.plan.suspension import Suspensions
from engine.plugin import NO_PLUGINS, Plugin
from engine.reconcile.access import Access, Rights
from engine.reconcile.artifacts import Artifacts
from engine.reconcile.builders import InThread
from engine.reconcile.builds import Builds
from engine.reconcile.clusters import Clusters, Parts
from engine.reconcile.configs import Configs
from engine.reconcile.data_keys import DataKeys
from engine.reconcile.lifecycle import lifecycle
from engine.reconcile.order import Orderly
from engine.reconcile.readers import Readers
from engine.reconcile.reports import Reports
from engine.reconcile.reservations import Reservations
from engine.reconcile.run import Engine, rfc3339
from engine.reconcile.stories import KUSTOMIZATION
from engine.reconcile.triggers import Triggers
from engine.reconcile.verification import Verification
from engine.runtime import Priority, Requeue, Turn
from engine.runtime.fairness import FairLimiter
from engine.runtime.workqueue import Item
from engine.settings import Settings
from engine.source.artifact import Artifact
from engine.source.tree import MemoryTree
from engine.status.events import Recorder
from engine.telemetry import Metrics
from tests.support.bases import FakeBases
from tests.support.clock import ImpatientClock, ManualClock
from tests.support.memory_client import MemoryClient, kind
from tests.support.no_http import NoHttp
from tests.support.pushes import Pushed, pushing

SOURCE = Ref(SOURCE_GROUP, "GitRepository", "flux", "fleet")
APP = Ref(KUSTOMIZE_GROUP, "Kustomization", "flux", "app")
_KUSTOMIZATIONS = kind("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomizations")


@dataclass
class Workshop:
    """An engine's parts.  `events` holds what was told, `pushed` what was queued."""

    client: MemoryClient = field(default_factory=MemoryClient)
    settings: Settings = field(default_factory=Settings)
    clock: ImpatientClock | ManualClock = field(default_factory=ImpatientClock)
    events: list[dict[str, Any]] = field(default_factory=list)
    pushed: list[Ref] = field(default_factory=list)
    bases: FakeBases = field(default_factory=FakeBases)
    plugins: Plugin = NO_PLUGINS
    http: Http = field(default_factory=NoHttp)
    remote: dict[str, MemoryClient] = field(default_factory=dict)
    """Other clusters by the Secret, or by the host in its kubeconfig."""
    turn: Turn[Ref] | None = None

    def __post_init__(self) -> None:
        mirror = Mirror()
        triggers = Triggers(mirror, lambda users, _source: frozenset(users))
        triggers.serve(KUSTOMIZE_GROUP, "Kustomization", pushing(self._note))
        client = self.client.as_client()
        pool = Pool(self._connect, self.clock, Random(0), self.settings.remote_clusters)
        parts = Parts(triggers, self.settings, self.clock, Random(0))
        clusters = Clusters(client, pool, parts)
        access = Access(self.clock)
        rights = Rights(access, client.endpoint.host, self.settings.default_service_account)
        reservations = Reservations(
            mirror, clusters, triggers, lambda _u, _s: True, self.clock, rights
        )
        reservations.complete()
        builds, metrics = Builds(), Metrics()
        self.engine = Engine(
            client=client,
            mirror=mirror,
            clusters=clusters,
            access=access,
            reservations=reservations,
            verification=Verification(self.settings.verify_interval, self.clock, Random(0)),
            triggers=triggers,
            settings=self.settings,
            clock=self.clock,
            random=Random(0),
            recorder=Recorder(self._write, None, lambda: rfc3339(self.clock.wall()), "host"),
            reports=Reports(self.clock),
            metrics=metrics,
            artifacts=Artifacts(self._download),
            builds=builds,
            readers=Readers(lambda ref, tree: not builds.is_concerned(ref, tree)),
            configs=Configs(triggers.configured),
            suspensions=Suspensions(),
            orderly=Orderly(),
            depot=cast("Any", SimpleNamespace(bases=self.bases)),
            builders=InThread(self.settings.build_cache_bytes),
            fetches=FairLimiter(16),
            data_keys=DataKeys(self.clock, self.settings.data_key_max_age),
            plugins=self.plugins,
            http=self.http,
            tokens=Tokens(self.clock, metrics, 100, 3600.0),
        )

    def source(self, revision: str, /, **files: Object) -> None:
        """The source now holds that revision: a file for each object."""
        content = {f"app/{name}.yaml": dump(obj).encode() for name, obj in files.items()}
        content["app/kustomization.yaml"] = dump(
            {"resources": [f"{name}.yaml" for name in files]}
        ).encode()
        artifact = Artifact(revision, f"sha256:{revision}", MemoryTree(content))
        self.engine.artifacts.put(SOURCE, artifact)
        described = {"revision": revision, "digest": artifact.digest, "url": "http://x"}
        self.tell(_object(SOURCE, {}, status={"artifact": described}))

    def kustomization(self, ref: Ref = APP, /, **spec: Any) -> dict[str, Any]:
        """Creates a Kustomization, or changes its spec."""
        wanted = {
            "interval": "10m",
            "retryInterval": "1m",
            "prune": True,
            "path": "./app",
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
        }
        old = self.client.objects.get(ref)
        if old is None:
            return self.tell(_object(ref, wanted | spec))
        generation = old["metadata"]["generation"] + 1
        metadata = {**old["metadata"], "generation": generation}
        return self.tell({**old, "metadata": metadata, "spec": {**old["spec"], **spec}})

    def request(self, token: str, ref: Ref = APP) -> None:
        """What `flux reconcile` writes."""
        self.annotate({REQUESTED_AT: token}, ref)

    def annotate(self, annotations: dict[str, str], ref: Ref = APP) -> None:
        old = self.client.objects[ref]
        marks = {**(old["metadata"].get("annotations") or {}), **annotations}
        self.tell({**old, "metadata": {**old["metadata"], "annotations": marks}})

    def tell(self, obj: Object) -> dict[str, Any]:
        """Somebody else writes an object, and the watch tells of it."""
        stored = self.client.put(obj)
        self.engine.triggers.changed(stored)
        return stored

    async def run(
        self,
        ref: Ref = APP,
        reasons: tuple[str, ...] = ("test",),
        priority: Priority = Priority.INTERVAL,
    ) -> Requeue:
        """One reconcile of one Kustomization."""
        slots = anyio.CapacityLimiter(1)
        self.turn = Turn(Item(ref, 0.0, priority, reasons), slots, lambda: None)
        slots.acquire_on_behalf_of_nowait(self.turn)
        requeue = await lifecycle(self.turn, KUSTOMIZATION, _KUSTOMIZATIONS, self.engine)
        await self.engine.recorder.drain()
        return requeue

    def status(self, ref: Ref = APP) -> dict[str, Any]:
        found: dict[str, Any] = self.client.objects[ref].get("status") or {}
        return found

    def said(self, type_: str = "Ready", ref: Ref = APP) -> str:
        """`status reason: message` of a condition, "" if there is none."""
        for each in self.status(ref).get("conditions") or ():
            if each["type"] == type_:
                return f"{each['status']} {each['reason']}: {each['message']}"
        return ""

    def told(self) -> list[str]:
        """`type reason: message` of the events since the last call."""
        lines = [f"{each['type']} {each['reason']}: {each['message']}" for each in self.events]
        self.events.clear()
        return lines

    async def _write(self, body: dict[str, Any], count: int) -> None:
        self.events.append(body)

    @asynccontextmanager
    async def _connect(
        self, name: str, endpoint: Endpoint, breaker: Breaker
    ) -> AsyncIterator[Client]:
        client: Any = self.remote.get(name) or self.remote[endpoint.host]
        client.breaker, client.endpoint = breaker, replace(endpoint, identity=name)
        yield cast("Client", client)

    async def _download(self, described: Object) -> Artifact:
        raise AssertionError(f"nothing is downloaded here: {described}")

    def _note(self, pushed: Pushed) -> None:
        self.pushed.append(pushed.key)
        if pushed.supersede and self.turn is not None and self.turn.key == pushed.key:
            self.turn.supersede()


def _object(ref: Ref, spec: Object, **rest: Any) -> dict[str, Any]:
    metadata = {"name": ref.name, "namespace": ref.namespace, "generation": 1}
    api_version = f"{ref.group}/v1"
    return {"apiVersion": api_version, "kind": ref.kind, "metadata": metadata, "spec": spec, **rest}
