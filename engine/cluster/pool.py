"""Connections to other clusters: made when first needed, closed once nobody has needed one a while.

Each is one set of credentials: who may read different things must not share what was read.
"""

from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from random import Random

import anyio
import anyio.abc

from engine.cluster.breaker import Breaker
from engine.cluster.client import Client
from engine.cluster.endpoint import Endpoint
from engine.objects.ref import Ref
from engine.runtime.clock import Clock
from engine.telemetry import logger

IDLE = 300.0  # seconds; what was moved or renamed is back by then, and finds its watches
SWEEP = 60.0  # seconds between two looks for those that are idle

Connect = Callable[[str, Endpoint, Breaker], AbstractAsyncContextManager[Client]]
"""A Client of an endpoint, under a name for metrics."""


class TooManyClusters(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """As many connections as may be are in use."""


@dataclass(eq=False, slots=True)
class Link:
    """One connection.

    name: what metrics and logs call it; never an address.   tasks: end with the connection.
    users: who needs it.   secrets: values of its credentials, which no message may show.
    """

    name: str
    client: Client
    breaker: Breaker
    tasks: anyio.abc.TaskGroup
    scope: anyio.CancelScope
    secrets: tuple[str, ...] = field(default=(), repr=False)
    users: set[Ref] = field(default_factory=set)
    idle_since: float = 0.0
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment."""

    links: int
    silent: int  #: of them, those whose cluster gives no answer
    users: int


class Pool:
    """Links by what they are made of.  `serve` keeps them; until it runs there are none.

    told: hears of each cluster that falls silent (True) or answers again (False).
    closed: hears of each link that is no more.
    """

    def __init__(self, connect: Connect, clock: Clock, random: Random, most: int) -> None:
        """most: how many may be open at once."""
        self._connect, self._clock, self._random, self._most = connect, clock, random, most
        self._links: dict[Hashable, Link] = {}
        self._used: dict[Ref, Link] = {}
        self._opening = anyio.Lock()
        self._tasks: anyio.abc.TaskGroup | None = None
        self.told: Callable[[Link, bool], None] = _nobody
        self.closed: Callable[[Link], None] = _no_one

    async def serve(self) -> None:
        """Keeps the links, until cancelled: then all are closed."""
        try:
            async with anyio.create_task_group() as self._tasks:
                while True:
                    await self._clock.sleep(SWEEP)
                    self._sweep()
        finally:
            self._tasks = None

    async def link(
        self, user: Ref, key: Hashable, name: str, endpoint: Callable[[], Awaitable[Endpoint]]
    ) -> Link:
        """The connection for that user, who leaves the one that he used before.

        key: what it is made of, credentials included.   endpoint: called if there is none yet.
        Raises TooManyClusters, and whatever `endpoint` raises.
        """
        if key not in self._links:
            made = await endpoint()
            async with self._opening:
                if key not in self._links:
                    await self._room().start(self._keep, key, name, made)
        found = self._links[key]
        self.use(user, found)
        return found

    def use(self, user: Ref, link: Link | None) -> None:
        """That user needs just this one from here on; None: none any more."""
        before = self._used.pop(user, None)
        if link is not None:
            self._used[user] = link
            link.users.add(user)
        if before is not None and before is not link:
            before.users.discard(user)
            before.idle_since = self._clock.monotonic()

    @property
    def links(self) -> list[Link]:
        """Those that are open."""
        return list(self._links.values())

    def _room(self) -> anyio.abc.TaskGroup:
        """Where one more may be kept."""
        if self._tasks is None:
            raise TooManyClusters("the engine has not begun to work, or has ended")
        if len(self._links) < self._most:
            return self._tasks
        idle = [(link.idle_since, key) for key, link in self._links.items() if not link.users]
        if not idle:
            raise TooManyClusters(
                f"{len(self._links)} other clusters are in use, as many as --remote-clusters allows"
            )
        _, key = min(idle, key=lambda each: each[0])
        self._close(key)
        return self._tasks

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        for key, link in list(self._links.items()):
            if not link.users and now - link.idle_since >= IDLE:
                self._close(key)

    def _close(self, key: Hashable) -> None:
        """From here on nobody gets it any more, though its end takes a while."""
        link = self._links.pop(key)
        link.is_closed = True
        link.scope.cancel()

    async def _keep(
        self,
        key: Hashable,
        name: str,
        endpoint: Endpoint,
        *,
        task_status: anyio.abc.TaskStatus[Link],
    ) -> None:
        breaker, stack = Breaker(self._clock, self._random), AsyncExitStack()
        client = await stack.enter_async_context(self._connect(name, endpoint, breaker))
        link: Link | None = None
        try:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    link = Link(name, client, breaker, tasks, scope, endpoint.secrets)
                    link.idle_since = self._clock.monotonic()
                    breaker.told = partial(self._tell, link)
                    self._links[key] = link
                    tasks.start_soon(breaker.serve, client.ping)
                    task_status.started(link)
                    await anyio.sleep_forever()
        except Exception as error:
            # What answers in place of an API server may say anything: it ends this connection, and
            # not those of others.  Not quoted: it may be a part of a Secret.
            if link is None:
                raise
            logger.error("connection to cluster '%s' ended by %s", name, _kinds(error))
        finally:
            with anyio.CancelScope(shield=True):
                await stack.aclose()
            if link is not None:
                link.is_closed = True
                self._links = {key: each for key, each in self._links.items() if each is not link}
                self.closed(link)

    def _tell(self, link: Link, is_silent: bool) -> None:
        self.told(link, is_silent)

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        silent = sum(link.breaker.outage is not None for link in self._links.values())
        return Statistics(len(self._links), silent, len(self._used))

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Pool {self.statistics()}>"


def _kinds(error: Exception) -> str:
    """What kinds of errors it is made of."""
    if isinstance(error, ExceptionGroup):
        return ", ".join(map(_kinds, error.exceptions))
    return type(error).__name__


def _nobody(_link: Link, _is_silent: bool) -> None:
    """Nobody listens yet."""


def _no_one(_link: Link) -> None:
    """Nobody listens yet."""
