"""Watches that last as long as somebody waits, shared by all who wait for the same.

Of Pods of workloads that are not well yet, and of objects that are not ours: the live view shows
neither.  Of each object only what its reader keeps is kept.
Source: design section 3 (Health).
"""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import anyio
import anyio.abc

from engine.cluster.client import Client, Query
from engine.cluster.errors import Forbidden, NotFound, Paused
from engine.cluster.resource import Resource
from engine.cluster.watch import Event, EventType, Watch
from engine.objects.ref import Object
from engine.runtime.clock import Clock
from engine.telemetry import logger

MOST = 200  # at a time; who comes later asks again and again instead
APART = 4  # by a selector in one namespace; whoever comes later shares a watch of all objects there
ANSWER = 2.0  # seconds that the first look waits for what exists

Wake = Callable[[], None]
"""Called when something changed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is followed: one object of a kind, or those of a namespace that a selector selects.

    keep: what is kept of each; the same function for all who share.
    """

    resource: Resource
    namespace: str
    keep: Callable[[Object], Any]
    name: str = ""
    selector: str = ""

    def query(self) -> Query:
        """The same for an API server."""
        named = f"metadata.name={self.name}" if self.name else ""
        return {"label_selector": self.selector, "field_selector": named}


@dataclass(eq=False, slots=True)
class Followed:
    """One watch: what it shows.  It may show more than one asked for: the others of a namespace."""

    watch: Watch
    objects: dict[str, Any] = field(default_factory=dict)  # {name: what is kept of it}
    answered: anyio.Event = field(default_factory=anyio.Event)
    is_synced: bool = False
    wakes: list[Wake] = field(default_factory=list)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def is_fresh(self, now: float) -> bool:
        """Whether it shows all, and is to be relied on."""
        return self.is_synced and self.watch.is_fresh(now)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment."""

    watches: int
    waiting: int  #: how often they are shared, added up


class Following:
    """The watches by what is wanted and by whom.  `serve` keeps them; until then there are none."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock, self._random = clock, random
        self._watches: dict[tuple[str, Wanted], Followed] = {}
        self._tasks: anyio.abc.TaskGroup | None = None

    async def serve(self) -> None:
        """Watches what `begin` asks for, until cancelled."""
        try:
            async with anyio.create_task_group() as self._tasks:
                await anyio.sleep_forever()
        finally:
            self._tasks = None

    async def begin(self, wanted: Wanted, client: Client, wake: Wake) -> Followed | None:
        """The watch, once it has told what exists; `wake` is called at each change until `end`.

        client: whose eyes are used.  None: it cannot be watched, or too much is.  A watch that did
        not answer in time is not fresh, and perhaps will be.
        """
        followed = self._shared(wanted, client)
        if followed is None:
            return None
        followed.wakes.append(wake)
        try:
            with anyio.move_on_after(ANSWER):
                await followed.answered.wait()
        except BaseException:
            self.end(followed, wake)
            raise
        return followed

    def end(self, followed: Followed, wake: Wake) -> None:
        """Who is woken by `wake` waits no more; the watch ends with the last one."""
        followed.wakes.remove(wake)
        if followed.wakes:
            return
        followed.scope.cancel()
        self._watches = {key: each for key, each in self._watches.items() if each is not followed}

    def _shared(self, wanted: Wanted, client: Client) -> Followed | None:
        if wanted.selector and (client.user, wanted) not in self._watches:
            everything = replace(wanted, selector="")
            apart = [
                each
                for user, each in self._watches
                if each.selector and (user, replace(each, selector="")) == (client.user, everything)
            ]
            wanted = everything if len(apart) >= APART else wanted
        key = client.user, wanted
        if key not in self._watches and not self._begun(key, client):
            return None
        return self._watches[key]

    def _begun(self, key: tuple[str, Wanted], client: Client) -> bool:
        wanted = key[1]
        can_watch = not wanted.resource.verbs or "watch" in wanted.resource.verbs
        if self._tasks is None or not can_watch or len(self._watches) >= MOST:
            return False
        watch = Watch(
            client, wanted.resource, self._clock, self._random, wanted.namespace, wanted.query()
        )
        followed = self._watches[key] = Followed(watch)
        self._tasks.start_soon(self._watch, followed, wanted.keep)
        return True

    async def _watch(self, followed: Followed, keep: Callable[[Object], Any]) -> None:
        with followed.scope:
            async with aclosing(followed.watch.events()) as events:
                async for event in events:
                    try:
                        _take(event, followed, keep)
                    except Exception:  # one odd object must not end the wait for all others
                        logger.exception("object of %s not understood", followed.watch)

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        waiting = sum(len(each.wakes) for each in self._watches.values())
        return Statistics(len(self._watches), waiting)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Following {self.statistics()}>"


def _take(event: Event, followed: Followed, keep: Callable[[Object], Any]) -> None:
    match event.type:
        case EventType.BOOKMARK:
            return
        case EventType.TROUBLE:
            if isinstance(event.problem, Forbidden | NotFound | Paused):
                followed.is_synced = False
            followed.answered.set()
        case EventType.SYNCED:
            followed.is_synced = True
            followed.answered.set()
        case EventType.DELETED:
            followed.objects.pop(event.obj["metadata"]["name"], None)
        case _:
            followed.objects[event.obj["metadata"]["name"]] = keep(event.obj)
    if followed.answered.is_set():  # before, the rest of what exists comes right away
        for wake in list(followed.wakes):
            wake()
