"""Alerts and Providers served, from an event to a service that is told of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from engine.cluster import Client
from engine.dispatch.complaints import DISPATCH_FAILED, Complaints
from engine.dispatch.courier import Courier, Desk
from engine.dispatch.directory import KINDS, Directory
from engine.dispatch.dispatcher import Dispatcher, Means
from engine.dispatch.following import follow
from engine.dispatch.late import Deliveries, JournalBroken, journal_at
from engine.dispatch.queue import Delivery, Queue
from engine.objects.ref import Object, Ref
from engine.plugin import Context, Plugin
from engine.runtime import Clock
from engine.settings import Settings
from engine.status.events import Event
from engine.telemetry import Metrics, because, logger

_FILE = "notifications.db"


@dataclass(frozen=True, slots=True)
class Supplies:
    """What the engine gives.

    context: what a notifier is given for a Provider.   emit: takes events about Alerts.   lookup:
    an object that the engine knows anyway, None if it does not.
    """

    client: Client
    clock: Clock
    settings: Settings
    plugins: Plugin
    series: Metrics
    context: Callable[[Ref], Context]
    emit: Callable[[Event], None]
    lookup: Callable[[Ref], Object | None]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """All of it, while it is open."""

    courier: Courier
    dispatcher: Dispatcher
    directory: Directory
    queue: Queue
    _supplies: Supplies

    async def serve(self) -> None:
        """Follows Alerts and Providers and tells what is in line, until cancelled."""
        supplies = self._supplies
        settings = supplies.settings
        namespace = "" if settings.watch_all_namespaces else settings.runtime_namespace
        async with anyio.create_task_group() as tasks:
            for kind in KINDS:
                tasks.start_soon(
                    follow, kind, namespace, self.directory, supplies.client, supplies.clock
                )
            tasks.start_soon(self.dispatcher.serve)

    async def drain(self) -> None:
        """Returns once nothing waits but for services that did not answer."""
        await self.dispatcher.drain()


@contextmanager
def open_dispatch(folder: Path, supplies: Supplies) -> Iterator[Dispatch]:
    """The dispatch whose journal is in a folder; what it held is told first."""
    settings = supplies.settings
    complaints = Complaints(supplies.emit, supplies.clock)
    directory = Directory(complaints)

    def count(provider_type: str, outcome: str) -> None:
        supplies.series.notifications.labels(provider_type, outcome).inc()

    def dropped(delivery: Delivery) -> None:
        service, alert = directory.provider(delivery.provider), directory.alert(delivery.alert)
        count(service.provider.spec.type if service else "unknown", "dropped")
        if alert is not None:
            text = (
                f"more than {settings.notification_queue_bytes} bytes wait to be told: the oldest "
                f"for '{delivery.provider.name}' are dropped: see why it does not take them"
            )
            complaints.add(alert.obj, DISPATCH_FAILED, text)

    queue = Queue(_journal(folder), settings.notification_queue_bytes, dropped)
    supplies.series.notifications_waiting.set_function(lambda: queue.waiting)
    notifiers, client, clock = supplies.plugins.notifiers, supplies.client, supplies.clock
    desk = Desk(directory, complaints, queue, notifiers, client, clock, settings, supplies.lookup)
    means = Means(
        directory,
        complaints,
        queue,
        notifiers,
        client,
        clock,
        settings,
        context=supplies.context,
        count=count,
    )
    try:
        yield Dispatch(Courier(desk), Dispatcher(means), directory, queue, supplies)
    finally:
        queue.close()


def _journal(folder: Path) -> Deliveries | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return journal_at(folder / _FILE)
    except (JournalBroken, OSError) as error:
        logger.error(
            "%s cannot be used: events to be told do not survive the engine",
            folder / _FILE,
            extra=because(error),
        )
        return None
