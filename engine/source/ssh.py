"""Git over ssh: the same protocol as over HTTP, spoken with a `git-upload-pack` on the server.

A command answers as many questions as are asked in version 2, one in the versions before.  Nothing
is run on this machine, and what is run there cannot be led astray by a URL.
Source: gitprotocol-pack(5), gitprotocol-v2(5); git's connect.c for what is refused.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from yarl import URL

from engine.source.addresses import Guarded
from engine.source.connection import address_of
from engine.source.credentials import Credentials
from engine.source.failures import GitError, URLInvalid, as_told
from engine.source.git_protocol import Mark, packet_length
from engine.source.proxies import Proxy
from engine.source.ssh_pool import Running, SshConnections
from engine.source.ssh_server import SSH_PORT, SshServer

if TYPE_CHECKING:
    from engine.source.ssh_channel import Channel

_USUAL_USER = "git"
# Names, addresses and users; none of them is an option, or of interest to a shell.
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*\.?")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.-]+)?")
_USER = re.compile(r"(?!-)[A-Za-z0-9_.+=~-]+")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")


def ssh_server(
    url: URL, credentials: Credentials, proxy: Proxy | None, names: Guarded | None = None
) -> SshServer:
    """Where a URL leads; names: judges that, None: anywhere.  Raises GitError (URLInvalid)."""
    host, user = url.raw_host or "", url.user or _USUAL_USER
    if not (_NAME.fullmatch(host) or _ADDRESS.fullmatch(host)):
        raise GitError(f"strange host name {as_told(host)!r}: it is not connected to", URLInvalid)
    if not _USER.fullmatch(user):
        raise GitError(f"strange user name {as_told(user)!r}: it is not logged in with", URLInvalid)
    return SshServer(host, url.port or SSH_PORT, user, credentials, proxy, names)


def upload_pack(url: URL) -> str:
    """The command that serves the repository at a URL.  Raises GitError (URLInvalid)."""
    if url.raw_query_string or url.raw_fragment:
        raise GitError("an ssh URL has no '?' and '#': write them as %3F and %23", URLInvalid)
    path = url.path.removeprefix("/") if url.path.startswith("/~") else url.path
    if len(path) < 2:
        raise GitError("the URL names no repository: it must go on with its path", URLInvalid)
    if _UNSEEN.search(path) or path.startswith("-"):
        raise GitError(f"strange path {as_told(path)!r}: it is not asked for", URLInvalid)
    quoted = path.replace("'", "'\\''").replace("!", "'\\!'")
    return f"git-upload-pack '{quoted}'"


class GitSsh:
    """One repository on an ssh server, for the length of one fetch; to be closed."""

    def __init__(
        self,
        connections: SshConnections,
        url: URL,
        credentials: Credentials,
        proxy: Proxy | None = None,
        names: Guarded | None = None,
    ) -> None:
        """url: its password, if there is one, is not used.  Raises GitError (URLInvalid).

        names: judges where it leads, None: it may lead anywhere.
        """
        self._connections = connections
        self._server = ssh_server(url, credentials, proxy, names)
        self._command = upload_pack(url)
        self._running: Running | None = None
        self._rest = b""

    async def advertisement(self, limit_bytes: int) -> bytes:
        """What the command says of itself when it begins."""
        self._stop(is_sound=False)
        version: dict[str | bytes, str | bytes] = {"GIT_PROTOCOL": "version=2"}
        self._running = await self._connections.run(self._server, self._command, version)
        async with aclosing(self._answer(limit_bytes, is_marked=True)) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def ask(self, body: bytes, version: int, limit_bytes: int) -> bytes:
        """The whole answer to a request of `git-upload-pack`."""
        async with aclosing(self.stream(body, version, limit_bytes)) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def stream(
        self, body: bytes, version: int, limit_bytes: int
    ) -> AsyncGenerator[bytes, None]:
        """The answer, as it arrives.  Raises GitError when it is longer than `limit_bytes`."""
        if self._running is None:  # it has answered all it could
            await self.advertisement(limit_bytes)
        if self._running is not None:
            self._running.channel.send(body)
        async with aclosing(self._answer(limit_bytes, is_marked=version == 2)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        """Say good-bye."""
        if self._running is not None:
            self._running.channel.send(Mark.FLUSH.value)
            self._stop(is_sound=True)

    async def _answer(self, limit_bytes: int, *, is_marked: bool) -> AsyncGenerator[bytes, None]:
        """One answer; is_marked: it ends with a flush packet, else with the command."""
        running = self._running
        if running is None:
            return
        end, size, is_whole = _End(), 0, False
        try:
            while True:
                chunk = self._rest or await running.channel.receive()
                self._rest = b""
                if not chunk:
                    await self._check_ended(running.channel, is_expected=not is_marked)
                    is_whole = True
                    self._stop(is_sound=True)
                    return
                at = end.find(chunk) if is_marked else None
                if at is not None:
                    chunk, self._rest = chunk[:at], chunk[at:]
                    is_whole = True
                size += len(chunk)
                if size > limit_bytes:
                    is_whole = False
                    raise GitError(
                        f"the server sent more than the {limit_bytes} bytes allowed: the "
                        "repository is too large, or the limit too low"
                    )
                yield chunk
                if at is not None:
                    return
        finally:
            if not is_whole:
                self._stop(is_sound=False)

    async def _check_ended(self, channel: "Channel", *, is_expected: bool) -> None:
        """Raises GitError if the command should not have ended, or not so."""
        said = await channel.last_words()
        if channel.error is not None:
            is_lost, error = channel.is_lost, channel.error
            why = "the server, a proxy or a firewall ended it" if is_lost else str(error)
            raise GitError(
                f"the connection to '{address_of(self._server.url)}' broke: {as_told(why)}"
            )
        if is_expected and not channel.status:
            return
        if said:
            raise GitError(
                f"the server says: {said}: check the path in the URL, and that the key of the "
                "Secret named by spec.secretRef may read the repository"
            )
        status = "" if channel.status is None else f", status {channel.status}"
        raise GitError(
            f"the server ended '{self._command.partition(' ')[0]}' without a word{status}: is "
            "there a Git server behind it, and the path right?"
        )

    def _stop(self, *, is_sound: bool) -> None:
        running, self._running, self._rest = self._running, None, b""
        if running is not None:
            running.end(is_sound=is_sound)


class _End:
    """Finds the end of an answer: its first flush packet; keeps none of the content."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    def find(self, data: bytes) -> int | None:
        """Where in `data`, which goes on where the last one ended; None: it is not in it."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            taken = data[at : at + 4 - len(self._head)]
            self._head += taken
            at += len(taken)
            if len(self._head) < 4:
                break
            length = self._length(data)
            if length == 0:
                return at
            self._left = max(length - 4, 0)
        return None

    def _length(self, data: bytes) -> int:
        head, self._head = self._head, b""
        try:
            return packet_length(head)
        except GitError:
            raise GitError(
                f"the server sends text where Git's protocol should begin "
                f"({as_told(data[:200])!r}): it has no Git behind it, or its shell prints "
                "something at each login"
            ) from None
