"""One command that runs on an ssh server: what it writes, taken as fast as it is wanted."""

from collections import deque

import anyio
import asyncssh

from engine.source.failures import as_told

_MOST_WAITING = 1024 * 1024  # bytes taken in advance; then the server is asked to wait
_MOST_COMPLAINTS = 4096  # bytes of stderr that are kept, the first ones
_LAST_WORDS = 5.0  # seconds for stderr and status after the end of the output


class Channel(asyncssh.SSHClientSession[bytes]):
    """The command's standard streams."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._news = anyio.Event()
        self._is_ended = False
        self._closed = anyio.Event()
        self._complaints = bytearray()
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self.status: int | None = None
        """With which it ended, None if it did not, or did not say."""
        self.error: Exception | None = None
        """Why the connection broke, None if it did not."""

    @property
    def is_lost(self) -> bool:
        """Whether the connection ended without a word."""
        return isinstance(self.error, asyncssh.ConnectionLost)

    async def receive(self) -> bytes:
        """What has been written since, at least a byte; b"" at the end."""
        while not self._waiting and not self._is_ended:
            await self._news.wait()
            self._news = anyio.Event()
        found = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        if self._channel is not None:
            self._channel.resume_reading()
        return found

    def send(self, data: bytes) -> None:
        """Give the command something to read."""
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write(data)

    async def last_words(self) -> str:
        """What it complained about, fit to be shown, "" if it said nothing; after the end."""
        with anyio.move_on_after(_LAST_WORDS):
            await self._closed.wait()
        return as_told(bytes(self._complaints))

    def close(self) -> None:
        """End the command, whatever it is doing."""
        if self._channel is not None:
            self._channel.close()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """The library opened it."""
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """The command wrote; datatype: None for its output."""
        if datatype is not None:
            self._complaints += data[: _MOST_COMPLAINTS - len(self._complaints)]
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= _MOST_WAITING and self._channel is not None:
            self._channel.pause_reading()
        self._news.set()

    def eof_received(self) -> bool:
        """The output ends; True: what else comes is awaited."""
        self._end()
        return True  # status and complaints may still come

    def exit_status_received(self, status: int) -> None:
        """The command ended."""
        self.status = status

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        self.error, self._channel = exc, None
        self._end()
        self._closed.set()

    def _end(self) -> None:
        self._is_ended = True
        self._news.set()
