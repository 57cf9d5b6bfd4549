"""What all operations work on: objects, resources, schemas, the clock and chance."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from random import Random

from engine.apiserver.kinds import builtin
from engine.apiserver.kinds.resources import Resource, Resources
from engine.apiserver.kinds.schemas import Schemas
from engine.apiserver.storage.addresses import Addresses
from engine.apiserver.storage.store import Key, Record, Store

# Without vowels and digits that look like letters; Source: apimachinery util/rand.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(slots=True)
class State:
    """The whole server without its HTTP side.  clock: seconds since the epoch."""

    store: Store
    clock: Callable[[], float]
    random: Random
    resources: Resources = field(default_factory=lambda: Resources(builtin.load().resources))
    schemas: Schemas = field(default_factory=lambda: Schemas(builtin.load().definitions))
    addresses: Addresses = field(init=False)

    def __post_init__(self) -> None:
        """Follow the Services of the store."""
        self.addresses = Addresses(self.store)

    def now(self) -> str:
        """The time as objects write it: `2026-01-31T12:00:00Z`."""
        return timestamp(self.clock())

    def new_uid(self) -> str:
        """A uid that no object has."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def new_suffix(self, length: int = 5) -> str:
        """What generateName is completed with."""
        return "".join(self.random.choices(_ALPHABET, k=length))

    def record(self, group: str, plural: str, namespace: str, name: str) -> Record | None:
        """An object by its resource and name."""
        key = f"{plural}.{group}" if group else plural
        return self.store.get(Key(key, namespace, name))

    def resource(self, key: str) -> Resource:
        """The resource of a key in the store, at its storage version.  Raises KeyError."""
        found = self.resources.of_key(key)
        if found is None:
            raise KeyError(key)
        return found


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return _second(int(seconds))


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with microseconds, as Leases and Events write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
