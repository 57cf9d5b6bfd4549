"""Items of DER, one after the other: only to see how much work a key says it asks for.

What is BER only (no lengths, strings in pieces) is refused: others would read more in it than is
seen here.  Source: X.690.
"""

from collections.abc import Iterator
from typing import Final

INTEGER: Final = 2
OCTETS: Final = 4
CONSTRUCTED: Final = 0x20
_DEEPEST: Final = 20


class Damaged(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """It is no DER."""


def items(der: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of each item, at least one.  Raises Damaged."""
    at = 0
    while True:
        head = der[at : at + 2]
        if len(head) < 2 or head[1] == 0x80 or head[0] == OCTETS | CONSTRUCTED:
            raise Damaged
        size, start = head[1], at + 2
        if size & 0x80:  # the length of the length
            start += size & 0x7F
            size = int.from_bytes(der[at + 2 : start])
        at = start + size
        if at > len(der):
            raise Damaged
        yield head[0], der[start:at]
        if at == len(der):
            return


def first(der: bytes) -> bytes:
    """What the first item holds.  Raises Damaged."""
    return next(iter(items(der)))[1]


def integers(der: bytes, depth: int = 0) -> Iterator[int]:
    """Every number in it, at any depth.  Raises Damaged."""
    if depth > _DEEPEST:
        raise Damaged
    for tag, content in items(der):
        if tag & CONSTRUCTED and content:
            yield from integers(content, depth + 1)
        elif tag == INTEGER:
            yield int.from_bytes(content, signed=True)
