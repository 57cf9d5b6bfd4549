"""Who judges the health of an object: its owner, where it brings expressions of its own.

The verdict takes the place of the rules for all kinds wherever a live object is looked at.
"""

from collections.abc import Callable
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
    """The judge of each owner that has one; an object's owner is the one its labels name."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], Judge] = {}  # {name and namespace of the owner: its judge}

    def set(self, owner: Ref, judge: Judge | None) -> Callable[[Ref], bool]:
        """From now on it judges what is that owner's; whose health was judged in another way."""
        key = owner.name, owner.namespace
        before = self._of.pop(key, None)
        if judge is not None:
            self._of[key] = judge
        if before == judge:
            return lambda _: False
        return lambda ref: any(each.judges(ref) for each in (before, judge) if each is not None)

    def is_judged(self, ref: Ref, owner: tuple[str, str]) -> bool:
        """Whether the owner, by name and namespace, says how that object is."""
        judge = self._of.get(owner)
        return judge is not None and judge.judges(ref)

    def health(self, obj: Object) -> Health | None:
        """The verdict; None: the rules for all kinds hold."""
        if not self._of:
            return None
        labels = obj["metadata"].get("labels") or {}
        judge = self._of.get((labels.get(OWNER_LABELS[0], ""), labels.get(OWNER_LABELS[1], "")))
        return judge.health(obj) if judge is not None and judge.judges(Ref.of(obj)) else None

    def __repr__(self) -> str:
        """How many owners have one."""
        return f"<Judges of {len(self._of)} owners>"
