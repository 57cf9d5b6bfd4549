"""Bodies of strangers' calls: each bounded in size and time, and all that are here together."""

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import anyio
from aiohttp import web

BODY_BYTES = 3 * 2**20  # Flux's cap
READ_TIME = 30.0  # seconds for a whole body, Flux's; its header's are those of a connection
_HELD_BYTES = 64 * 2**20  # of all bodies at one time ...
_SHARE = 4  # ... of which one may have so much: nobody stops the others


class TooLarge(Exception):  # noqa: N818 - an answer, not an error
    """A body that is longer than anybody's."""


class TooMany(Exception):  # noqa: N818 - an answer, not an error
    """Too many bodies are being read."""


class TooSlow(Exception):  # noqa: N818 - an answer, not an error
    """A body that does not come in time."""


class BrokenOff(Exception):  # noqa: N818 - an answer, not an error
    """A body that ends before its end, or is not sent as HTTP has it."""


class Bodies:
    """Those that are here; each counts from its first byte until what it asks for is done."""

    def __init__(self) -> None:
        self._held: dict[Hashable, int] = {}  # {whose: bytes}

    @property
    def held_bytes(self) -> int:
        """Of all that are here."""
        return sum(self._held.values())

    @asynccontextmanager
    async def read(self, request: web.BaseRequest, whose: Hashable) -> AsyncIterator[bytes]:
        """The body, while inside.  Raises TooLarge, TooMany, TooSlow, BrokenOff.

        whose: all that are of the same share a part of the room.
        """
        chunks: list[bytes] = []
        try:
            try:
                with anyio.fail_after(READ_TIME):
                    await self._read(request, whose, chunks)
            except TimeoutError:
                raise TooSlow from None
            except (OSError, web.RequestPayloadError):
                raise BrokenOff from None
            yield b"".join(chunks)
        finally:
            left = self._held.get(whose, 0) - sum(map(len, chunks))
            self._held[whose] = left
            if not left:
                del self._held[whose]

    async def _read(self, request: web.BaseRequest, whose: Hashable, chunks: list[bytes]) -> None:
        """Adds the body to `chunks` as it comes.  Raises TooLarge, TooMany."""
        if (request.content_length or 0) > BODY_BYTES:
            raise TooLarge
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        size = 0
        while chunk := await request.content.readany():
            chunks.append(chunk)
            size += len(chunk)
            self._held[whose] = held = self._held.get(whose, 0) + len(chunk)
            if size > BODY_BYTES:
                raise TooLarge
            if held > _HELD_BYTES // _SHARE or self.held_bytes > _HELD_BYTES:
                raise TooMany
