"""Put an engine together and run it until it is told to stop."""

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import (
    AsyncExitStack,
    asynccontextmanager,
)
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import anyio
from anyio.abc import TaskGroup

from engine.api import KINDS, Kind
from engine.api.meta import SOURCE_GROUP
from engine.cluster import ApiError, Client, LeaseLost, NotFound
from engine.cluster.endpoint import Endpoint
from engine.cluster.events import event_writer, poster
from engine.cluster.lease import Leases
from engine.cluster.mirror import Mirror
from engine.cluster.outbound import outbound
from engine.cluster.pool import Pool
from engine.cluster.resource import resource_of
from engine.cluster.tokens import Tokens
from engine.cluster.watch import Event, EventType
from engine.dispatch import Dispatch
from engine.entrance import leases_of, open_client, request_timeout
from engine.installation import install_crds
from engine.objects.ref import Ref
from engine.plan.suspension import Suspensions
from engine.plugin import NO_PLUGINS, Plugin
from engine.reconcile.access import Access, Rights
from engine.reconcile.artifacts import Artifacts
from engine.reconcile.builders import open_builders
from engine.reconcile.builds import Builds
from engine.reconcile.clusters import Clusters, Parts
from engine.reconcile.configs import Configs
from engine.reconcile.data_keys import DataKeys
from engine.reconcile.expecting import expect
from engine.reconcile.lifecycle import Story, lifecycle
from engine.reconcile.order import Orderly
from engine.reconcile.readers import Readers
from engine.reconcile.remote_client import connector
from engine.reconcile.reports import Reports
from engine.reconcile.reservations import Reservations
from engine.reconcile.run import Engine, rfc3339
from engine.reconcile.sources import SOURCE_KINDS
from engine.reconcile.stories import GIT_REPOSITORY, KUSTOMIZATION, RECEIVER
from engine.reconcile.triggers import Triggers
from engine.reconcile.verification import Verification
from engine.reconcile.watching import CONFIGS, follow, follow_configs, name_unreconciled
from engine.runtime import Controller, Requeue, SystemClock, Turn
from engine.runtime.backoff import Failures
from engine.runtime.fairness import FairLimiter
from engine.serve.alerts import serving_alerts
from engine.serve.artifacts import add_artifact_routes
from engine.serve.http import listening
from engine.serve.probes import metrics, probes
from engine.serve.receiver import receiving
from engine.serve.statistics import sample
from engine.settings import STRICT, Settings
from engine.source.addresses import Guarded, guarded_by
from engine.source.depot import open_depot
from engine.status.events import Recorder
from engine.telemetry import Metrics, logger

_SOURCES = {(SOURCE_GROUP, kind) for kind in SOURCE_KINDS}
_FETCHES = 16  # builds that fetch bases at once: servers that hang must not pile up connections
_STARTING = "the first list of objects"
_EVENTS_GRACE = 5.0  # seconds for the last events when the engine stops
_CRDS_HINT = ": Flux's definitions are missing; `lockstep run --install-crds` installs them"


@dataclass(slots=True)
class State:
    """What a running engine tells about itself."""

    addresses: dict[str, str] = field(default_factory=dict)
    """`host:port` of what it serves: artifacts, metrics, health."""
    waiting_for: str = "the API server"
    """Why nothing is reconciled yet, "" once it is."""
    synced: set[str] = field(default_factory=set)
    """Kinds whose objects are all known."""
    required: set[str] = field(default_factory=set)
    """Kinds without which nothing can be reconciled."""
    client: Client | None = None
    leases: Leases | None = None
    engine: Engine | None = None
    """What runs share; None until the Leases are held."""
    controllers: Mapping[tuple[str, str], Controller[Ref]] = field(default_factory=dict)
    dispatch: Dispatch | None = None
    """What serves Alerts; None until the Leases are held, or if somebody else does."""

    def serves(self, name: str, address: str) -> None:
        """Notes and logs an address that is listened on."""
        self.addresses[name] = address
        logger.info("serving %s on %s", name, address)


async def run(
    settings: Settings,
    endpoint: Endpoint,
    stop: anyio.Event,
    state: State | None = None,
    plugins: Plugin = NO_PLUGINS,
) -> None:
    """Reconciles until `stop` is set; then ends what is in flight and gives the Leases back.

    Raises LeaseLost if another engine took over (this one has stopped writing by then), BadAddress
    if a port is taken.
    """
    state, clock, series = state or State(), SystemClock(), Metrics()
    settings = settings.effective
    if settings.tenancy == "strict":
        found = (f"{name}={str(getattr(settings, name)).lower()}" for name in STRICT)
        logger.info("tenancy is strict: %s", ", ".join(found))
    async with AsyncExitStack() as stack:
        listen = stack.enter_async_context
        client = await listen(open_client(settings, endpoint, clock, series))
        routes = probes(lambda: state.waiting_for)
        state.serves("health", await listen(listening(settings.health_addr, routes)))
        routes = metrics(
            series,
            lambda: sample(series, client, state.controllers, state.leases, state.engine),
        )
        state.serves("metrics", await listen(listening(settings.metrics_addr, routes)))
        if settings.install_crds:
            await install_crds(client, settings.runtime_namespace)
        leases = state.leases = leases_of(settings, client, clock)
        async with anyio.create_task_group() as keeping:
            if leases is not None:
                keeping.start_soon(leases.keep, Random(), _tell_waiting(state))  # noqa: S311 - jitter
                await _comes_first(leases.wait_held, stop)
            if not stop.is_set():
                writer = client.fenced(leases.fence) if leases is not None else client
                async with (
                    _engine(settings, writer, series, state, plugins) as engine,
                    receiving(engine, partial(state.serves, "webhooks")),
                ):
                    await _reconcile(engine, stop, leases, state)
            keeping.cancel_scope.cancel()


@asynccontextmanager
async def _engine(
    settings: Settings, client: Client, series: Metrics, state: State, plugins: Plugin
) -> AsyncIterator[Engine]:
    """The parts that runs share, and the artifact server, while inside."""
    clock, random = SystemClock(), Random()  # noqa: S311 - jitter
    state.client = client
    state.required = {"Kustomization"} | ({"GitRepository"} if settings.sources == "git" else set())
    state.waiting_for = _STARTING
    guarded = partial(Guarded, allowed=settings.allowed_local_addresses)
    async with (
        open_depot(
            storage_folder(settings), settings, guarded_by(settings, client.endpoint.host)
        ) as depot,
        open_builders(settings) as builders,
        listening(
            settings.storage_addr, partial(add_artifact_routes, storage=depot.storage)
        ) as served,
        poster(settings.events_addr, clock) as post,
        outbound(clock, random, os.environ, guarded=guarded) as http,
        AsyncExitStack() as stack,
    ):
        state.serves("artifacts", served)
        depot.storage.address = settings.storage_adv_addr or reachable(served)
        recorder = Recorder(
            event_writer(client),
            post or partial(_dispatched, state),
            lambda: rfc3339(clock.wall()),
            socket.gethostname(),
        )
        mirror, access = Mirror(), Access(clock)
        artifacts, builds = Artifacts(depot.open), Builds()
        readers = Readers(lambda reader, tree: not builds.is_concerned(reader, tree))
        concerned = partial(_concerned, mirror, artifacts, readers)
        triggers = Triggers(mirror, concerned)
        fence = state.leases.fence if state.leases is not None else None
        connect = connector(settings, clock, series, fence, request_timeout(settings))
        pool = Pool(connect, clock, random, settings.remote_clusters)
        tokens = Tokens(
            clock, series, settings.token_cache_max_size, settings.token_cache_max_duration
        )
        clusters = Clusters(client, pool, Parts(triggers, settings, clock, random))
        engine = Engine(
            client=client,
            mirror=mirror,
            clusters=clusters,
            access=access,
            reservations=Reservations(
                mirror,
                clusters,
                triggers,
                lambda user, src: bool(concerned([user], src)),
                clock,
                Rights(access, client.endpoint.host, settings.default_service_account),
            ),
            verification=Verification(settings.verify_interval, clock, random),
            triggers=triggers,
            settings=settings,
            clock=clock,
            random=random,
            recorder=recorder,
            reports=Reports(clock),
            metrics=series,
            depot=depot,
            artifacts=artifacts,
            builds=builds,
            readers=readers,
            configs=Configs(partial(_configured, tokens, triggers)),
            suspensions=Suspensions(),
            orderly=Orderly(),
            builders=builders,
            fetches=FairLimiter(_FETCHES),
            data_keys=DataKeys(clock, settings.data_key_max_age),
            plugins=plugins,
            http=http,
            tokens=tokens,
        )
        if not settings.events_addr:
            alerts = serving_alerts(engine, storage_folder(settings), state.serves)
            state.dispatch = await stack.enter_async_context(alerts)
        yield engine


async def _dispatched(state: State, body: dict[str, Any], headers: Mapping[str, str]) -> None:
    """Has an event told to whom it concerns."""
    if state.dispatch is not None:
        await state.dispatch.courier.take(body, headers)


def _configured(tokens: Tokens, triggers: Triggers, reader: Ref, reason: str) -> None:
    """What somebody has read is another one now, or gone: so is what it was good for."""
    tokens.forget(reader)
    triggers.configured(reader, reason)


def _concerned(
    mirror: Mirror, artifacts: Artifacts, readers: Readers, users: Collection[Ref], source: Ref
) -> frozenset[Ref]:
    """Those of the Kustomizations to whom what a source holds now may be news."""
    artifact, told = artifacts.get(source), (mirror.get(source) or {}).get("status") or {}
    if artifact is None or artifact.digest != (told.get("artifact") or {}).get("digest"):
        return frozenset(users)  # another controller's, and not downloaded yet
    return readers.concerned(users, source, artifact.tree)


async def _comes_first(awaited: Callable[[], Awaitable[None]], stop: anyio.Event) -> bool:
    """Whether `awaited` returned before `stop` was set."""
    came = False
    async with anyio.create_task_group() as either:

        async def stopped() -> None:
            await stop.wait()
            either.cancel_scope.cancel()

        either.start_soon(stopped)
        await awaited()
        came = True
        either.cancel_scope.cancel()
    return came


async def _reconcile(
    engine: Engine, stop: anyio.Event, leases: Leases | None, state: State
) -> None:
    """Watches and works until `stop`, or until the Leases are lost."""
    controllers = _controllers(engine)
    state.engine, state.controllers = engine, controllers
    for (group, kind), controller in controllers.items():
        engine.triggers.serve(group, kind, controller.push, controller.remove)
    async with anyio.create_task_group() as watching:
        _start_watching(engine, state, watching)
        async with anyio.create_task_group() as telling:
            telling.start_soon(engine.reports.serve)
            async with anyio.create_task_group() as controlling:
                for controller in controllers.values():
                    controlling.start_soon(controller.serve)
                ended = leases.wait_lost if leases is not None else anyio.sleep_forever
                lost = await _comes_first(ended, stop)
                state.waiting_for = "nothing: it is stopping"
                for controller in controllers.values():
                    controller.stop()
            telling.cancel_scope.cancel()
        with anyio.move_on_after(_EVENTS_GRACE):
            await engine.recorder.drain()
            if state.dispatch is not None:
                await state.dispatch.drain()
        watching.cancel_scope.cancel()
    if lost:
        raise LeaseLost(f"{leases!r}: another engine holds a Lease, or it could not be renewed")


def _start_watching(engine: Engine, state: State, tasks: TaskGroup) -> None:
    """Starts all that lasts as long as the engine: watches, and who tells of what they bring."""
    tasks.start_soon(engine.recorder.run)
    if state.dispatch is not None:
        tasks.start_soon(state.dispatch.serve)
    tasks.start_soon(engine.clusters.own.live.serve)
    tasks.start_soon(engine.clusters.serve)
    if not engine.settings.disable_config_watchers:
        for resource in CONFIGS:
            tasks.start_soon(follow_configs, resource, engine)
    tasks.start_soon(engine.triggers.others.serve, engine.clock)
    tasks.start_soon(expect, engine)
    for key, each in KINDS.items():
        is_ours = key in state.controllers
        if is_ours or key in _SOURCES:
            # Only of ours: a shard may use a source of another one.
            selector = engine.settings.watch_label_selector if is_ours else ""
            tasks.start_soon(follow, each, selector, engine, partial(_note, state))
        if not is_ours and each.reconciled:
            tasks.start_soon(name_unreconciled, each, engine)


def _note(state: State, kind: Kind, event: Event) -> None:
    """What a watch says about itself."""
    if event.type is EventType.SYNCED:
        _note_synced(kind.name, state)
    else:
        _note_trouble(kind, event.problem, state)


def _note_synced(kind: str, state: State) -> None:
    state.synced.add(kind)
    if kind == "Kustomization" and state.engine is not None:
        state.engine.reservations.complete()
    if state.required <= state.synced and state.waiting_for.startswith(_STARTING):
        state.waiting_for = ""
        logger.info("ready: every object is known")


def _note_trouble(kind: Kind, problem: ApiError | None, state: State) -> None:
    """A kind that is not served is for a person to mend; a busy API server mends itself."""
    if kind.name not in state.required:
        logger.debug("%s cannot be watched: %s", kind.name, problem)
        return
    if kind.name not in state.synced:  # later the engine goes on with what it knows
        state.waiting_for = f"{_STARTING}: {kind.name}: {problem}"
    if isinstance(problem, NotFound):
        logger.error("%s is not served%s", kind.name, _CRDS_HINT)
    else:
        logger.info("%s cannot be watched yet, tried again: %s", kind.name, problem)


def _controllers(engine: Engine) -> dict[tuple[str, str], Controller[Ref]]:
    """A controller for each kind that is reconciled here."""
    settings = engine.settings
    wanted = [(KUSTOMIZATION, settings.concurrent)]
    if settings.sources == "git":
        wanted.append((GIT_REPOSITORY, settings.concurrent_fetches))
    if settings.serves_receivers:
        wanted.append((RECEIVER, settings.concurrent))
    return {(story.group, story.kind): _controller(story, slots, engine) for story, slots in wanted}


def _controller(story: Story, slots: int, engine: Engine) -> Controller[Ref]:
    settings = engine.settings
    resource = resource_of(KINDS[story.group, story.kind])

    async def reconcile(turn: Turn[Ref]) -> Requeue:
        return await lifecycle(turn, story, resource, engine)

    return Controller(
        reconcile,
        engine.clock,
        slots,
        grace=settings.graceful_shutdown_timeout,
        failures=Failures(settings.min_retry_delay, settings.max_retry_delay),
        tenant_of=lambda key: key.namespace,
    )


def _tell_waiting(state: State) -> Callable[[str, str], None]:
    def tell(name: str, holder: str) -> None:
        state.waiting_for = f"Lease {name}, held by {holder}"
        logger.info("waiting for Lease %s, held by %s", name, holder)

    return tell


def reachable(served: str) -> str:
    """The address at which this machine reaches what is served on all interfaces."""
    return served.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - a comparison, nothing is bound


def storage_folder(settings: Settings) -> Path:
    """Where Git objects and artifacts are kept."""
    if settings.storage_path:
        return Path(settings.storage_path)
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return Path("/data")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "lockstep" / "storage"
