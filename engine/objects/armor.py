"""Blocks in a text, from `-----BEGIN NAME-----` to `-----END NAME-----`, found in one pass.

A regular expression looks for an end behind each beginning: one Secret full of beginnings would
hold the interpreter, and with it every tenant, for hours.
Source: RFC 7468; RFC 9580 section 6.
"""

from collections.abc import Iterator
from typing import Final

_BEGIN: Final = b"-----BEGIN "
_END: Final = b"-----END "
_DASHES: Final = b"-----"


def blocks_of(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, block with its first and last line) of each block, in order."""
    at = 0
    while (begin := text.find(_BEGIN, at)) >= 0:
        name_at = begin + len(_BEGIN)
        closed = text.find(_DASHES, name_at)
        name = text[name_at : max(closed, name_at)]
        if b"\n" in name or not name:
            at = name_at
            continue
        end = text.find(_END, closed)
        stop = text.find(_DASHES, end + len(_END)) if end >= 0 else -1
        if stop < 0:
            return
        at = stop + len(_DASHES)
        yield name, text[begin:at]
