"""Wait until an object was reconciled: told by a watch, or looking every 2 s where none may be.

Source: flux-behaviour section 11, `reconcile` and `resume`.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Any

import anyio

from engine.api.duration import format_duration
from engine.api.meta import PROGRESSING, READY, REQUESTED_AT
from engine.cli import steps
from engine.cli.columns import ready_of, revision_of, source_of
from engine.cli.kinds import KINDS, Kind
from engine.cli.problems import Problem
from engine.cluster import Client, Forbidden, NotFound
from engine.cluster.watch import Event, EventType, Watch
from engine.objects.ref import Object
from engine.runtime import SystemClock

_POLL = 2.0  # seconds, as Flux
_WAITS = (PROGRESSING, "DependencyNotReady")  # reasons of what goes on by itself
_NO_ARTIFACT = "Source artifact not found"


@dataclass(frozen=True, slots=True)
class Awaited:
    """What is waited for.

    before: the object as it was, which an outcome must differ from.   token: of a request
    (`requestedAt`) that must be answered, "" for none.
    """

    kind: Kind
    before: Object
    token: str = ""

    @property
    def title(self) -> str:
        """`Kustomization flux-system/apps`."""
        metadata = self.before["metadata"]
        return f"{self.kind.name} {metadata.get('namespace', '')}/{metadata['name']}"

    def is_outcome(self, obj: Object) -> bool:
        """Whether the object says how the newest generation, and the request, ended."""
        metadata, status = obj["metadata"], obj.get("status") or {}
        generation = metadata.get("generation", 0)
        if generation < self.before["metadata"].get("generation", 0):
            return False  # a list may be older than what was written
        if self.token and not self._is_answered(obj):
            return False
        ready = _ready(obj)
        if ready.get("status") not in ("True", "False") or ready.get("reason") in _WAITS:
            return False
        seen = ready.get("observedGeneration") or status.get("observedGeneration")
        return bool(seen == generation)

    def _is_answered(self, obj: Object) -> bool:
        """Whether ours, or a request after ours, was acted on."""
        requested = (obj["metadata"].get("annotations") or {}).get(REQUESTED_AT, "")
        handled = (obj.get("status") or {}).get("lastHandledReconcileAt", "")
        earlier = (self.before.get("status") or {}).get("lastHandledReconcileAt", "")
        asked = (self.before["metadata"].get("annotations") or {}).get(REQUESTED_AT, "")
        return bool(requested != asked and handled != earlier)


async def wait_reconciled(client: Client, awaited: Awaited, seconds: float) -> Object:
    """The object once it is Ready.

    Raises Problem if it failed, was deleted or said nothing within `seconds`.
    """
    newest: Object = awaited.before
    with anyio.move_on_after(seconds):
        async with aclosing(_versions(client, awaited)) as versions:
            async for obj in versions:
                newest = obj
                if awaited.is_outcome(obj):
                    return _succeeded(obj, awaited)
    ready = ready_of(newest)
    raise Problem(
        f"{awaited.title} was not reconciled within {format_duration(seconds)}; it is Ready "
        f"{ready['status']}: {ready['message'] or 'no message'}; is an engine running? "
        "`lockstep check` says who holds its Leases"
    )


def outcome(obj: Object) -> str:
    """What to say of a success: which revision was applied or fetched."""
    revision = revision_of(obj)
    if not revision:
        return ready_of(obj)["message"]
    verb = "applied" if obj.get("kind") in ("Kustomization", "HelmRelease") else "fetched"
    return f"{verb} revision {revision}"


def _succeeded(obj: Object, awaited: Awaited) -> Object:
    ready = _ready(obj)
    if ready["status"] == "True":
        return obj
    raise Problem(f"{awaited.title}: {ready.get('reason')}: {ready.get('message')}{_hint(obj)}")


def _hint(obj: Object) -> str:
    """Where to look, if what an object says only tells that it waits for another."""
    source = source_of(obj)
    kind = KINDS.get(source.get("kind", ""))
    if kind is None or not str(_ready(obj).get("message")).startswith(_NO_ARTIFACT):
        return ""
    return f"; `lockstep get {kind.title} {source['name']} -n {source['namespace']}` says why"


def _ready(obj: Object) -> Mapping[str, Any]:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == READY), {})


async def _versions(client: Client, awaited: Awaited) -> AsyncGenerator[Object, None]:
    """The object each time it changes, for ever.  Raises Problem if it is deleted."""
    metadata = awaited.before["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    clock = SystemClock()
    watch = Watch(
        client,
        awaited.kind.resource,
        clock,
        Random(),  # noqa: S311 - jitter
        namespace,
        {"field_selector": f"metadata.name={name}"},
    )
    may_watch = True
    async with aclosing(watch.events()) as events:
        async for event in events:
            if isinstance(event.problem, Forbidden):
                may_watch = False
                break
            if obj := _told(event, awaited):
                yield obj
    while not may_watch:
        yield _existing(await client.get(awaited.kind.resource, namespace, name), awaited)
        await clock.sleep(_POLL)


def _told(event: Event, awaited: Awaited) -> Object | None:
    """The object of an event, None if the event is about the watch itself."""
    if isinstance(event.problem, NotFound):
        raise event.problem
    if event.problem is not None:
        steps.warning(f"{event.problem}; trying again")
    if event.type is EventType.DELETED:
        return _existing(None, awaited)
    return event.obj if event.type in (EventType.ADDED, EventType.MODIFIED) else None


def _existing(obj: Object | None, awaited: Awaited) -> Object:
    if obj is None:
        raise Problem(f"{awaited.title} was deleted meanwhile; nothing is left to wait for")
    return obj
