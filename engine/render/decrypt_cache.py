"""Decrypted files, kept by content and data key: what did not change is not decrypted again.

Kept in the memory of the process that builds, never elsewhere.  Only who has the data key finds
what was decrypted with it.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from engine.sops import Format, decrypted

_ENTRY = 300  # bytes that one costs beside its text


class Decrypt(Protocol):
    """Decrypts a file.  Raises SopsError."""

    def __call__(
        self,
        content: bytes,
        form: Format,
        data_key: bytes,
        verify_mac: bool,
        output: Format | None,
        /,
    ) -> bytes:
        """The content in plain text.  output: the format to write, None: the same."""
        ...


def decrypted_anew(
    content: bytes,
    form: Format,
    data_key: bytes,
    verify_mac: bool,
    output: Format | None,
    /,
) -> bytes:
    """Decrypts a file, and remembers nothing.  Raises SopsError."""
    return decrypted(content, form, data_key, verify_mac=verify_mac, output=output)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is kept, and counts since the start."""

    files: int
    held_bytes: int
    used: int  #: times that a file was not decrypted again
    decrypted: int


class DecryptedFiles:
    """Decrypts files, and remembers as many as fit."""

    def __init__(self, max_bytes: int) -> None:
        """max_bytes: of plain text; 0 keeps nothing."""
        self._max_bytes = max_bytes
        self._files: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = self._used = self._decrypted = 0

    def __call__(
        self,
        content: bytes,
        form: Format,
        data_key: bytes,
        verify_mac: bool,
        output: Format | None,
        /,
    ) -> bytes:
        """The content in plain text.  Raises SopsError."""
        key = _digest(content, data_key, f"{form} {verify_mac} {output}")
        known = self._files.get(key)
        if known is not None:
            self._used += 1
            self._files.move_to_end(key)
            return known
        plain = decrypted_anew(content, form, data_key, verify_mac, output)
        self._decrypted += 1
        self._files[key] = plain
        self._bytes += len(plain) + _ENTRY
        while self._bytes > self._max_bytes:
            _, gone = self._files.popitem(last=False)
            self._bytes -= len(gone) + _ENTRY
        return plain

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(len(self._files), self._bytes, self._used, self._decrypted)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<DecryptedFiles {self.statistics()}>"


def _digest(content: bytes, data_key: bytes, how: str) -> bytes:
    """Names a text and how it is decrypted; tells nothing of the data key."""
    digest = hashlib.blake2b(content, key=hashlib.sha256(data_key).digest())
    digest.update(how.encode())
    return digest.digest()
