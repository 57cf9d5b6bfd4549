"""Which decryption keys each Kustomization needs of its Secret, and what was told of keys."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from engine.objects.ref import Ref

_REMEMBERED = 10_000  # of what was told; of who has more keys that end, some is told twice


@dataclass(slots=True)
class _Secret:
    """needed: recipients of all that each user decrypted.  users: as last counted."""

    needed: dict[Ref, frozenset[str]] = field(default_factory=dict)
    users: int = 0


@dataclass(slots=True)
class KeyNeeds:
    """By Secret; kept for as long as its users are there."""

    _secrets: dict[tuple[str, str], _Secret] = field(default_factory=dict)
    _secret_of: dict[Ref, tuple[str, str]] = field(default_factory=dict)  # {user: its Secret}
    _told: dict[tuple[str, ...], None] = field(default_factory=dict)  # oldest first

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
        if self._secret_of.get(user, secret) != secret:
            self.forget(user)
        self._secret_of[user] = secret
        known = self._secrets.setdefault(secret, _Secret())
        is_first = user not in known.needed
        known.needed[user] = needs
        needed = frozenset[str]().union(*known.needed.values())
        if held <= needed or (is_first and len(known.needed) < known.users):
            return frozenset()
        now = set(users())
        known.users = len(now)
        for gone in known.needed.keys() - now:
            self.forget(gone)
        if known.needed.keys() != now:
            return frozenset()
        needed = frozenset[str]().union(*known.needed.values())
        return held - needed if needed else frozenset()

    def is_news(self, *what: str) -> bool:
        """Whether this was not told before."""
        if what in self._told:
            return False
        self._told[what] = None
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        return True

    def forget(self, user: Ref) -> None:
        """The Kustomization is gone, or has another Secret."""
        secret = self._secret_of.pop(user, None)
        if secret is None:
            return
        del self._secrets[secret].needed[user]
        if not self._secrets[secret].needed:
            del self._secrets[secret]
