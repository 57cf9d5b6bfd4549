"""Open data keys: each by the first of its master keys that the ring, or the identity, may use.

For the engine and the command line.  Why one cannot be opened is given to the build, which says
which file asked for it, beside all else that is wrong.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from traceback import format_tb

import anyio

from engine.errors import Failure
from engine.plugin import Context, Decryptor, KeyRing, KeyUnavailable, share_of
from engine.reconcile.data_keys import LOCAL, DataKeys, is_local
from engine.render import Keys, SealedKey
from engine.sops import MasterKey, SopsError, combined
from engine.telemetry import logger

_AT_ONCE = 16
"""Data keys of one build that are opened at the same time: each may be a request."""
_NAMED = 5
"""Recipients and reasons that a message lists."""


@dataclass(frozen=True, slots=True)
class Means:
    """What an object may decrypt with.

    told: what the keys are in, for messages: `Secret 'apps/sops-age' (age.agekey)`.
    fingerprint: of the keys, and of whose they are.
    """

    ring: KeyRing
    told: str
    fingerprint: str


@dataclass(slots=True)
class Opening:
    """The data keys of one build.  got: what was opened, or why it was not."""

    means: Means
    decryptors: Mapping[str, Decryptor]
    context: Context
    data_keys: DataKeys
    got: Keys = field(default_factory=Keys)
    has_asked: bool = False
    """Whether a key service was asked in vain: the next time it may answer otherwise."""
    _held: frozenset[tuple[str, str]] | None = field(default=None, repr=False)

    @property
    def held(self) -> frozenset[tuple[str, str]]:
        """(kind, recipient) of what the ring's own keys open; reading those takes its time."""
        if self._held is None:
            given, ring = self.decryptors.items(), self.means.ring
            self._held = frozenset((kind, name) for kind, each in given for name in each.held(ring))
        return self._held

    def recall(self, keys: Collection[SealedKey]) -> bool:
        """Take those that need not be opened; whether that is all of them."""
        known = self.data_keys.known(self.means.fingerprint, keys)
        self.got = Keys({**self.got.data_keys, **known}, self.got.refusals)
        return all(key.id in known for key in keys)

    async def bring(self, keys: Collection[SealedKey], within: float) -> Keys:
        """All that is known now; `keys` are among it, or why they cannot be had.

        within: seconds for all of them.  Raises Failure if the identity may not be used at all.
        """
        self.recall(keys)
        wanted = [key for key in keys if key.id not in self.got.data_keys]
        opened: dict[str, bytes] = {}
        refusals: dict[str, str] = {}
        failures: list[Failure] = []
        limiter, share = anyio.CapacityLimiter(_AT_ONCE), share_of(self.context)

        async def one(key: SealedKey) -> None:
            try:
                async with limiter, self.data_keys.places.held(*share):
                    found = await _Attempt(self, key).result()
            except Failure as failure:  # as itself, not as one of a group
                failures.append(failure)
                return
            if isinstance(found, bytes):
                opened[key.id] = found
                self.data_keys.keep(self.means.fingerprint, key, found)
            else:
                refusals[key.id] = found
                self.has_asked |= not is_local(key)
                self.data_keys.refused()

        with anyio.move_on_after(within):
            async with anyio.create_task_group() as tasks:
                for key in wanted:
                    tasks.start_soon(one, key)
        if failures:
            raise failures[0]
        late = "its key service gave no answer in time (spec.timeout)"
        for key in wanted:
            if key.id not in opened and key.id not in refusals:
                refusals[key.id], self.has_asked = late, True
        self.got = Keys({**self.got.data_keys, **opened}, {**self.got.refusals, **refusals})
        return self.got


class _Attempt:
    """One data key, and why its master keys did not open it."""

    def __init__(self, opening: Opening, key: SealedKey) -> None:
        self._opening, self._key = opening, key
        self._reasons: dict[str, None] = {}

    async def result(self) -> bytes | str:
        """The data key, or why it cannot be had."""
        metadata, parts = self._key.metadata, dict[MasterKey, bytes]()
        for group in metadata.groups:
            if len(parts) < metadata.needed:
                await self._open_group(group, parts)
        try:
            data_key = combined(metadata, parts)
        except SopsError as error:
            return str(error)
        return self._refusal(len(parts)) if data_key is None else data_key

    async def _open_group(self, group: Sequence[MasterKey], parts: dict[MasterKey, bytes]) -> None:
        """Adds the part of a group, if one of its keys opens it: those that ask nobody first."""
        held = self._opening.held
        for key in sorted(
            group,
            key=lambda each: (
                (each.kind, each.recipient) not in held,
                each.kind not in LOCAL,
            ),
        ):
            part = await self._opened(key)
            if part is not None:
                parts[key] = part
                return

    async def _opened(self, key: MasterKey) -> bytes | None:
        decryptor, means = self._opening.decryptors.get(key.kind), self._opening.means
        if decryptor is None:
            self._reasons.setdefault(f"no plugin opens keys of kind '{key.kind}'")
            return None
        try:
            return await decryptor.open(key, means.ring, self._opening.context)
        except KeyUnavailable as error:
            self._reasons.setdefault(str(error))
        except Failure:
            raise
        except Exception as bug:  # of a plugin; its text may hold what nobody must see
            logger.error(
                "unexpected %s of the plugin for keys of kind '%s': this is a bug; its text may "
                "hold what is secret, and is left out; it was raised at\n%s",
                type(bug).__name__,
                key.kind,
                "".join(format_tb(bug.__traceback__)),
            )
            self._reasons.setdefault(f"{key.recipient}: unexpected {type(bug).__name__}: a bug")
        return None

    def _refusal(self, opened: int) -> str:
        metadata = self._key.metadata
        recipients = dict.fromkeys(key.recipient for group in metadata.groups for key in group)
        shares = (
            f" ({opened} of {metadata.needed} groups of keys could be opened)"
            if metadata.needed > 1
            else ""
        )
        return (
            f"no key of {self._opening.means.told} opens it{shares}; it is encrypted for "
            f"{_listed(recipients)}; tried: {_listed(self._reasons, '; ')}"
        )


def _listed(texts: Collection[str], separator: str = ", ") -> str:
    more = [f"{len(texts) - _NAMED} more"] if len(texts) > _NAMED else []
    return separator.join([*list(texts)[:_NAMED], *more]) or "nothing"
