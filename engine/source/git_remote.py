"""The server's side of a fetch: which refs it has, and a pack of what is wanted."""

from collections.abc import Hashable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import anyio
from anyio import from_thread, to_thread

from engine.source.failures import EmptyGitRepository, GitError, RemoteError
from engine.source.git_pack import Limits, MiB
from engine.source.git_protocol import (
    Advertisement,
    PackStream,
    RemoteRef,
    Want,
    fetch_request,
    ls_refs,
    parse_advertisement,
    parse_ls_refs,
)
from engine.source.git_refs import Reference
from engine.source.shared import Shared
from engine.source.store import Store
from engine.source.transport import Transport

_REFS_BYTES = 64 * MiB  # a million refs
_HAVES = 8  # commits named to the server as held: the newest is what a new one differs least from
_BATCH_BYTES = MiB  # written to disk at a time


@dataclass(frozen=True, slots=True)
class Seen:
    """What a server said of a repository."""

    server: Advertisement
    refs: Mapping[str, RemoteRef]


@dataclass(frozen=True, slots=True)
class Room:
    """Where a pack goes, how much it may bring, and how many may be indexed at once."""

    store: Store
    limits: Limits
    workers: anyio.CapacityLimiter


class Remote:
    """The server's side of one fetch."""

    def __init__(self, transport: Transport, reference: Reference) -> None:
        """transport: of this fetch alone.  reference: what is looked for."""
        self._transport = transport
        self._reference = reference
        self._own: Seen | None = None

    async def look(self, looks: Shared, key: Hashable) -> Seen:
        """What the server has now; asked once for all who ask with an equal `key`.

        Raises GitError (EmptyGitRepository) if there is no ref at all.
        """
        return await looks.result(key, self._look)

    async def _look(self) -> Seen:
        server = parse_advertisement(await self._transport.advertisement(_REFS_BYTES))
        refs = server.refs
        if server.version == 2:
            refs = await self._list(server, self._reference.prefixes)
            if refs.keys() <= {"HEAD"} and not self._reference.is_head:
                refs = await self._list(server, ())  # what there is instead, for the message
        if not refs:
            raise GitError("git repository is empty", EmptyGitRepository)
        self._own = Seen(server, refs)
        return self._own

    async def _list(
        self, server: Advertisement, prefixes: Sequence[str]
    ) -> Mapping[str, RemoteRef]:
        body = ls_refs(prefixes, server.object_format)
        return parse_ls_refs(await self._transport.ask(body, 2, _REFS_BYTES))

    async def download(self, object_id: str, room: Room) -> None:
        """Bring one commit, or an annotated tag with its commit, into the store."""
        seen = self._own or await self._look()  # a connection begins with what the server says
        held = list(await to_thread.run_sync(room.store.held))[:_HAVES]
        try:
            await self._receive(seen.server, Want([object_id], held, held), room)
        except RemoteError:
            if not self._reference.commit:
                raise
            # The server gives no commits by id (before version 2 few do): take the history.
            await self._receive(seen.server, Want(self._tips(seen), depth=0), room)

    def _tips(self, seen: Seen) -> list[str]:
        name = self._reference.full_name
        tips = {
            ref.commit
            for other, ref in seen.refs.items()
            if other == name or (not name and other.startswith("refs/heads/"))
        }
        if not tips:
            raise GitError(f'couldn\'t find remote ref "{name}": check spec.ref.branch')
        return sorted(tips)

    async def _receive(self, server: Advertisement, want: Want, room: Room) -> None:
        """Stream a pack to the disk and index it."""
        version, most = server.version, room.limits.pack_bytes
        answer = PackStream(version)
        body = fetch_request(server, want)
        incoming = await to_thread.run_sync(room.store.incoming)
        try:
            batch = bytearray()
            async with aclosing(self._transport.stream(body, version, most)) as chunks:
                async for chunk in chunks:
                    for part in answer.feed(chunk):
                        batch += part
                    if len(batch) >= _BATCH_BYTES:
                        await to_thread.run_sync(incoming.write, bytes(batch))
                        batch.clear()
            answer.finish()
            await to_thread.run_sync(incoming.write, bytes(batch))
            await to_thread.run_sync(
                incoming.finish, room.limits, from_thread.check_cancelled, limiter=room.workers
            )
        finally:
            incoming.discard()
