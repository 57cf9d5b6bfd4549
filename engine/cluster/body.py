"""Reads the body of an answer: unpacked, and not more of it than may be."""

import zlib
from collections.abc import AsyncIterator, Iterator

import anyio.lowlevel

from engine.cluster.allowance import Room

ENCODING = "gzip"  # what API servers pack long answers with, if they may
_PIECE = 64 * 1024  # bytes unpacked in one go: 64 KiB of gzip may hold 64 MiB
_BREATH = 2**20  # bytes after which others have their turn
_GZIP = 16 + zlib.MAX_WBITS


class Overlong(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """More than may be."""


class Garbled(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """Packed in another way than was asked for, or not to be unpacked."""


async def read_body(
    chunks: AsyncIterator[bytes], encoding: str, most: int, room: Room, *, cut: bool = False
) -> bytes:
    """The whole body.  Raises Overlong and Garbled.

    encoding: the header Content-Encoding.   most: bytes.   room: shared by all that are read at the
    same time.   cut: the beginning is enough of one that is longer.
    """
    pieces: list[bytes] = []
    size = breath = 0
    unpack = _unpacking(encoding)
    try:
        async for chunk in chunks:
            for piece in unpack(chunk):
                pieces.append(piece)
                size += len(piece)
                breath += len(piece)
                is_room = room.take(len(piece))
                if size > most and cut:
                    return b"".join(pieces)[:most]
                if size > most or not is_room:
                    raise Overlong
                if breath > _BREATH:  # what has come already is read without a wait
                    breath = 0
                    await anyio.lowlevel.checkpoint()
        unpack.end()
    finally:
        room.give(size)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Plain:
    """Not packed."""

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk

    def end(self) -> None:
        """It may end anywhere."""


class _Gzip:
    """Unpacks a piece at a time."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_GZIP)

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        inflater = self._inflater
        if inflater.eof and chunk:
            raise Garbled("the answer goes on after its end")
        while True:
            try:
                piece = inflater.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise Garbled("the answer is no gzip") from error
            if piece:
                yield piece
            if inflater.unused_data:
                raise Garbled("the answer goes on after its end")
            chunk = inflater.unconsumed_tail
            if inflater.eof or (not chunk and len(piece) < _PIECE):
                return

    def end(self) -> None:
        if not self._inflater.eof:
            raise Garbled("the end of the answer is missing")


def _unpacking(encoding: str) -> _Plain | _Gzip:
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip":
            return _Gzip()
    raise Garbled("the answer is packed in a way that was not asked for")
