"""Follow Flux's kinds: what is heard of their objects goes to the triggers."""

from collections.abc import Callable
from contextlib import aclosing

from engine.api import Kind
from engine.cluster import Client, Resource
from engine.cluster.client import Query
from engine.cluster.mirror import version
from engine.cluster.resource import resource_of
from engine.cluster.watch import Event, EventType, Watch
from engine.objects.ref import Ref
from engine.reconcile.forgetting import forget
from engine.reconcile.run import Engine
from engine.runtime import Priority
from engine.telemetry import about, logger

CONFIGS = (
    Resource("", "v1", "ConfigMap", "configmaps", namespaced=True),
    Resource("", "v1", "Secret", "secrets", namespaced=True),
)
"""What runs read, and no kind of Flux's."""


async def follow(
    kind: Kind, selector: str, engine: Engine, tell: Callable[[Kind, Event], None]
) -> None:
    """Tells the triggers of each object of a kind, for ever.

    selector: by label, "" for all.   tell: is given what is said about the watch itself: SYNCED
    and TROUBLE.
    """
    watch = _watch(kind, {"label_selector": selector}, engine.client, engine)
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type in (EventType.SYNCED, EventType.TROUBLE):
                _note_known(kind, selector, event.type is EventType.SYNCED, engine)
                tell(kind, event)
            elif event.type is not EventType.BOOKMARK:
                try:
                    _heard(event, engine)
                except Exception:  # one odd object must not end the watch of all others
                    logger.exception("object of kind %s not understood", kind.name)


def _note_known(kind: Kind, selector: str, is_synced: bool, engine: Engine) -> None:
    """Whether all objects of the kind are known, for who looks for some of them by label."""
    key, hooks = (kind.group, kind.name), engine.hooks
    if not is_synced:
        hooks.whole.discard(key)
        return
    hooks.known.add(key)
    if not selector and engine.settings.watch_all_namespaces:
        hooks.whole.add(key)


async def name_unreconciled(kind: Kind, engine: Engine) -> None:
    """Says of each object of a kind that this version leaves alone that it does, for ever.

    Another controller may well reconcile them: this is no error.
    """
    watch = _watch(kind, {"metadata_only": True}, engine.client.at(Priority.STATUS), engine)
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type is EventType.ADDED:
                ref = Ref.of(event.obj)
                logger.info(
                    "%s is not reconciled by this engine: leave its controller of Flux running",
                    ref,
                    extra=about(ref.kind, ref.group, ref.namespace, ref.name),
                )


async def follow_configs(resource: Resource, engine: Engine) -> None:
    """Tells of each ConfigMap or Secret with the label, by metadata alone, for ever."""
    query: Query = {
        "metadata_only": True,
        "label_selector": engine.settings.watch_configs_label_selector,
    }
    settings, is_told = engine.settings, False
    namespace = "" if settings.watch_all_namespaces else settings.runtime_namespace
    watch = Watch(engine.client, resource, engine.clock, engine.random, namespace, query)
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type in (EventType.ADDED, EventType.MODIFIED, EventType.DELETED):
                is_there = event.type is not EventType.DELETED
                engine.configs.told(Ref.of(event.obj), version(event.obj), is_there=is_there)
            elif event.type is EventType.TROUBLE and not is_told:
                is_told = True
                logger.info(
                    "%s objects cannot be watched: a change of one counts at the next interval: %s",
                    resource.kind,
                    event.problem,
                )
            elif event.type is EventType.SYNCED:
                is_told = False


def _watch(kind: Kind, query: Query, client: Client, engine: Engine) -> Watch:
    settings = engine.settings
    namespace = "" if settings.watch_all_namespaces else settings.runtime_namespace
    return Watch(client, resource_of(kind), engine.clock, engine.random, namespace, query)


def _heard(event: Event, engine: Engine) -> None:
    if event.type is not EventType.DELETED:
        engine.triggers.changed(event.obj)
        if event.obj["kind"] == "Kustomization":
            engine.reservations.heard(event.obj)
        elif event.obj["kind"] == "Receiver":
            engine.hooks.heard(event.obj)
        return
    engine.triggers.deleted(event.obj)
    ref = Ref.of(event.obj)
    if engine.mirror.get(ref) is None:  # else another one of its name is known already
        forget(ref, engine)
