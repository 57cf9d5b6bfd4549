"""A decryptor that counts: age keys of the ring, or what a test says of a key service."""

from dataclasses import dataclass, field

import anyio.lowlevel
import pyrage

from engine.plugin import Context, Decryptor, KeyRing, KeyUnavailable, Plugin
from engine.sops import MasterKey


@dataclass(slots=True)
class Locksmith:
    """Opens data keys.  asked: recipients, in order.  at_once: the most that were open together."""

    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    under_way: int = 0
    service: dict[str, bytes | Exception] = field(default_factory=dict)
    """What key services hold, by recipient."""

    @property
    def plugin(self) -> Plugin:
        """What the engine is given."""
        aged = Decryptor(self._open_age, self._seal, self._held)
        served = Decryptor(self._open_served, self._seal, lambda _: frozenset())
        return Plugin("locksmith", decryptors={"age": aged, "kms": served, "hc_vault": served})

    async def _open_age(self, key: MasterKey, ring: KeyRing, _: Context) -> bytes:
        async with _Counted(self, key):
            for name, value in ring.values.items():
                if name.endswith(".agekey"):
                    for line in value.decode().splitlines():
                        if line.startswith("AGE-SECRET-KEY-"):
                            try:
                                identity = pyrage.x25519.Identity.from_str(line)
                                return bytes(pyrage.decrypt(key.encrypted.encode(), [identity]))
                            except pyrage.DecryptError:
                                continue
            raise KeyUnavailable(f"no identity is {key.recipient}")

    async def _open_served(self, key: MasterKey, _: KeyRing, __: Context) -> bytes:
        async with _Counted(self, key):
            found = self.service.get(key.recipient, KeyUnavailable(f"{key.recipient}: 403 denied"))
            if isinstance(found, Exception):
                raise found
            return found

    async def _seal(self, _: bytes, recipient: str, __: KeyRing, ___: Context) -> MasterKey:
        raise KeyUnavailable(f"nothing is sealed for {recipient} here")

    def _held(self, ring: KeyRing) -> frozenset[str]:
        return frozenset(
            line.removeprefix("# public key: ")
            for value in ring.values.values()
            for line in value.decode().splitlines()
            if line.startswith("# public key: ")
        )


@dataclass(slots=True)
class _Counted:
    smith: Locksmith
    key: MasterKey

    async def __aenter__(self) -> None:
        self.smith.asked.append(self.key.recipient)
        self.smith.under_way += 1
        self.smith.at_once = max(self.smith.at_once, self.smith.under_way)
        await anyio.lowlevel.checkpoint()  # others may begin

    async def __aexit__(self, *_: object) -> None:
        self.smith.under_way -= 1
