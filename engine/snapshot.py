"""What a cluster holds of the engine's concern, each kind listed once and only if it is asked for.

For checks: whatever they ask, the number of requests depends on how many kinds there are, never on
how many objects.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import anyio

from engine.api import KINDS
from engine.api.meta import (
    HELM_GROUP,
    KUSTOMIZE_GROUP,
    KUSTOMIZE_OWNER_NAME,
    KUSTOMIZE_OWNER_NAMESPACE,
    READY,
    SOURCE_GROUP,
)
from engine.cluster import ApiError, Client, Resource, UnknownKind
from engine.cluster.resource import resource_of
from engine.objects.ref import Object, Ref

_IN_FLIGHT: Final = 8  # lists at a time
_EVENTS = Resource("", "v1", "Event", "events", namespaced=True)


class Snapshot:
    """One cluster at one moment; namespace: "" for all."""

    def __init__(self, client: Client, now: float, namespace: str = "") -> None:
        """now: seconds since 1970."""
        self.client, self.now, self.namespace = client, now, namespace
        self.barred: list[str] = []
        """What may not be read, for messages: `events: forbidden`."""
        self._lists: dict[str, tuple[Object, ...]] = {}
        self._hidden: set[tuple[str, str]] = set()
        self._lock = anyio.Lock()

    async def kustomizations(self) -> tuple[Object, ...]:
        """All Kustomizations."""
        return await self._flux(KUSTOMIZE_GROUP, "Kustomization")

    async def appliers(self) -> tuple[Object, ...]:
        """Whatever has something applied: Kustomizations and HelmReleases."""
        return (*await self.kustomizations(), *await self._flux(HELM_GROUP, "HelmRelease"))

    async def sources(self) -> tuple[Object, ...]:
        """All sources."""
        found: list[Object] = []
        for group, name in KINDS:
            if group == SOURCE_GROUP:
                found += await self._flux(group, name)
        return tuple(found)

    async def everything(self) -> dict[Ref, Object]:
        """Appliers and sources by Ref."""
        return {Ref.of(obj): obj for obj in (*await self.appliers(), *await self.sources())}

    def shows(self, ref: Ref) -> bool:
        """Whether it would have been seen if it were there, once its kind was listed."""
        is_here = self.namespace in ("", ref.namespace)
        return is_here and (ref.group, ref.kind) not in self._hidden

    async def events(self) -> tuple[Object, ...]:
        """All Kubernetes events, oldest first."""
        found = await self._listed("events", _EVENTS)
        return tuple(sorted(found, key=lambda event: seen_at(event)))

    async def owned(self) -> tuple[Object, ...]:
        """Metadata of every object with a Kustomization's label, of all kinds that are served."""
        async with self._lock:
            if "owned" not in self._lists:
                self._lists["owned"] = tuple(await self._owned())
        return self._lists["owned"]

    async def _owned(self) -> list[Object]:
        kinds: dict[tuple[str, str], Resource] = {}
        for resource in await self.client.discovery.all():
            if (resource.group, resource.kind) not in _NOT_APPLIED:
                kinds.setdefault((resource.group, resource.kind), resource)
        found: dict[str, Object] = {}
        limiter = anyio.CapacityLimiter(_IN_FLIGHT)

        async def look(resource: Resource) -> None:
            async with limiter:
                for obj in await self._read(resource, label_selector=KUSTOMIZE_OWNER_NAME):
                    # Some kinds are served by two groups.
                    found.setdefault(str(obj["metadata"].get("uid") or Ref.of(obj)), obj)

        async with anyio.create_task_group() as tasks:
            for resource in kinds.values():
                if resource.namespaced or not self.namespace:
                    tasks.start_soon(look, resource)
        return sorted(found.values(), key=Ref.of)

    async def _flux(self, group: str, name: str) -> tuple[Object, ...]:
        return await self._listed(f"{group}/{name}", resource_of(KINDS[group, name]))

    async def _listed(self, key: str, resource: Resource) -> tuple[Object, ...]:
        async with self._lock:
            if key not in self._lists:
                self._lists[key] = tuple(await self._read(resource))
        return self._lists[key]

    async def _read(self, resource: Resource, label_selector: str = "") -> Iterable[Object]:
        """Nothing of a kind that is not served, or that may not be read; that is noted."""
        query: dict[str, Any] = {"resource_version": "0"} if not label_selector else {}
        if label_selector:
            query = {"label_selector": label_selector, "metadata_only": True}
        namespace = self.namespace if resource.namespaced else ""
        try:
            await self.client.discovery.resource(resource.group, resource.version, resource.kind)
            listing = await self.client.list(resource, namespace, **query)
        except UnknownKind:
            return ()
        except ApiError as error:
            if error.status not in (404, 405):
                self.barred.append(f"{resource.title}: {error.reason or error.status}")
                self._hidden.add((resource.group, resource.kind))
            return ()
        return [{**_named(resource), **obj} for obj in listing.items]


_NOT_APPLIED: Final = {
    ("", "Event"),
    ("events.k8s.io", "Event"),
    ("", "Endpoints"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("", "Pod"),
    ("apps", "ReplicaSet"),
    ("apps", "ControllerRevision"),
    ("coordination.k8s.io", "Lease"),
}
"""Kinds whose objects are mostly made by controllers, which copy labels."""


def _named(resource: Resource) -> dict[str, str]:
    return {"apiVersion": resource.api_version, "kind": resource.kind}


@dataclass(frozen=True, slots=True)
class State:
    """What an object of Flux's says of itself.

    since: seconds since 1970 of the last change of Ready, 0 if it does not say.
    """

    ready: str = "Unknown"
    reason: str = ""
    message: str = ""
    since: float = 0.0
    is_current: bool = True
    """Whether it says so of its newest generation."""
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def state_of(obj: Object) -> State:
    """What the conditions say."""
    status = obj.get("status") or {}
    conditions = {str(each.get("type")): each for each in status.get("conditions") or ()}
    ready = conditions.get(READY) or {}
    observed = status.get("observedGeneration")
    return State(
        str(ready.get("status", "Unknown")),
        str(ready.get("reason", "")),
        str(ready.get("message", "")),
        instant(ready.get("lastTransitionTime")),
        observed is None or observed == obj["metadata"].get("generation", observed),
        conditions,
    )


def instant(text: Any) -> float:
    """Seconds since 1970 of an RFC 3339 time, 0 if it is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp() if text else 0.0
    except ValueError:
        return 0.0


def seen_at(event: Object) -> float:
    """When an event was last seen, seconds since 1970."""
    series = event.get("series") or {}
    for value in (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    ):
        if value:
            return instant(value)
    return 0.0


def count_of(event: Object) -> int:
    """How often it was seen."""
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def about(event: Object) -> Ref:
    """The object that an event is about."""
    regarding = event.get("involvedObject") or {}
    group, _, _ = str(regarding.get("apiVersion", "")).rpartition("/")
    return Ref(
        group,
        str(regarding.get("kind", "")),
        str(regarding.get("namespace", "")),
        str(regarding.get("name", "")),
    )


def waits_for(obj: Object) -> Iterator[Ref]:
    """What an object of Flux's builds on: its source, then its dependencies."""
    ref, spec = Ref.of(obj), obj.get("spec") or {}
    source = spec.get("sourceRef") or spec.get("chartRef")
    if not source:
        chart = ((spec.get("chart") or {}).get("spec") or {}) if ref.kind == "HelmRelease" else {}
        source = chart.get("sourceRef")
    if isinstance(source, Mapping) and source.get("kind"):
        namespace = str(source.get("namespace") or ref.namespace)
        yield Ref(SOURCE_GROUP, str(source["kind"]), namespace, str(source.get("name", "")))
    for each in spec.get("dependsOn") or ():
        if isinstance(each, Mapping):
            namespace = str(each.get("namespace") or ref.namespace)
            yield Ref(ref.group, ref.kind, namespace, str(each.get("name", "")))


def owner_in(obj: Object) -> Ref | None:
    """The Kustomization that an object's labels name, None if they name none."""
    labels = obj["metadata"].get("labels") or {}
    name, namespace = labels.get(KUSTOMIZE_OWNER_NAME), labels.get(KUSTOMIZE_OWNER_NAMESPACE)
    return Ref(KUSTOMIZE_GROUP, "Kustomization", namespace, name) if name and namespace else None


def is_suspended(obj: Object) -> bool:
    """Whether nobody reconciles it for now."""
    return bool((obj.get("spec") or {}).get("suspend"))
