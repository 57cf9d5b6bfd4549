"""What a build asks for to decrypt, and what it says that it has decrypted."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Self

from engine.sops import Metadata


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A data key as a file has it: sealed, to be opened by whoever has one of its master keys.

    id: digest of all that it is sealed in; equal for files that share a data key.
    where: `file:line` of the first file that was found to need it.
    """

    id: str
    metadata: Metadata = field(compare=False, repr=False)
    where: str = field(compare=False)

    @classmethod
    def of(cls, metadata: Metadata, where: str) -> Self:
        """The data key of a file or an object that says this of its encryption."""
        groups = [
            [
                (key.kind, key.recipient, key.encrypted, {**key.attributes}, {**key.context})
                for key in group
            ]
            for group in metadata.groups
        ]
        # Not orjson: names of a hostile file may be no UTF-8.
        text = json.dumps((metadata.needed, groups), sort_keys=True)
        return cls(hashlib.sha256(text.encode()).hexdigest(), metadata, where)


@dataclass(frozen=True, slots=True)
class Decrypting:
    """How a build decrypts.

    keys: fingerprint of the keys that it may use and of whose they are: with others the result may
    be another one, or none.
    verify_mac: refuse what was changed since it was encrypted.
    """

    keys: str
    verify_mac: bool = True


@dataclass(frozen=True, slots=True)
class Opened:
    """What a build has decrypted.

    values: each text that was encrypted, or made of a secret variable, for `mask`.  files: of
    those that were decrypted before the build.  keys: of all that was decrypted.  count: files,
    objects and values of Secrets.
    """

    values: tuple[str, ...] = field(default=(), repr=False)
    files: frozenset[str] = frozenset()
    keys: frozenset[SealedKey] = frozenset()
    count: int = 0
