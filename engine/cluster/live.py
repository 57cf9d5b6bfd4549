"""What lives in the cluster: every object with an owner label, told by a watch for each kind.

Each event is folded into an Observation and the object is dropped; so is the answer to each of our
writes, whichever comes first.  A kind is watched in each version that an owner needs, from the
first time that one needs it until a while after the last.
Source: design section 3.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from random import Random
from sys import intern

import anyio
import anyio.abc

from engine.cluster.by_name import ByName
from engine.cluster.client import Client, Query
from engine.cluster.definitions import SELDOM, redefined
from engine.cluster.errors import ApiError, Forbidden, NotFound, Paused, TooManyWatches
from engine.cluster.following import Following
from engine.cluster.resource import Resource
from engine.cluster.sightings import Sightings
from engine.cluster.watch import Event, EventType, Watch
from engine.objects.ref import Object, Ref, version_of
from engine.plan.ignore import Ignored
from engine.plan.judges import Judges
from engine.plan.observation import Observation, observe, version_number
from engine.plan.policy import OWNER_LABELS
from engine.runtime.clock import Clock
from engine.telemetry import logger

OWNED = OWNER_LABELS[0]  # a label selector: the label is there
FIRST_LIST = 10.0  # seconds that a plan waits for a kind's first list; then it asks for each object
SWEEP = 60.0  # seconds between two looks for watches that nobody needs
LINGER = 300.0  # seconds that such a watch goes on: what left Git often comes back

Kind = tuple[str, str]
"""Group and kind."""

_Key = tuple[str, str, str]  # group, kind and version: one watch

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
    """A kind that is watched in one version."""

    resource: Resource
    watch: Watch
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    answered: anyio.Event = field(default_factory=anyio.Event)
    """Set once all is told, or once that has failed or takes too long."""
    synced_at: int | None = None  # resourceVersion; None: not all is told
    unneeded_since: float | None = None
    is_cut: bool = False
    """Whether the cluster fell silent, and not all is told since."""

    @property
    def kind(self) -> Kind:
        return self.resource.group, self.resource.kind

    def is_fresh(self, now: float) -> bool:
        """Whether what it has told is all, and is to be relied on."""
        return self.synced_at is not None and not self.is_cut and self.watch.is_fresh(now)

    def shows(self, seen: Observation) -> bool:
        """Whether its version's words are those in which we applied the object, if we did."""
        return seen.api_version in ("", self.resource.api_version)


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
        self._watches: dict[_Key, _Followed] = {}
        self._needs: dict[Ref, frozenset[_Key]] = {}
        self._sightings = Sightings()
        self._tasks: anyio.abc.TaskGroup | None = None
        self._events = 0
        self._watches_definitions = False
        self._listeners: dict[Ref, set[anyio.Event]] = {}
        self.told: Told = _nobody
        self.ignored = Ignored()
        self.judges = Judges()
        self.following = Following(clock, random)
        self._by_name = ByName(self.following, client, self._shown_by_name, self._gone_by_name)
        self.is_wanted: Callable[[Ref], bool] = _by_nobody

    async def serve(
        self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Watches what `follow` asks for, until cancelled."""
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self.following.serve)
                task_status.started()
                while True:
                    await self._clock.sleep(SWEEP)
                    self._sweep()
        finally:
            self._tasks = None

    async def follow(self, owner: Ref, resources: Collection[Resource]) -> frozenset[Kind]:
        """The kinds of these whose objects are all known now; begins to watch what is new.

        resources: all that this owner needs from here on, one of a kind.  A kind that cannot be
        watched, or whose watch has fallen silent, is not in the answer.
        """
        wanted = {(each.group, each.kind, each.version): each for each in resources}
        self._needs[owner] = frozenset(wanted)
        for key, resource in wanted.items():
            can_watch = not resource.verbs or "watch" in resource.verbs
            if key not in self._watches and can_watch:
                self._begin(resource)
        followed = [self._watches[key] for key in wanted if key in self._watches]
        with anyio.move_on_after(FIRST_LIST) as waiting:
            for each in followed:
                await each.answered.wait()
        if waiting.cancelled_caught:
            for each in followed:
                each.answered.set()  # the next one is not to wait as long
        now = self._clock.monotonic()
        return frozenset(each.kind for each in followed if each.is_fresh(now))

    def release(self, owner: Ref) -> None:
        """The owner is gone: what only it needed is not to be watched any more."""
        self._needs.pop(owner, None)
        self.ignored.set(owner, {})
        self.judges.set(owner, None)

    def get(self, ref: Ref) -> Observation | None:
        """The object as last seen; None: not there, not owned, or its kind is not watched."""
        if ref in self._by_name and self._by_name.is_silent(ref, self._clock.monotonic()):
            return None
        return self._sightings.get(ref)

    def refs(self) -> frozenset[Ref]:
        """All objects that are there."""
        return self._sightings.refs()

    def current(self, ref: Ref) -> Observation | None:
        """The same, None also if its watch has fallen silent."""
        seen, now = self.get(ref), self._clock.monotonic()
        if seen is None or ref in self._by_name:
            return seen
        followed = self._followed((ref.group, ref.kind))
        return seen if any(each.shows(seen) and each.is_fresh(now) for each in followed) else None

    def note(self, obj: Object) -> Observation:
        """The object as an answer of the API server shows it; kept if it is news and owned."""
        ref = _ref_of(obj)
        told = self._told_already(ref, obj)
        if told is not None:
            return told
        seen = self.observed(obj)
        followed = self._watches.get((ref.group, ref.kind, version_of(obj)))
        if followed is None:
            return seen
        if OWNED in seen.marks["labels"]:
            self._by_name.end(ref)
            self._keep(ref, seen, obj, followed)
        elif seen.signature and self._follow_by_name(ref, followed.resource):
            self._sightings.keep(ref, seen, by_name=True)
        return seen

    def _follow_by_name(self, ref: Ref, resource: Resource) -> bool:
        """A policy strips the label of what is ours.  False: it cannot be followed."""
        return self._tasks is not None and self._by_name.begin(ref, resource, self._tasks)

    def _shown_by_name(self, ref: Ref, obj: Object) -> None:
        seen = self.observed(obj)
        if OWNED in seen.marks["labels"]:  # the watch of its kind tells of it again
            self._by_name.end(ref)
        elif self._sightings.keep(ref, seen, by_name=True):
            self._tell(ref, seen, obj)

    def _gone_by_name(self, ref: Ref) -> None:
        seen = self._sightings.get(ref)
        if seen is not None:
            self._drop(ref, seen.uid, seen.version, {})

    def doubt(self, ref: Ref) -> None:
        """Something says that the object is not there: whoever needs it is to ask for it."""
        self._sightings.discard(ref)

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

    def observed(self, obj: Object) -> Observation:
        """What would be kept of the object; nothing is."""
        spare, judged, now = self.ignored.spare(obj), self.judges.health(obj), self._clock.wall()
        return observe(obj, self._manager, self._overridden, now, spare, judged)

    def _followed(self, kind: Kind) -> list[_Followed]:
        """The watches of a kind: one for each version that is needed."""
        return [each for each in self._watches.values() if each.kind == kind]

    def _begin(self, resource: Resource) -> None:
        if self._tasks is None:
            return
        query: Query = {"label_selector": OWNED}
        watch = Watch(self._client, resource, self._clock, self._random, "", query)
        followed = _Followed(resource, watch)
        self._watches[resource.group, resource.kind, resource.version] = followed
        self._tasks.start_soon(self._watch, followed)
        if "." in resource.group and not self._watches_definitions:  # it may be a custom kind
            self._watches_definitions = True
            self._tasks.start_soon(self._watch_definitions)

    async def _watch(self, followed: _Followed) -> None:
        with followed.scope:
            async with aclosing(followed.watch.events()) as events:
                async for event in events:
                    if event.type is EventType.SYNCED:
                        self._synced(followed, version_number(event.version))
                    elif event.problem is not None:
                        await self._troubled(followed, event.problem)
                    elif event.type is not EventType.BOOKMARK:
                        self._take(event, followed)

    def _synced(self, followed: _Followed, version: int) -> None:
        """All has been told: what was noted, and went while nothing was heard, is there no more."""
        before, followed.synced_at = followed.synced_at, version
        followed.is_cut = False
        if before is not None and version < before:
            # The API server's storage was restored: what is newer there has a lower version.
            logger.warning("%s went back in time: looked at anew", followed.resource.title)
            self._begin_again(followed)
            return
        for ref, seen in self._sightings.of_kind(followed.kind):
            is_there = followed.watch.holds(ref.namespace, ref.name) or ref in self._by_name
            if not is_there and seen.version <= version:
                self._drop(ref, seen.uid, version, {})
        followed.answered.set()

    async def _troubled(self, followed: _Followed, problem: ApiError) -> None:
        resource = followed.resource
        if isinstance(problem, Paused):  # whoever plans when it is over waits for what is new
            followed.answered.set()
            followed.is_cut, followed.answered = True, anyio.Event()
            return
        if isinstance(problem, Forbidden | NotFound):
            followed.synced_at = None
        is_seldom = isinstance(problem, Forbidden | TooManyWatches)
        level = logger.info if is_seldom and not followed.answered.is_set() else logger.debug
        level("%s cannot be watched; asked for one by one: %s", resource.title, problem)
        followed.answered.set()
        if is_seldom:
            await self._clock.sleep(SELDOM * self._random.uniform(0.5, 1.0))

    def _take(self, event: Event, followed: _Followed) -> None:
        self._events += 1
        try:
            ref, metadata = _ref_of(event.obj), event.obj["metadata"]
            if event.type is EventType.DELETED and ref in self._by_name:
                return  # it has left the selector, or its own watch tells
            if event.type is EventType.DELETED:
                version = version_number(metadata.get("resourceVersion"))
                self._drop(ref, metadata.get("uid", ""), version, event.obj)
            elif self._told_already(ref, event.obj) is None:
                self._keep(ref, self.observed(event.obj), event.obj, followed)
        except Exception:  # one odd object must not end the watch of all others
            logger.exception("object of kind %s not understood", followed.resource.kind)

    def _told_already(self, ref: Ref, obj: Object) -> Observation | None:
        """What was seen of just this version: each of our writes is told by answer and by watch.

        None where its owner may have it seen with other eyes by now, or an expression judges it.
        """
        seen, metadata = self._sightings.get(ref), obj["metadata"]
        if seen is None or seen.version != version_number(metadata.get("resourceVersion")):
            return None
        is_same = seen.uid == metadata.get("uid") and seen.api_version == obj["apiVersion"]
        is_special = self.ignored.is_any(ref) or self.judges.is_judged(ref, seen.owner)
        return seen if is_same and not is_special else None

    def _keep(self, ref: Ref, seen: Observation, obj: Object, followed: _Followed) -> None:
        if followed.shows(seen) and self._sightings.keep(ref, seen):
            self._tell(ref, seen, obj)

    def _drop(self, ref: Ref, uid: str, version: int, obj: Object) -> None:
        if self._sightings.drop(ref, uid, version):
            self._tell(ref, None, obj)

    def _tell(self, ref: Ref, seen: Observation | None, obj: Object) -> None:
        for listener in self._listeners.get(ref, ()):
            listener.set()
        self.told(ref, seen, obj)

    async def _watch_definitions(self) -> None:
        """Has the objects of a kind told anew when its definition changes, though nobody wrote."""
        async with aclosing(redefined(self._client, self._clock, self._random)) as names:
            async for name in names:
                self._defined_anew(name)

    def _defined_anew(self, name: str) -> None:
        """name: `<plural>.<group>`, of a definition."""
        self._client.discovery.invalidate()
        for followed in [each for each in self._watches.values() if each.resource.title == name]:
            self._begin_again(followed)

    def _begin_again(self, followed: _Followed) -> None:
        """Whatever is told next is compared with what was left, also if nobody wrote it since."""
        followed.scope.cancel()
        followed.answered.set()
        self._sightings.doubt(followed.kind)
        self._begin(followed.resource)

    def _sweep(self) -> None:
        """Ends the watches that nobody has needed for a while, and forgets their objects."""
        self._by_name.sweep(self.is_wanted)
        needed, now = frozenset[_Key]().union(*self._needs.values()), self._clock.monotonic()
        for key, followed in list(self._watches.items()):
            if key in needed:
                followed.unneeded_since = None
            elif followed.unneeded_since is None:
                followed.unneeded_since = now
            elif now - followed.unneeded_since >= LINGER:
                self._end(key)

    def _end(self, key: _Key) -> None:
        followed = self._watches.pop(key)
        followed.scope.cancel()
        followed.answered.set()
        left = self._followed(followed.kind)
        for ref, seen in self._sightings.of_kind(followed.kind):
            if not any(each.shows(seen) for each in left):
                self._sightings.discard(ref)

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        now = self._clock.monotonic()
        fresh = sum(each.is_fresh(now) for each in self._watches.values())
        watches = len(self._watches)
        return Statistics(len(self._sightings), watches, watches - fresh, self._events)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Live {self.statistics()}>"


def _ref_of(obj: Object) -> Ref:
    """The Ref of an object; its words are shared with other Refs: they are kept for long."""
    ref = Ref.of(obj)
    return Ref(intern(ref.group), intern(ref.kind), intern(ref.namespace), ref.name)


def _nobody(_ref: Ref, _seen: Observation | None, _obj: Object) -> None:
    """Nobody listens yet."""


def _by_nobody(_ref: Ref) -> bool:
    """Nobody wants anything yet."""
    return False


def by_kind(refs: Collection[Ref]) -> Mapping[Kind, list[Ref]]:
    """The Refs of each kind."""
    found: dict[Kind, list[Ref]] = {}
    for ref in refs:
        found.setdefault((ref.group, ref.kind), []).append(ref)
    return found
