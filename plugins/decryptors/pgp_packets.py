"""OpenPGP packets one after the other, with nothing inside of them unpacked.

pysequoia's reader unpacks what is compressed, without an end: what others wrote is read here first.
Source: RFC 9580 sections 4.2, 5 and 6.
"""

import base64
import re
from collections.abc import Iterator
from typing import Final

from engine.objects.armor import blocks_of

_CHECKSUM: Final = re.compile(rb"=[A-Za-z0-9+/]{4}")
MAX_PACKETS: Final = 2_000
"""Of one key file or message; a key that many have signed has some hundreds."""


class Bytes:
    """Reads fields one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        """So many bytes.  Raises ValueError."""
        if len(self._data) - self._at < count:
            raise ValueError("a packet ends too soon")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, count: int) -> int:
        """The next so many bytes as one.  Raises ValueError."""
        return int.from_bytes(self.take(count))

    def integer(self) -> int:
        """A multiprecision integer."""
        return int.from_bytes(self.take((self.number(2) + 7) // 8))

    def short(self) -> bytes:
        """A field after one byte that is its length."""
        return self.take(self.number(1))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def __bool__(self) -> bool:
        """Whether something is left."""
        return self._at < len(self._data)


def unarmored(text: bytes) -> bytes:
    """The bytes that an armored text stands for; what is none is given back.  Raises ValueError."""
    block = next((block for name, block in blocks_of(text) if name.startswith(b"PGP ")), None)
    if block is None:
        return text
    lines = [line.strip() for line in block.splitlines()[1:-1]]
    content = [line for line in lines if b":" not in line and not _CHECKSUM.fullmatch(line)]
    return base64.b64decode(b"".join(content), validate=True)


def packets_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, body) of each packet.  Raises ValueError."""
    left = Bytes(data)
    for _ in range(MAX_PACKETS):
        if not left:
            return
        yield packet_of(left)
    if left:
        raise ValueError(f"there are more than {MAX_PACKETS} packets")


def packet_of(packets: Bytes) -> tuple[int, bytes]:
    """(tag, body) of the next one.  Raises ValueError."""
    head = packets.number(1)
    if not head & 0x80:
        raise ValueError("it is no OpenPGP packet")
    if head & 0x40:
        return head & 0x3F, _new_body(packets)
    kind = head & 3
    body = packets.rest() if kind == 3 else packets.take(packets.number(1 << kind))
    return (head >> 2) & 15, body


def _new_body(packets: Bytes) -> bytes:
    """The body after a header of the new form, its parts joined."""
    parts = []
    while True:
        first = packets.number(1)
        if 224 <= first < 255:
            parts.append(packets.take(1 << (first & 31)))
            continue
        count = first
        if 192 <= first < 224:
            count = ((first - 192) << 8) + packets.number(1) + 192
        elif first == 255:
            count = packets.number(4)
        return b"".join([*parts, packets.take(count)])
