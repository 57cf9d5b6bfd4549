"""Connections to ssh servers, kept open for a while so that an idle look costs one round trip.

Only who names the same server, user, proxy and credentials shares one: a connection proves who
opened it, to whoever uses it.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from engine.source.connection import address_of
from engine.source.failures import GitError, as_told
from engine.source.ssh_server import Algorithms, SshServer

if TYPE_CHECKING:
    import asyncssh

    from engine.source.ssh_channel import Channel

KEEP = 300.0
"""Seconds that an unused connection stays open: most intervals are shorter, most firewalls'
patience is longer."""
_MOST_IDLE = 64  # connections of some 100 KiB; the longest unused go first
_MOST_CHANNELS = 8  # at once over one connection: OpenSSH's MaxSessions is 10
_LONGEST = 3600.0  # seconds that a connection is used: then a changed address or key counts
PATIENCE = 10.0
"""Seconds after which a kept connection that does not react is given up for a new one."""


@dataclass(eq=False, slots=True)
class _Kept:
    """An open connection; users: commands that run over it."""

    server: SshServer
    connection: "asyncssh.SSHClientConnection" = field(repr=False)
    opened_at: float
    users: int = 0
    is_sound: bool = True
    is_new: bool = True
    end: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Opening:
    """A login under way; error: why it failed."""

    ended: anyio.Event = field(default_factory=anyio.Event)
    error: GitError | None = None


@dataclass(frozen=True, slots=True)
class SshStatistics:
    """What is open: connections, those of them that nobody uses, and logins since the start."""

    open: int
    idle: int
    logins: int


class SshConnections:
    """The connections of one engine; use `async with`."""

    def __init__(
        self,
        algorithms: Algorithms | None = None,
        keep: float = KEEP,
        patience: float = PATIENCE,
    ) -> None:
        """keep: seconds that an unused connection stays open.   patience: with one that is kept."""
        self._algorithms = algorithms or Algorithms()
        self._keep = keep
        self._patience = patience
        self._open: defaultdict[SshServer, list[_Kept]] = defaultdict(list)
        self._idle: OrderedDict[_Kept, None] = OrderedDict()
        self._opening: dict[SshServer, _Opening] = {}
        self._logins = 0

    async def __aenter__(self) -> "SshConnections":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        everything = [kept for each in self._open.values() for kept in each]
        for kept in everything:
            self._drop(kept)
        with anyio.move_on_after(self._patience, shield=True):
            for kept in everything:
                await kept.connection.wait_closed()

    def statistics(self) -> SshStatistics:
        """What is open now."""
        return SshStatistics(sum(map(len, self._open.values())), len(self._idle), self._logins)

    def __repr__(self) -> str:
        """How many, never to whom."""
        return f"<SshConnections {self.statistics()}>"

    async def run(
        self, server: SshServer, command: str, environment: Mapping[str | bytes, str | bytes]
    ) -> "Running":
        """Begin a command on the server.  Raises GitError."""
        while True:
            kept = await self._lent(server)
            channel = _channel()
            was_new, kept.is_new = kept.is_new, False
            limit = None if was_new else self._patience
            found: asyncssh.SSHClientSession[bytes] | None = None
            try:
                with anyio.move_on_after(limit):
                    _, found = await kept.connection.create_session(
                        channel, command, env=environment, encoding=None, request_pty=False
                    )
            except Exception as error:  # the library raises whatever a server's bytes lead to
                if was_new:
                    address, why = address_of(server.url), as_told(str(error))
                    raise GitError(
                        f"'{address}' runs no commands after the login: {why}"
                    ) from error
            finally:
                if found is None:
                    self._given_back(kept, is_sound=False)
            if isinstance(found, channel):
                return Running(found, kept, self._given_back)

    async def _lent(self, server: SshServer) -> _Kept:
        """A connection that is counted as used."""
        while True:
            kept = self._usable(server)
            if kept is not None:
                break
            opening = self._opening.get(server)
            if opening is None:
                kept = await self._opened(server)
                break
            await opening.ended.wait()
            if opening.error is not None:
                raise GitError(opening.error.problem, opening.error.failure)
        kept.users += 1
        self._idle.pop(kept, None)
        if kept.end is not None:
            kept.end.cancel()
            kept.end = None
        return kept

    def _usable(self, server: SshServer) -> _Kept | None:
        now = anyio.current_time()
        for kept in list(self._open.get(server, ())):
            if kept.connection.is_closed() or now - kept.opened_at > _LONGEST:
                kept.is_sound = False
            if not kept.users and not kept.is_sound:
                self._drop(kept)
            elif kept.is_sound and kept.users < _MOST_CHANNELS:
                return kept
        return None

    async def _opened(self, server: SshServer) -> _Kept:
        """A new connection; who wants the same meanwhile waits for the outcome."""
        opening = self._opening[server] = _Opening()
        self._logins += 1
        try:
            log_in = await to_thread.run_sync(_login)
            connection = await log_in(server, self._algorithms)
        except GitError as error:
            opening.error = error
            raise
        finally:  # cancelled: there is no error, and one of those who wait opens
            del self._opening[server]
            opening.ended.set()
        kept = _Kept(server, connection, anyio.current_time())
        self._open[server].append(kept)
        return kept

    def _given_back(self, kept: _Kept, *, is_sound: bool) -> None:
        kept.users -= 1
        kept.is_sound = kept.is_sound and is_sound
        if kept.users:
            return
        if not kept.is_sound or self._keep <= 0:
            self._drop(kept)
            return
        kept.end = asyncio.get_running_loop().call_later(self._keep, self._drop, kept)
        self._idle[kept] = None
        if len(self._idle) > _MOST_IDLE:
            self._drop(next(iter(self._idle)))

    def _drop(self, kept: _Kept) -> None:
        """Close a connection that nobody uses, or that is of no use."""
        if kept.end is not None:
            kept.end.cancel()
        self._idle.pop(kept, None)
        others = self._open[kept.server]
        if kept in others:
            others.remove(kept)
        if not others:
            del self._open[kept.server]
        if kept.is_sound:
            kept.connection.close()
        else:
            kept.connection.abort()


@dataclass(slots=True)
class Running:
    """A command under way, to be ended by whoever began it."""

    channel: "Channel"
    _kept: _Kept = field(repr=False)
    _give_back: Callable[..., None] = field(repr=False)

    def end(self, *, is_sound: bool) -> None:
        """Stop it.  is_sound: the server did as it should, so the connection may be used again."""
        self.channel.close()
        self._give_back(self._kept, is_sound=is_sound)


# The library weighs 13 MB and takes 0.2 s to load: only who uses ssh pays for it.


def _login() -> "Callable[[SshServer, Algorithms], Awaitable[asyncssh.SSHClientConnection]]":
    from engine.source.ssh_login import logged_in

    return logged_in


def _channel() -> "type[Channel]":
    from engine.source.ssh_channel import Channel

    return Channel
