"""The objects of Flux's kinds as the API server last told: by watch, or as answer to our writes.

Nothing goes backwards: of two versions of one object the higher resourceVersion stays.
"""

from dataclasses import dataclass

from engine.objects.ref import Object, Ref

_REMEMBERED = 10_000  # deletions; an answer that is late by more of them is not to be expected


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many objects are held."""

    objects: int


class Mirror:
    """Objects by Ref, fed by watches and by the answers to writes."""

    def __init__(self) -> None:
        self._objects: dict[Ref, Object] = {}
        self.changes = 0
        """How many times an object came, changed or went."""
        # {ref: uid of the last object that went, and a version at which it was gone}; one that
        # left a selector may come back
        self._deleted: dict[Ref, tuple[str, int]] = {}

    def __repr__(self) -> str:
        return f"Mirror(objects={len(self._objects)})"

    def get(self, ref: Ref) -> Object | None:
        """The object, None if there is none."""
        return self._objects.get(ref)

    def of_kind(self, group: str, kind: str) -> list[Object]:
        """All objects of a kind."""
        return [obj for ref, obj in self._objects.items() if (ref.group, ref.kind) == (group, kind)]

    def note(self, obj: Object) -> Object | None:
        """Keeps the object if it is news (then `get` gives it); returns what was known before.

        The answer to a write may come after newer news, even that the object was deleted, or that
        another of its name was made: nothing changes then.
        """
        ref = Ref.of(obj)
        old = self._objects.get(ref)
        uid, until = self._deleted.get(ref, ("", 0))
        if obj["metadata"].get("uid", "") == uid and version(obj) <= until:
            return old
        if old is None or version(old) <= version(obj):
            self._objects[ref] = obj
            self.changes += 1
        return old

    def forget(self, obj: Object) -> None:
        """Drops a deleted object; another one of its name, made since, stays.

        obj: at a version at which it was gone.
        """
        ref = Ref.of(obj)
        uid = obj["metadata"].get("uid", "")
        known = self._objects.get(ref)
        if known is not None:
            if known["metadata"].get("uid") != uid:
                return
            del self._objects[ref]
            self.changes += 1
        self._deleted.pop(ref, None)
        self._deleted[ref] = uid, version(obj)
        if len(self._deleted) > _REMEMBERED:
            del self._deleted[next(iter(self._deleted))]

    def statistics(self) -> Statistics:
        """How many objects are held."""
        return Statistics(len(self._objects))


def version(obj: Object) -> int:
    """The resourceVersion as a number (Kubernetes 1.35 made them comparable)."""
    return int(obj["metadata"].get("resourceVersion") or 0)
