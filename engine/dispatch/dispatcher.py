"""Tells what is in line: a task for each Provider, in order, trying again with growing pauses.

Source: flux-behaviour 6.1 and 6.3; notification-controller internal/notifier client.go.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from traceback import format_tb

import anyio

from engine.cluster import Client
from engine.cluster.destination import Undeliverable, Undelivered
from engine.dispatch.complaints import DISPATCH_FAILED, Complaints
from engine.dispatch.destination import destination_of
from engine.dispatch.directory import Directory, Service
from engine.dispatch.queue import Delivery, Queue
from engine.errors import FeatureGateDisabled
from engine.objects.redact import mask
from engine.objects.ref import Ref
from engine.plugin import Context, Notifier
from engine.runtime import Clock
from engine.settings import Settings
from engine.telemetry import because, logger

PAUSES = (2.0, 4.0, 8.0, 16.0)  # seconds before each try again; Flux's retries and least pause
_LONGEST_PAUSE = 30.0  # seconds, also where a service asks for more
_TIMEOUT = 15.0  # seconds of a try where the Provider says nothing, Flux's


@dataclass(frozen=True, slots=True)
class Means:
    """What telling takes; context: what a notifier is given for a Provider.

    count: (type of the Provider, what became of an event).
    """

    directory: Directory
    complaints: Complaints
    queue: Queue
    notifiers: Mapping[str, Notifier]
    client: Client
    clock: Clock
    settings: Settings
    context: Callable[[Ref], Context]
    count: Callable[[str, str], None]


class Dispatcher:
    """The lines that are worked on; `serve` owns their tasks."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._working: set[Ref] = set()
        self._resting: set[Ref] = set()  # in a pause before a try again
        self._changed = anyio.Event()

    def __repr__(self) -> str:
        return f"Dispatcher(working={len(self._working)}, resting={len(self._resting)})"

    async def serve(self) -> None:
        """Tells until cancelled; what is not told by then stays in line."""
        await self._means.directory.complete.wait()
        queue = self._means.queue
        async with anyio.create_task_group() as tasks:
            while True:
                queue.news = anyio.Event()
                for line in queue.lines():
                    if line not in self._working:
                        self._working.add(line)
                        tasks.start_soon(self._work, line)
                await queue.news.wait()

    async def drain(self) -> None:
        """Returns once nothing waits but for services that did not answer."""
        while set(self._means.queue.lines()) - self._resting:
            self._changed = anyio.Event()
            await self._changed.wait()

    async def _work(self, line: Ref) -> None:
        queue = self._means.queue
        try:
            while (waiting := queue.first(line)) is not None:
                await self._deliver(waiting.delivery)
                await queue.done(waiting)
        finally:
            self._working.discard(line)
            self._changed.set()

    async def _deliver(self, delivery: Delivery) -> None:
        """Tells it, or says why not."""
        alert = self._means.directory.alert(delivery.alert)
        involved = delivery.notification.involved_object
        if alert is None:
            logger.info("%s is gone: it is not told of %s any more", delivery.alert, involved)
            self._count(delivery, "withdrawn")
            return
        problem = await self._tried(delivery)
        if problem:
            where = f"failed to send notification for {involved}: "
            self._means.complaints.add(alert.obj, DISPATCH_FAILED, problem, where)
            self._count(delivery, "failed")

    async def _tried(self, delivery: Delivery) -> str:
        """Why it could not be told, "" if it was or need not be."""
        problem = ""
        for pause in (*PAUSES, None):
            try:
                await self._once(delivery)
            except Undeliverable as error:
                return str(error)
            except Undelivered as error:
                problem, asked = str(error), error.after
            except TimeoutError:
                problem, asked = "no answer in time: raise spec.timeout, or see to the service", 0.0
            except FeatureGateDisabled as error:
                return error.message
            except Exception as bug:  # no text of it: it may show what it was given
                where = "".join(format_tb(bug.__traceback__))
                logger.error("unexpected: this is a bug of the notifier", extra=because(where))
                return f"unexpected {type(bug).__name__}: this is a bug, the log says where"
            else:
                return ""
            if pause is not None:
                logger.debug("%s: tried again", delivery.provider, extra=because(problem))
                await self._rest(delivery.provider, min(max(pause, asked), _LONGEST_PAUSE))
        return f"{problem} (tried {len(PAUSES) + 1} times)"

    async def _once(self, delivery: Delivery) -> None:
        """Raises Undelivered, TimeoutError."""
        service = self._means.directory.provider(delivery.provider)
        if service is None:
            raise Undelivered(
                f"failed to read provider '{delivery.provider.namespace}/{delivery.provider.name}':"
                " it does not exist any more"
            )
        spec = service.provider.spec
        notifier = self._means.notifiers.get(spec.type)
        if spec.suspend:
            logger.info("%s is suspended: nothing is told", delivery.provider)
            self._count(delivery, "withdrawn")
            return
        if notifier is None:
            raise Undeliverable(f"type '{spec.type}' is not supported yet")
        with anyio.fail_after(spec.timeout or _TIMEOUT):
            await self._tell(notifier, delivery, service)
        self._count(delivery, "delivered")
        logger.info(
            "told %s of %s: %s",
            delivery.provider,
            delivery.notification.involved_object,
            delivery.notification.reason,
        )

    async def _tell(self, notifier: Notifier, delivery: Delivery, service: Service) -> None:
        means = self._means
        destination = await destination_of(service, delivery.status, means.client, means.settings)
        try:
            await notifier(delivery.notification, destination, means.context(delivery.provider))
        except Undelivered as error:  # whoever wrote the notifier
            raise type(error)(mask(str(error), destination.secrets), after=error.after) from None

    async def _rest(self, line: Ref, seconds: float) -> None:
        self._resting.add(line)
        self._changed.set()
        try:
            await self._means.clock.sleep(seconds)
        finally:
            self._resting.discard(line)

    def _count(self, delivery: Delivery, outcome: str) -> None:
        service = self._means.directory.provider(delivery.provider)
        self._means.count(service.provider.spec.type if service else "unknown", outcome)
