"""What lives in the cluster: every object with an owner label, told by a watch for each kind.

Each event is folded into an Observation and the object is dropped.  Nothing goes backwards: of two
versions of one object the higher resourceVersion stays, whether a watch told it or the answer to
our own write did.
Source: design section 3.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from random import Random

import anyio
from anyio.abc import TaskGroup

from engine.cluster.client import Client
from engine.cluster.resource import Resource
from engine.cluster.watch import EventType, Watch
from engine.objects.ref import Object, Ref
from engine.plan.observation import Observation, observe
from engine.plan.policy import OWNER_LABELS
from engine.runtime.clock import Clock
from engine.telemetry import logger

OWNED = OWNER_LABELS[0]  # a label selector: the label is there
_FIRST_LIST = (
    10.0  # seconds that a plan waits for a kind's first list; then it asks object by object
)
_REMEMBERED = 10_000  # deletions; an answer that is late by more of them is not to be expected

Kind = tuple[str, str]
"""Group and kind."""

Told = Callable[[Ref, Observation | None, Object], None]
"""Hears of each change: the object as it is now (None: gone, or not owned any more) and as told."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment."""

    objects: int
    watches: int
    stale: int  #: watches that cannot be relied on now
    events: int


@dataclass(slots=True)
class _Followed:
    """A kind that is watched."""

    resource: Resource
    watch: Watch
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    answered: anyio.Event = field(default_factory=anyio.Event)
    """Set once all is told, or once that has failed."""
    is_synced: bool = False
    refs: set[Ref] = field(default_factory=set)

    def is_fresh(self, now: float) -> bool:
        """Whether what it has told is all, and is to be relied on."""
        return self.is_synced and self.watch.is_fresh(now)


class Live:
    """Observations by Ref.  `serve` keeps them; until it runs nothing is followed."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        random: Random,
        manager: str,
        overridden: Collection[str] = (),
    ) -> None:
        """client: the engine's own identity.  manager, overridden: see `observe`."""
        self._client, self._clock, self._random = client, clock, random
        self._manager, self._overridden = manager, tuple(overridden)
        self._kinds: dict[Kind, _Followed] = {}
        self._seen: dict[Ref, Observation] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()  # {uid: version as of which it is gone}
        self._tasks: TaskGroup | None = None
        self._events = 0
        self._listeners: dict[Ref, set[anyio.Event]] = {}
        self.told: Told = _nobody

    async def serve(self) -> None:
        """Watches what `follow` asks for, until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            await anyio.sleep_forever()

    async def follow(self, resources: Collection[Resource]) -> frozenset[Kind]:
        """The kinds of these whose objects are all known now; begins to watch what is new.

        A kind that cannot be watched, or whose watch has fallen silent, is not among them.
        """
        wanted = {(each.group, each.kind): each for each in resources}
        for kind, resource in wanted.items():
            if kind not in self._kinds and self._tasks is not None:
                self._begin(kind, resource, self._tasks)
        followed = {kind: self._kinds[kind] for kind in wanted if kind in self._kinds}
        with anyio.move_on_after(_FIRST_LIST):
            for each in followed.values():
                await each.answered.wait()
        now = self._clock.monotonic()
        return frozenset(
            kind
            for kind, each in followed.items()
            if each.is_fresh(now) and each.resource.version == wanted[kind].version
        )

    def unfollow(self, kinds: Collection[Kind]) -> None:
        """Ends the watches of these kinds, and forgets their objects."""
        for kind in kinds:
            followed = self._kinds.pop(kind, None)
            if followed is not None:
                followed.scope.cancel()
                for ref in followed.refs:
                    self._seen.pop(ref, None)

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that are watched."""
        return frozenset(self._kinds)

    def get(self, ref: Ref) -> Observation | None:
        """The object as last seen; None: not there, not owned, or its kind is not watched."""
        return self._seen.get(ref)

    def current(self, ref: Ref) -> Observation | None:
        """The same, None also if its watch has fallen silent."""
        followed = self._kinds.get((ref.group, ref.kind))
        is_fresh = followed is not None and followed.is_fresh(self._clock.monotonic())
        return self._seen.get(ref) if is_fresh else None

    def note(self, obj: Object) -> Observation:
        """The object as the answer to a write shows it; kept if it is news and owned."""
        ref, seen = Ref.of(obj), self.observed(obj)
        followed = self._kinds.get((ref.group, ref.kind))
        # An object whose label a policy strips is told by no watch: it would stay for ever.
        if followed is not None and OWNED in seen.marks["labels"]:
            self._keep(ref, seen, followed)
        return seen

    def doubt(self, ref: Ref) -> None:
        """Something says that the object is not there: whoever needs it is to ask for it."""
        seen = self._seen.pop(ref, None)
        if seen is not None:
            self._kinds[ref.group, ref.kind].refs.discard(ref)

    @contextmanager
    def listening(self, refs: Collection[Ref]) -> Iterator[anyio.Event]:
        """While inside, the event is set by the first change of one of these objects."""
        news = anyio.Event()
        for ref in refs:
            self._listeners.setdefault(ref, set()).add(news)
        try:
            yield news
        finally:
            for ref in refs:
                left = self._listeners.get(ref, set())
                left.discard(news)
                if not left:
                    self._listeners.pop(ref, None)

    def _begin(self, kind: Kind, resource: Resource, tasks: TaskGroup) -> None:
        watch = Watch(
            self._client, resource, self._clock, self._random, "", {"label_selector": OWNED}
        )
        followed = self._kinds[kind] = _Followed(resource, watch)
        tasks.start_soon(self._watch, followed)

    async def _watch(self, followed: _Followed) -> None:
        with followed.scope:
            async with aclosing(followed.watch.events()) as events:
                async for event in events:
                    if event.type is EventType.SYNCED:
                        followed.is_synced = True
                        followed.answered.set()
                    elif event.type is EventType.TROUBLE:
                        title = followed.resource.title
                        logger.debug("%s cannot be watched now: %s", title, event.problem)
                        followed.answered.set()
                    elif event.type is not EventType.BOOKMARK:
                        self._take(event.type, event.obj, followed)

    def _take(self, type_: EventType, obj: Object, followed: _Followed) -> None:
        self._events += 1
        try:
            ref = Ref.of(obj)
            if type_ is EventType.DELETED:
                is_news, seen = self._drop(ref, obj, followed), None
            else:
                seen = self.observed(obj)
                is_news = self._keep(ref, seen, followed)
        except Exception:  # one odd object must not end the watch of all others
            logger.exception("object of kind %s not understood", followed.resource.kind)
            return
        if is_news:
            for listener in self._listeners.get(ref, ()):
                listener.set()
            self.told(ref, seen, obj)

    def _keep(self, ref: Ref, seen: Observation, followed: _Followed) -> bool:
        """Whether it was news."""
        known = self._seen.get(ref)
        is_old = known is not None and known.version >= seen.version
        if is_old or self._gone.get(seen.uid, -1) >= seen.version:
            return False
        self._seen[ref] = seen
        followed.refs.add(ref)
        return True

    def _drop(self, ref: Ref, obj: Object, followed: _Followed) -> bool:
        """Whether it was news that the object is gone (or has lost its label)."""
        metadata, known = obj["metadata"], self._seen.get(ref)
        uid = metadata.get("uid", "")
        version = int(metadata.get("resourceVersion") or (known.version if known else 0))
        self._gone[uid] = version
        if len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)
        if known is None or known.uid != uid or known.version > version:
            return False
        del self._seen[ref]
        followed.refs.discard(ref)
        return True

    def observed(self, obj: Object) -> Observation:
        """What would be kept of the object; nothing is."""
        return observe(obj, self._manager, self._overridden, self._clock.wall())

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        now = self._clock.monotonic()
        fresh = sum(each.is_fresh(now) for each in self._kinds.values())
        return Statistics(len(self._seen), len(self._kinds), len(self._kinds) - fresh, self._events)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Live {self.statistics()}>"


def _nobody(_ref: Ref, _seen: Observation | None, _obj: Object) -> None:
    """Nobody listens yet."""


def by_kind(refs: Collection[Ref]) -> Mapping[Kind, list[Ref]]:
    """The Refs of each kind."""
    found: dict[Kind, list[Ref]] = {}
    for ref in refs:
        found.setdefault((ref.group, ref.kind), []).append(ref)
    return found
