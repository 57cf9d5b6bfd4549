"""A server for strangers: so many connections, and none that says nothing for long."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from engine.telemetry import logger

if TYPE_CHECKING:
    import asyncio

MOST = 512  # connections; each has a buffer of 64 KiB, and a call comes over one
HEADER_TIME = 10.0  # seconds from a connection, or an answer, to the whole next header; Flux's
LINGERING = 1.0  # seconds for what still comes after an answer: thrown away


class _Wordless(logging.Filter):
    """Leaves out what the sender of a malformed request has sent, which may be a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always passes."""
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"  # anybody can cause it
        return logger.isEnabledFor(logging.DEBUG)


_LOG = logger.getChild("connections")
_LOG.addFilter(_Wordless())


class Connections(web.Server):
    """Closes the oldest idle connection where there is one too many.

    So whoever opens thousands and says nothing loses them to those who have something to say.
    """

    def __init__(self, answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(
            answer,
            access_log=None,
            logger=_LOG,
            keepalive_timeout=HEADER_TIME,
            lingering_time=LINGERING,
            auto_decompress=False,  # what is signed are the bytes that came; and no bombs
        )
        self._busy: set[web.RequestHandler] = set()

    @contextmanager
    def busy(self, request: web.BaseRequest) -> Iterator[None]:
        """Its connection has said all, and waits for us: it is not closed meanwhile."""
        handler = request.protocol
        self._busy.add(handler)
        try:
            yield
        finally:
            self._busy.discard(handler)

    def connection_made(self, handler: web.RequestHandler, transport: "asyncio.Transport") -> None:
        """Takes a new one in, and an old one out."""
        super().connection_made(handler, transport)
        if len(self.connections) <= MOST:
            return
        open_ones = [each for each in self.connections if each.transport is not None]
        if len(open_ones) > MOST:
            oldest = next((each for each in open_ones if each not in self._busy), None)
            if oldest is not None:
                oldest.force_close()
