"""Which decryption keys each Kustomization needs of its Secret, and what was told of keys."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from engine.objects.ref import Ref


@dataclass(slots=True)
class _Secret:
    """needed: recipients of all that each user decrypted.  users: as last counted."""

    needed: dict[Ref, frozenset[str]] = field(default_factory=dict)
    users: int = 0


@dataclass(slots=True)
class KeyNeeds:
    """By Secret; kept for as long as the process lives."""

    _secrets: dict[tuple[str, str], _Secret] = field(default_factory=dict)
    _told: set[tuple[str, ...]] = field(default_factory=set)

    def unused(
        self,
        secret: tuple[str, str],
        user: Ref,
        needs: frozenset[str],
        held: frozenset[str],
        users: Callable[[], Collection[Ref]],
    ) -> frozenset[str]:
        """Those of the keys that a Secret holds which none of its users needs.

        Nothing as long as one of the users was not built, or if nothing is encrypted at all.
        secret: (namespace, name).  user: needs these recipients.  users: who names the Secret now;
        asked for seldom, as there may be thousands.
        """
        known = self._secrets.setdefault(secret, _Secret())
        is_first = user not in known.needed
        known.needed[user] = needs
        needed = frozenset[str]().union(*known.needed.values())
        if held <= needed or (is_first and len(known.needed) < known.users):
            return frozenset()
        now = set(users())
        known.users = len(now)
        for gone in known.needed.keys() - now:
            del known.needed[gone]
        if known.needed.keys() != now:
            return frozenset()
        needed = frozenset[str]().union(*known.needed.values())
        return held - needed if needed else frozenset()

    def is_news(self, *what: str) -> bool:
        """Whether this was not told before."""
        if what in self._told:
            return False
        self._told.add(what)
        return True
