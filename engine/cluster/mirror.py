"""The objects of Flux's kinds as the API server last told: by watch, or as answer to our writes.

Nothing goes backwards: of two versions of one object the higher resourceVersion stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from engine.objects.ref import Object, Ref


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many objects are held."""

    objects: int


class Mirror:
    """Objects by Ref, fed by watches and by the answers to writes."""

    def __init__(self) -> None:
        self._objects: dict[Ref, Object] = {}
        self._deleted: dict[Ref, str] = {}  # {ref: uid of the last object that went}

    def __repr__(self) -> str:
        return f"Mirror(objects={len(self._objects)})"

    def get(self, ref: Ref) -> Object | None:
        """The object, None if there is none."""
        return self._objects.get(ref)

    def of_kind(self, group: str, kind: str) -> Iterator[tuple[Ref, Object]]:
        """Every object of a kind, as of the call."""
        found = [(r, o) for r, o in self._objects.items() if (r.group, r.kind) == (group, kind)]
        return iter(found)

    def note(self, obj: Object) -> Object | None:
        """Keeps the object if it is news; returns what was known before.

        The answer to a write may come after the news that the object was deleted: it stays gone.
        """
        ref = Ref.of(obj)
        old = self._objects.get(ref)
        uid = obj["metadata"].get("uid", "")
        if self._deleted.get(ref) == uid:
            return old
        if old is None or old["metadata"].get("uid") != uid or version(old) <= version(obj):
            self._objects[ref] = obj
            self._deleted.pop(ref, None)
        return old

    def forget(self, obj: Object) -> None:
        """Drops a deleted object."""
        ref = Ref.of(obj)
        uid = obj["metadata"].get("uid", "")
        known = self._objects.get(ref)
        if known is not None and known["metadata"].get("uid") == uid:
            del self._objects[ref]
        self._deleted[ref] = uid

    def statistics(self) -> Statistics:
        """How many objects are held."""
        return Statistics(len(self._objects))


def version(obj: Object) -> int:
    """The resourceVersion as a number (Kubernetes 1.35 made them comparable)."""
    return int(obj["metadata"].get("resourceVersion") or 0)
