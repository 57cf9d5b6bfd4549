"""Digests as Flux writes them: `sha256:<hex>`."""

import hashlib
import hmac
from typing import TYPE_CHECKING, BinaryIO

from engine.errors import ArtifactFailed

if TYPE_CHECKING:
    from hashlib import _Hash

ALGORITHMS = ("sha256", "sha384", "sha512", "sha1")
_CHUNK = 1024 * 1024


def hasher(algorithm: str) -> "_Hash":
    """A new hash.  Raises ArtifactFailed if the algorithm is not one of ALGORITHMS."""
    if algorithm not in ALGORITHMS:
        raise ArtifactFailed(
            f"digest algorithm {algorithm!r} is not supported: use one of {', '.join(ALGORITHMS)}"
        )
    return hashlib.new(algorithm, usedforsecurity=False)


def digest_of(file: BinaryIO, algorithm: str = "sha256") -> str:
    """The digest of what is left to read in `file`."""
    found = hasher(algorithm)
    while chunk := file.read(_CHUNK):
        found.update(chunk)
    return f"{algorithm}:{found.hexdigest()}"


def is_equal(given: str, wanted: str) -> bool:
    """True if both name the same content."""
    return hmac.compare_digest(given.encode(), wanted.encode())
