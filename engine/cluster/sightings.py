"""The newest that was seen of each object, whoever told it first: pure bookkeeping.

Nothing goes backwards: of two versions of one object the higher resourceVersion stays, and an
object that is gone does not come back by news that is older than its end.
Source: design section 3, rule 4.
"""

from collections import OrderedDict
from collections.abc import Iterator

from engine.objects.ref import Ref
from engine.plan.observation import Observation

REMEMBERED = 10_000  # ends of objects; an answer that is late by more of them is not to be expected


class Sightings:
    """Observations by Ref."""

    def __init__(self) -> None:
        self._seen: dict[Ref, Observation] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()  # {uid: version as of which it is gone}

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._seen)

    def get(self, ref: Ref) -> Observation | None:
        """The object as last seen."""
        return self._seen.get(ref)

    def refs(self) -> frozenset[Ref]:
        """All objects that are there."""
        return frozenset(self._seen)

    def keep(self, ref: Ref, seen: Observation, *, by_name: bool = False) -> bool:
        """Whether it was news: a newer version, or another look at the same one shows more.

        by_name: it is there at that very version, whatever a selector says that it has left then.
        """
        known = self._seen.get(ref)
        if known is not None and (known.version > seen.version or known == seen):
            return False
        if seen.version < 0 or self._gone.get(seen.uid, -1) >= seen.version + by_name:
            return False
        self._seen[ref] = seen
        return True

    def drop(self, ref: Ref, uid: str, version: int) -> bool:
        """Whether it was news that the object is gone; another of its name, made since, stays.

        version: at which it was gone, 0: not known.
        """
        known = self._seen.get(ref)
        version = version or (known.version if known else 0)
        self._gone[uid] = max(version, self._gone.get(uid, 0))
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
        if known is None or known.uid != uid or known.version > version:
            return False
        del self._seen[ref]
        return True

    def discard(self, ref: Ref) -> None:
        """Forgets what was seen: it is to be looked for."""
        self._seen.pop(ref, None)

    def doubt(self, kind: tuple[str, str]) -> None:
        """Whatever is told next of these objects is news, also if its version is no newer."""
        self._gone.clear()
        for ref, seen in self.of_kind(kind):
            self._seen[ref] = seen.at(0)

    def of_kind(self, kind: tuple[str, str]) -> Iterator[tuple[Ref, Observation]]:
        """The objects of a group and kind, as they are now."""
        found = [each for each in self._seen.items() if (each[0].group, each[0].kind) == kind]
        return iter(found)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Sightings of {len(self._seen)} objects>"
