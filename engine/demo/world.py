"""What the story plays on: the demo's repository, its cluster, and news of what happens there."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import anyio

from engine.api.meta import KUSTOMIZE_GROUP, READY, REQUESTED_AT, SOURCE_GROUP
from engine.app import State
from engine.cluster import Client, Resource
from engine.cluster.watch import EventType, Watch
from engine.demo.fleet import KUSTOMIZATIONS, NAMESPACE, Files
from engine.installation import install_crds
from engine.objects.ref import Object, Ref
from engine.runtime import Clock
from engine.source.author import commit_files

T = TypeVar("T")

FOLLOWED = (
    (SOURCE_GROUP, "v1", "GitRepository"),
    (KUSTOMIZE_GROUP, "v1", "Kustomization"),
    ("apps", "v1", "Deployment"),
    ("", "v1", "Event"),
)
"""Kinds whose objects the demo is told of: (group, version, kind)."""

_OUTCOMES = ("ReconciliationSucceeded", "BuildFailed", "ReconciliationFailed", "HealthCheckFailed")
_BY_HAND = "kubectl-edit"  # the field manager that `kubectl edit` writes as
_LEASES = "leases.coordination.k8s.io"


class NotAsTold(Exception):  # noqa: N818 - not an error of the code, but of the story
    """The engine did not do what the demo says that it does."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment; told: how many events there had been until then, by name and reason."""

    instant: float
    told: Counter[tuple[str, str]]


@dataclass(slots=True)
class World:
    """One repository, the cluster `prod`, and what is known of both; `follow` keeps it up to date.

    patience: seconds that anything may take.   listen: called with each object that is new or
    changed, with what it was before, and with `(None, what it was)` when it is gone.
    """

    client: Client
    engine: State
    repository: Path
    url: str  #: of the repository
    clock: Clock
    listen: Callable[[Object | None, Object | None], None] = lambda obj, before: None
    patience: float = 60.0
    files: dict[str, str] = field(default_factory=dict)
    objects: dict[Ref, Object] = field(default_factory=dict)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    _news: anyio.Event = field(default_factory=anyio.Event)

    # What somebody does

    async def furnish(self) -> None:
        """Prepares an empty cluster as `flux install` does, but for the controllers."""
        await install_crds(self.client)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        await self.apply(namespace)

    def commit(self, changed: Files, message: str) -> str:
        """The id of a new commit on main."""
        content = {path: None if text is None else text.encode() for path, text in changed.items()}
        commit = commit_files(self.repository, content, message)
        merged = {**self.files, **changed}
        self.files = {path: text for path, text in merged.items() if text is not None}
        return commit

    async def request(self, kind: str, name: str) -> None:
        """Asks for a reconcile at once: what `flux reconcile` and webhook receivers write."""
        now = f"{self.clock.wall():.9f}"
        patch = {"metadata": {"annotations": {REQUESTED_AT: now}}}
        resource = await self.resource(kind)
        await self.client.merge_patch(resource, NAMESPACE, name, patch, field_manager="flux")

    async def edit(self, ref: Ref, patch: Object) -> Object:
        """The object after somebody changed it with `kubectl edit`."""
        resource = await self.resource(ref.kind)
        return await self.client.merge_patch(
            resource, ref.namespace, ref.name, patch, field_manager=_BY_HAND
        )

    async def apply(self, obj: Object) -> None:
        """What `kubectl apply --server-side` does."""
        resource = await self.client.resource(obj["apiVersion"], obj["kind"])
        await self.client.apply(resource, obj, manager="flux")

    # What is seen

    def mark(self) -> Mark:
        """This moment."""
        return Mark(self.clock.monotonic(), self.told.copy())

    def since(self, mark: Mark) -> float:
        """Seconds."""
        return self.clock.monotonic() - mark.instant

    def has_ended(self, name: str, mark: Mark) -> bool:
        """Whether a run of the Kustomization has ended, its event written, since then."""
        return any(self.has_told(name, reason, mark) for reason in _OUTCOMES)

    def has_told(self, name: str, reason: str, mark: Mark) -> bool:
        """Whether an event with that reason was written since then."""
        return self.told[name, reason] > mark.told[name, reason]

    def has_said(self, text: str) -> bool:
        """Whether an event with that text was written."""
        events = (obj for ref, obj in self.objects.items() if ref.kind == "Event")
        return any(text in event["message"] for event in events)

    def live(self, ref: Ref) -> Object:
        """The object.  Raises NotAsTold if there is none."""
        if ref not in self.objects:
            raise NotAsTold(f"there is no {ref}")
        return self.objects[ref]

    def kustomization(self, name: str) -> Object:
        """The Kustomization as it was last heard of, empty if there is none."""
        return self.objects.get(Ref(KUSTOMIZE_GROUP, "Kustomization", NAMESPACE, name), {})

    def requests(self) -> Counter[str]:
        """Requests that the engine has sent, by verb, those for its Leases left out."""
        counts: Counter[str] = Counter()
        if self.engine.client is not None:
            for (verb, resource), count in self.engine.client.statistics().requests.items():
                if resource != _LEASES:
                    counts[verb] += count
        return counts

    async def until(self, what: str, check: Callable[[], T | None]) -> T:
        """The first result of `check` that is neither None nor False, asked at each piece of news.

        Raises NotAsTold, saying `what` was awaited, when patience is at its end.
        """
        with anyio.move_on_after(self.patience):
            while True:
                news = self._news
                result = check()
                if result is not None and result is not False:
                    return result
                await news.wait()
        raise NotAsTold(f"waited {self.patience:g} s for {what}; {self._said()}")

    def _said(self) -> str:
        """What each Kustomization says, for messages."""
        told = {name: ready_of(self.kustomization(name)) for name in KUSTOMIZATIONS}
        return "; ".join(
            f"{name} is Ready {ready.get('status', '-')}: {ready.get('message', 'nothing yet')}"
            for name, ready in told.items()
        )

    async def resource(self, kind: str) -> Resource:
        """The kind as it is served.  Raises UnknownKind."""
        group, version = next((g, v) for g, v, each in FOLLOWED if each == kind)
        return await self.client.discovery.resource(group, version, kind)

    async def follow(self, kind: str) -> None:
        """Takes note of every object of a kind, for ever."""
        random = Random()  # noqa: S311 - jitter
        watch = Watch(self.client, await self.resource(kind), self.clock, random)
        async with aclosing(watch.events()) as events:
            async for event in events:
                if event.type in (EventType.ADDED, EventType.MODIFIED):
                    self._heard(event.obj)
                elif event.type is EventType.DELETED:
                    self.listen(None, self.objects.pop(Ref.of(event.obj), event.obj))
                self._news.set()
                self._news = anyio.Event()

    def _heard(self, obj: Object) -> None:
        ref = Ref.of(obj)
        before = self.objects.get(ref)
        self.objects[ref] = obj
        if ref.kind == "Event":
            self.told[obj["involvedObject"]["name"], obj["reason"]] += 1
        self.listen(obj, before)


def ready_of(obj: Object) -> Mapping[str, Any]:
    """The condition Ready, empty if there is none."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == READY), {})


def is_at(obj: Object, commit: str) -> bool:
    """Whether the Kustomization is Ready with that commit applied."""
    status = obj.get("status") or {}
    return bool(
        ready_of(obj).get("status") == "True"
        and status.get("observedGeneration") == obj["metadata"].get("generation")
        and str(status.get("lastAppliedRevision")).endswith(commit)
    )


def owner_of(obj: Object, *path: str) -> str:
    """The field manager that owns the field at `path`, "" if none does."""
    for entry in obj["metadata"].get("managedFields") or ():
        fields: Any = entry.get("fieldsV1")
        for name in path:
            fields = (fields or {}).get(f"f:{name}")
        if fields is not None:
            return str(entry["manager"])
    return ""
