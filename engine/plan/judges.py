"""Who judges the health of an object: its owner, where it brings expressions of its own.

The verdict takes the place of the rules for all kinds wherever a live object is looked at.  Labels
alone make nobody an owner: a tenant puts any he likes on his objects, and what he has in them would
take the time of another one's expressions.
"""

from collections.abc import Callable, Collection
from typing import Protocol

from engine.objects.kstatus import Health
from engine.objects.ref import Object, Ref
from engine.plan.policy import OWNER_LABELS


class Judge(Protocol):
    """What an owner says about health; two that say the same are equal."""

    def judges(self, ref: Ref) -> bool:
        """Whether it says how objects of that kind are."""
        ...

    def health(self, obj: Object) -> Health:
        """How such an object is."""
        ...


class Judges:
    """The judge of each owner that has one: of those of its objects that its labels name."""

    def __init__(self) -> None:
        # {name and namespace of the owner: (its judge, its objects)}
        self._of: dict[tuple[str, str], tuple[Judge, frozenset[Ref]]] = {}

    def set(
        self, owner: Ref, judge: Judge | None, objects: Collection[Ref] = ()
    ) -> Callable[[Ref], bool]:
        """From now on it judges what is that owner's; whose health was judged in another way.

        objects: all that the owner wants, or waits for.
        """
        key = owner.name, owner.namespace
        before, known = self._of.pop(key, (None, frozenset[Ref]()))
        now = frozenset(objects) if judge is not None else frozenset[Ref]()
        if judge is not None:
            self._of[key] = judge, now

        def is_judged_anew(ref: Ref) -> bool:
            if before == judge and (ref in known) == (ref in now):
                return False
            was = before is not None and ref in known and before.judges(ref)
            return was or (judge is not None and ref in now and judge.judges(ref))

        return is_judged_anew

    def is_judged(self, ref: Ref, owner: tuple[str, str]) -> bool:
        """Whether the owner, by name and namespace, says how that object is."""
        judge, objects = self._of.get(owner, (None, frozenset[Ref]()))
        return judge is not None and ref in objects and judge.judges(ref)

    def health(self, obj: Object) -> Health | None:
        """The verdict; None: the rules for all kinds hold."""
        if not self._of:
            return None
        labels, ref = obj["metadata"].get("labels") or {}, Ref.of(obj)
        owner = labels.get(OWNER_LABELS[0], ""), labels.get(OWNER_LABELS[1], "")
        return self._of[owner][0].health(obj) if self.is_judged(ref, owner) else None

    def __repr__(self) -> str:
        """How many owners have one."""
        return f"<Judges of {len(self._of)} owners>"
