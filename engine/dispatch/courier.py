"""Takes events, ours and those of Flux's controllers, and puts each in line for whom it concerns.

Source: flux-behaviour 6.1-6.2; notification-controller internal/server event_handlers.go and
event_server.go.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from anyio import to_thread

from engine.api.decode import Undecodable
from engine.api.meta import NOTIFICATION_GROUP
from engine.cluster import ApiError, Client
from engine.dispatch.complaints import (
    DISPATCH_FAILED,
    METADATA_CONFLICT,
    SOURCE_UNKNOWN,
    Complaints,
)
from engine.dispatch.directory import Directory, Service
from engine.dispatch.following import resource_named
from engine.dispatch.queue import Delivery, Queue
from engine.notice import Notification, read
from engine.notice.audience import COMMIT_STATUS, is_for
from engine.notice.commit_status import NoCommitStatus, commit_status
from engine.notice.metadata import merged
from engine.notice.notification import identity, with_metadata, without_token
from engine.notice.subscription import Subscription, has_labels
from engine.objects.ref import Object, Ref
from engine.plugin import Notifier
from engine.runtime import Clock
from engine.settings import Settings
from engine.telemetry import because, logger

_REMEMBERED = 100_000  # events that are known for the window; a hundred bytes each


class _Undispatched(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """An event cannot be told for one Alert: why."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What is needed to judge events.

    lookup: an object that the engine knows anyway, None if it does not.
    """

    directory: Directory
    complaints: Complaints
    queue: Queue
    notifiers: Mapping[str, Notifier]
    client: Client
    clock: Clock
    settings: Settings
    lookup: Callable[[Ref], Object | None]


class Courier:
    """Judges one event after the other."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: dict[str, float] = {}  # {identity: when, monotonic}, oldest first

    async def take(self, body: Mapping[str, Any], _: Mapping[str, str]) -> None:
        """An event of the engine's own; see `status.events.Recorder`."""
        try:
            notification = read(body)
        except Undecodable as error:
            logger.error("event not understood", extra=because(error))
            return
        directory, involved = self._desk.directory, notification.involved_object
        await directory.settled.wait()
        if directory.watchers(involved.kind, involved.namespace):  # else it costs nothing more
            await self.receive(notification)

    async def receive(self, notification: Notification) -> bool:
        """Whether it is news; False for what was told within the window.

        It is on disk then, in line for each Alert that wants it.
        """
        key, now = identity(notification), self._desk.clock.monotonic()
        if now - self._seen.get(key, float("-inf")) < self._desk.settings.rate_limit_interval:
            logger.debug("%s: told before: %s", notification.involved_object, notification.reason)
            return False
        self._remember(key, now)
        try:
            deliveries = await self._deliveries(without_token(notification))
        except BaseException:
            self._seen.pop(key, None)
            raise
        if deliveries:  # known from here on: who gives up waiting for the disk has it told, too
            await self._desk.queue.put(deliveries)
        return True

    def _remember(self, key: str, now: float) -> None:
        self._seen.pop(key, None)
        self._seen[key] = now
        oldest = now - self._desk.settings.rate_limit_interval
        for each, at in tuple(islice(self._seen.items(), 2)):  # two go for each
            if at < oldest or len(self._seen) > _REMEMBERED:
                del self._seen[each]

    async def _deliveries(self, notification: Notification) -> list[Delivery]:
        """One for each Alert that wants it."""
        involved, found = notification.involved_object, []
        for each in self._desk.directory.watchers(involved.kind, involved.namespace):
            if not await self._is_wanted(notification, each):
                continue
            try:
                delivery = await self._delivery(notification, each)
            except _Undispatched as error:
                where = f"failed to dispatch notification for {involved}: "
                self._desk.complaints.add(each.obj, DISPATCH_FAILED, str(error), where)
            else:
                found += [delivery] if delivery is not None else []
        return found

    async def _is_wanted(self, notification: Notification, by: Subscription) -> bool:
        sources = by.sources(notification)
        if not sources:
            return False
        # In a thread: re2 lets others run, and tenants write the expressions.
        if by.has_expressions and not await to_thread.run_sync(by.wants, notification.message):
            return False
        if has_labels({}, sources):
            return True
        labels = await self._labels(notification, by)
        return labels is not None and has_labels(labels, sources)

    async def _labels(
        self, notification: Notification, by: Subscription
    ) -> Mapping[str, str] | None:
        """Labels of the event's object; None if they cannot be known, of which the Alert tells."""
        involved, problem = notification.involved_object, "it does not exist"
        ref = Ref(involved.group, involved.kind, involved.namespace, involved.name)
        obj = self._desk.lookup(ref)
        try:
            if obj is None:
                version = involved.api_version.rpartition("/")[2]
                discovery = self._desk.client.discovery
                resource = await discovery.resource(ref.group, version, ref.kind)
                get = partial(self._desk.client.get, metadata_only=True)
                obj = await get(resource, involved.namespace, involved.name)
        except (ApiError, ValueError) as error:
            problem = str(error)
        if obj is None:
            text = f"error getting source object {involved}: {problem}"
            self._desk.complaints.add(by.obj, SOURCE_UNKNOWN, text)
            return None
        return obj["metadata"].get("labels") or {}

    async def _delivery(self, notification: Notification, by: Subscription) -> Delivery | None:
        """What to tell, None if its Provider has no use for it.  Raises _Undispatched."""
        involved, alert = notification.involved_object, by.alert
        if self._desk.settings.no_cross_namespace_refs and (
            involved.namespace != alert.metadata.namespace
        ):
            raise _Undispatched(
                "access denied: cross-namespace references have been blocked, as "
                "--no-cross-namespace-refs is set: remove the namespace from eventSources"
            )
        service = await self._service(by)
        spec = service.provider.spec
        if spec.suspend or not is_for(spec.type, notification):
            logger.debug("%s: nothing for %s", involved, Ref.of(service.obj))
            return None
        if spec.type not in self._desk.notifiers:
            known = ", ".join(sorted(self._desk.notifiers)) or "none"
            raise _Undispatched(
                f"type '{spec.type}' of Provider '{service.provider.metadata.name}' is not "
                f"supported yet (these are: {known}): have Flux's notification-controller send "
                "the alerts, with --events-addr, or use another Provider"
            )
        told = self._merged(notification, by)
        status = ""
        if spec.type in COMMIT_STATUS:
            try:
                status = commit_status(spec.commit_status_expr, told, by.obj, service.obj)
            except NoCommitStatus as error:
                raise _Undispatched(f"failed to create commit status: {error}") from error
        return Delivery(Ref.of(by.obj), Ref.of(service.obj), told, status)

    def _merged(self, notification: Notification, by: Subscription) -> Notification:
        found = merged(notification, by.alert.spec)
        if found.conflicts:
            text = (
                f"metadata of these keys is given more than once: {', '.join(found.conflicts)}: "
                "the controller's own counts most, then summary, then eventMetadata"
            )
            conflicts = found.conflicts
            self._desk.complaints.add(by.obj, METADATA_CONFLICT, text, metadata=conflicts)
        return with_metadata(notification, found.metadata)

    async def _service(self, by: Subscription) -> Service:
        """Its Provider; one that no watch has told yet is asked for.  Raises _Undispatched."""
        namespace, name = by.alert.metadata.namespace, by.alert.spec.provider_ref.name
        ref = Ref(NOTIFICATION_GROUP, "Provider", namespace, name)
        found = self._desk.directory.provider(ref)
        problem = "it does not exist, or is malformed: create it, or correct spec.providerRef"
        if found is None:
            try:
                obj = await self._desk.client.get(resource_named("Provider"), namespace, name)
            except ApiError as error:
                problem = str(error)
            else:
                if obj is not None:
                    self._desk.directory.told(obj)
                    found = self._desk.directory.provider(ref)
        if found is None:
            raise _Undispatched(f"failed to read provider '{namespace}/{name}': {problem}")
        return found
