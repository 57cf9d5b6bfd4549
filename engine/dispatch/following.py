"""Follows Alerts and Providers, and frees them of the finalizers of Flux.

Source: notification-controller internal/controller: an Alert has had no finalizer since v1beta3; a
Provider's guards a cache that this engine keeps by other keys, so it goes when the Provider does.
"""

from contextlib import aclosing
from random import Random

from engine.api import KINDS
from engine.api.meta import FINALIZER, NOTIFICATION_GROUP
from engine.cluster import ApiError, Client, Forbidden, LeaseLost, Resource
from engine.cluster.errors import NotFound
from engine.cluster.resource import resource_of
from engine.cluster.watch import EventType, Watch
from engine.dispatch.complaints import CONTROLLER
from engine.dispatch.directory import Directory
from engine.objects.ref import Object, Ref
from engine.runtime import Clock
from engine.telemetry import because, logger


def resource_named(kind: str) -> Resource:
    """Where Alerts or Providers are served."""
    return resource_of(KINDS[NOTIFICATION_GROUP, kind])


async def follow(
    kind: str, namespace: str, directory: Directory, client: Client, clock: Clock
) -> None:
    """Tells the directory of each object of the kind, for ever; namespace: empty: all."""
    resource = resource_named(kind)
    random = Random()  # noqa: S311 - jitter
    watch = Watch(client, resource, clock, random, namespace)
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type in (EventType.ADDED, EventType.MODIFIED):
                directory.told(event.obj)
                await _free(event.obj, resource, client)
            elif event.type is EventType.DELETED:
                directory.gone(Ref.of(event.obj))
            elif event.type is EventType.SYNCED:
                directory.synced(kind)
            elif event.type is EventType.TROUBLE:
                _note(kind, event.problem, directory)


def _note(kind: str, problem: ApiError | None, directory: Directory) -> None:
    if isinstance(problem, NotFound | Forbidden) and not directory.settled.is_set():
        directory.unwatchable()
        logger.info("%s objects cannot be watched: no alerts are sent: %s", kind, problem)
    else:
        logger.debug("%s objects cannot be watched, tried again: %s", kind, problem)


async def _free(obj: Object, resource: Resource, client: Client) -> None:
    """Removes Flux's finalizer where it has no use any more."""
    metadata = obj["metadata"]
    finalizers = metadata.get("finalizers") or []
    is_deleted = bool(metadata.get("deletionTimestamp"))
    is_asleep = bool((obj.get("spec") or {}).get("suspend"))
    if FINALIZER not in finalizers or not (
        is_deleted or (obj["kind"] == "Alert" and not is_asleep)
    ):
        return
    left = [each for each in finalizers if each != FINALIZER]
    guards = {key: metadata[key] for key in ("uid", "resourceVersion")}
    patch = {"metadata": {**guards, "finalizers": left}}
    ref = Ref.of(obj)
    try:
        await client.merge_patch(resource, ref.namespace, ref.name, patch, field_manager=CONTROLLER)
    except (ApiError, LeaseLost) as error:  # changed meanwhile: that is told, too
        logger.info("%s keeps a finalizer of Flux for now", ref, extra=because(error))
    else:
        logger.info("%s was freed of a finalizer of Flux", ref)
