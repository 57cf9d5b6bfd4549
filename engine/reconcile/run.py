"""One reconcile of one object: what the story may ask of the engine.

`Engine` is what all runs share; `Run` adds the object, the draft of its status and its turn.
"""

import math
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from random import Random
from typing import Any, TypeVar

import anyio

from engine.cluster import ApiError, Client, Resource
from engine.cluster.mirror import Mirror
from engine.cluster.outbound import Http
from engine.cluster.tokens import Tokens
from engine.objects.redact import mask
from engine.objects.ref import Object, Ref
from engine.plan.suspension import Suspensions
from engine.plugin import Context, Plugin
from engine.reconcile.access import Access
from engine.reconcile.artifacts import Artifacts
from engine.reconcile.builder import Job
from engine.reconcile.builders import Builders
from engine.reconcile.builds import Builds
from engine.reconcile.clusters import Cluster, Clusters
from engine.reconcile.configs import Configs
from engine.reconcile.data_keys import DataKeys
from engine.reconcile.key_needs import KeyNeeds
from engine.reconcile.order import Orderly
from engine.reconcile.outcome import Status, is_ready, progressing, requested_at
from engine.reconcile.readers import Readers
from engine.reconcile.receiver_hooks import Hooks
from engine.reconcile.receiver_requests import Requests
from engine.reconcile.reports import Reports
from engine.reconcile.reservations import Reservations
from engine.reconcile.triggers import Triggers, is_correction
from engine.reconcile.verification import Verification
from engine.runtime import Clock, Priority, Turn
from engine.runtime.fairness import FairLimiter
from engine.settings import Settings
from engine.source.depot import Depot
from engine.status.commit import commit
from engine.status.events import Event, Recorder
from engine.telemetry import Metrics, because, logger

T = TypeVar("T")

_VERSION = version("lockstep")
_PROGRESS_PERIOD = 2.0  # seconds between two progress patches of one run; shorter runs send none


@dataclass(frozen=True, slots=True)
class Engine:
    """What all runs share."""

    client: Client
    mirror: Mirror
    clusters: Clusters
    access: Access
    reservations: Reservations
    verification: Verification
    triggers: Triggers
    settings: Settings
    clock: Clock
    random: Random
    recorder: Recorder
    reports: Reports
    metrics: Metrics
    artifacts: Artifacts
    depot: Depot
    builds: Builds
    readers: Readers
    configs: Configs
    suspensions: Suspensions
    orderly: Orderly
    builders: Builders
    fetches: FairLimiter
    """Builds that fetch what they lack; each may have some requests under way."""
    data_keys: DataKeys
    plugins: Plugin
    http: Http
    tokens: Tokens
    key_needs: KeyNeeds = field(default_factory=KeyNeeds)
    hooks: Hooks = field(default_factory=Hooks)
    requests: Requests = field(default_factory=Requests)
    """What webhooks asked for."""

    def now(self) -> str:
        """The time as conditions write it: RFC 3339, UTC, whole seconds."""
        return rfc3339(self.clock.wall())


@dataclass(slots=True)
class Run:
    """One run: its object as of the last write, and the status that it is going to have."""

    engine: Engine
    turn: Turn[Ref]
    resource: Resource
    obj: Object
    controller: str
    manager: str
    given: Object = field(init=False)
    """The object as the run found it: what is said in the end is said about this generation."""
    status: Status = field(init=False)
    """The draft: stages change it, `lifecycle.py` commits it."""
    doing: str = ""
    changed: bool = False
    """Whether anything was written to the cluster: then the success is told."""
    is_noting: bool = False
    """Whether it is cut short, as the revision changes nothing here."""
    digest: str = ""
    """Of what was built; "" before."""
    built: Job | None = None
    """What was built, to be asked where a field comes from; None before."""
    told: Mapping[str, str] = field(default_factory=dict)
    """Metadata of the events about what this run works on."""
    secrets: list[str] = field(default_factory=list)
    """Values that were read for this run and must not show in any message."""
    cluster: Cluster = field(init=False)
    """Where its objects are; the engine's own until another one was reached."""
    until_end: ExitStack = field(default_factory=ExitStack)
    """What lasts until the outcome is written."""
    started_at: float = field(init=False)
    _reported_at: float = field(init=False)
    _reported: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.given = self.obj
        self.status = dict(self.obj.get("status") or {})
        self.cluster = self.engine.clusters.own
        self.started_at = self._reported_at = self.engine.clock.monotonic()

    @property
    def client(self) -> Client:
        """The engine's own client, at this run's priority, in this namespace's share."""
        return self.engine.client.at(self.turn.priority, self.turn.key.namespace)

    @property
    def reader(self) -> Client:
        """The client of the cluster where its objects are, impersonating nobody."""
        return self.cluster.client.at(self.turn.priority, self.turn.key.namespace)

    @property
    def context(self) -> Context:
        """What plugins are given in this run."""
        engine = self.engine
        return Context(
            client=self.client,
            settings=engine.settings,
            version=_VERSION,
            http=engine.http,
            clock=engine.clock,
            tokens=engine.tokens,
            environ=os.environ,
            asker=self.turn.key,
            priority=self.turn.priority,
            identities=engine.plugins.identities,
        )

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self.engine.clock.monotonic() - self.started_at

    @property
    def is_correction(self) -> bool:
        """Whether it only runs because an object drifted: then no condition changes by success."""
        return is_correction(self.turn.reasons)

    @property
    def is_verification(self) -> bool:
        """Whether a person asked for it: then what the engine knows is looked up again."""
        return self.turn.priority is Priority.MANUAL

    @property
    def is_routine(self) -> bool:
        """Whether nothing is new so far: a regular look at a Ready object that nobody waits for."""
        return self.is_only_noted and self.status == (self.given.get("status") or {})

    @property
    def is_only_noted(self) -> bool:
        """Whether nothing happened but that a revision was found to change nothing here."""
        is_asked = requested_at(self.given) != (self.given.get("status") or {}).get(
            "lastHandledReconcileAt", ""
        )
        return is_ready(self.given) and not self.changed and not is_asked

    def emit(
        self,
        type_: str,
        reason: str,
        message: str,
        metadata: Mapping[str, str] | None = None,
        *,
        is_stored: bool = True,
    ) -> None:
        """Tell of something that happened to the object; is_stored: as a Kubernetes Event, too."""
        text = mask(message, self.secrets)
        event = Event(self.obj, type_, reason, text, self.controller, metadata or {}, is_stored)
        self.engine.recorder.emit(event)

    async def progress(self, message: str, *, from_here: bool = False) -> None:
        """Note what is being done; written to the status only if it is news and takes its time.

        from_here: what came before does not count, as this is mostly over at once; who waits calls
        again (`progress_due`).
        """
        if from_here and message != self.doing:
            self._reported_at = self.engine.clock.monotonic()
        self.doing = message
        now = self.engine.clock.monotonic()
        if self.is_routine or now - self._reported_at < _PROGRESS_PERIOD:
            return
        self._reported_at, self._reported = now, message
        self.status = progressing(self.given, self.status, message, self.engine.now())
        await self.write(self.status)

    async def said_while(self, message: str, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives; if it takes its time, the status says meanwhile what is being done."""
        await self.progress(message, from_here=True)
        found: list[T] = []
        failed: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._say_when_due, message)
            try:
                found.append(await work())
            except Exception as error:  # as it is, not in a group
                failed = error
            tasks.cancel_scope.cancel()
        if failed is not None:
            raise failed
        return found[0]

    async def _say_when_due(self, message: str) -> None:
        while (due := self.progress_due) < math.inf:
            await self.engine.clock.sleep(due)
            try:
                with anyio.CancelScope(shield=True):  # half a write leaves what nobody knows of
                    await self.progress(message)
            except ApiError as error:
                logger.debug("%s: progress not written", self.turn.key, extra=because(error))
                return

    @property
    def progress_due(self) -> float:
        """Seconds until `progress` would write what is being done; inf: it is written, or not news.

        Who waits for long calls it again then.
        """
        if self.is_routine or self._reported == self.doing:
            return math.inf
        return self._reported_at + _PROGRESS_PERIOD - self.engine.clock.monotonic()

    async def write_ahead(self) -> None:
        """Send the draft before its outcome is known; fails if anybody changed the object.

        Says that it is in progress: a new revision beside an old Ready would mislead who waits.
        """
        self._reported_at, self._reported = self.engine.clock.monotonic(), self.doing
        self.status = progressing(self.given, self.status, self.doing, self.engine.now())
        await self.write(self.status, guarded=True)

    async def write(self, status: Mapping[str, Any], *, guarded: bool = False) -> None:
        """Send a status now; the run goes on from the object as it then is."""
        self.obj = await commit(
            self.client,
            self.resource,
            self.obj,
            status,
            manager=self.manager,
            guarded=guarded,
        )
        self.engine.triggers.changed(self.obj)


def rfc3339(wall: float) -> str:
    """Seconds since 1970 as Kubernetes writes instants: UTC, whole seconds."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
