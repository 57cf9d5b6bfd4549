"""Which decryption keys each Kustomization needs of its Secret, and what was told of keys."""

from collections.abc import Collection
from dataclasses import dataclass, field

from engine.objects.ref import Ref


@dataclass(slots=True)
class KeyNeeds:
    """What each Kustomization needs of its Secret, and what was told."""

    _needed: dict[tuple[str, str], dict[Ref, frozenset[str]]] = field(default_factory=dict)
    """{(namespace, name) of the Secret: {Kustomization: recipients of all that it decrypted}}."""
    _told: set[tuple[str, ...]] = field(default_factory=set)

    def needed(
        self, secret: tuple[str, str], user: Ref, recipients: frozenset[str], users: Collection[Ref]
    ) -> frozenset[str] | None:
        """What all users of the Secret need; None: some of them were not built yet.

        user: needs these recipients.  users: that name the Secret now.
        """
        known = self._needed.setdefault(secret, {})
        known[user] = recipients
        for gone in known.keys() - set(users):
            del known[gone]
        if known.keys() != set(users):
            return None
        return frozenset[str]().union(*known.values())

    def is_news(self, *what: str) -> bool:
        """Whether this was not told before."""
        if what in self._told:
            return False
        self._told.add(what)
        return True
