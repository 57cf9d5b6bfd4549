"""Which Kustomization wants which object, and what it last made of it.

A baseline is the value signature of the answer to our own apply: a live object that shows another
one has drifted.  Where answer and desired object differ, admission altered it: that is no drift.
Source: design section 3, rules 1, 3 and 10.
"""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from engine.objects.ref import Ref
from engine.plan.observation import Observation


@dataclass(frozen=True, slots=True)
class Basis:
    """What an owner was when it was built: its generation, and the revision of its source."""

    generation: int
    revision: str


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment."""

    owners: int
    objects: int
    rivalries: int  #: objects that more than one owner wants


class Claims:
    """The objects that each owner wants, with their baselines; pure bookkeeping.

    Of an object that one owner wants, and that is nearly every one, only a few bytes are kept: a
    place in the owner's baselines and one in `_owner`.
    """

    def __init__(self) -> None:
        # {owner: {what it wants: baseline, b"" before it was applied}}
        self._baselines: dict[Ref, dict[Ref, bytes]] = {}
        self._owner: dict[Ref, Ref] = {}  # {object: the only owner that wants it}
        self._owners: dict[Ref, frozenset[Ref]] = {}  # {object: owners, where several want it}
        self._basis: dict[Ref, Basis] = {}

    def claim(self, owner: Ref, wanted: Iterable[Ref], basis: Basis | None = None) -> None:
        """From here on `owner` wants just these objects; basis: of which build they are."""
        self._basis.pop(owner, None)
        if basis is not None:
            self._basis[owner] = basis
        known, new = self._baselines.get(owner, {}), frozenset(wanted)
        for ref in known.keys() - new:
            self._drop(owner, ref)
        added = {ref.shared(): b"" for ref in new if ref not in known}
        for ref in added:
            self._add(owner, ref)
        kept = {ref: baseline for ref, baseline in known.items() if ref in new}
        self._baselines[owner] = kept | added

    def release(self, owner: Ref) -> None:
        """The owner is gone, or wants nothing any more."""
        self._basis.pop(owner, None)
        for ref in self._baselines.pop(owner, {}):
            self._drop(owner, ref)

    def _add(self, owner: Ref, ref: Ref) -> None:
        others = self.owners_of(ref)
        if others:
            self._owner.pop(ref, None)
            self._owners[ref] = others | {owner}
        else:
            self._owner[ref] = owner

    def _drop(self, owner: Ref, ref: Ref) -> None:
        if self._owner.get(ref) == owner:
            del self._owner[ref]
            return
        left = self._owners[ref] - {owner}
        if len(left) > 1:
            self._owners[ref] = left
        else:
            del self._owners[ref]
            [self._owner[ref]] = left

    def forfeit(self, owner: Ref, ref: Ref) -> None:
        """The owner may not have that object: until it claims again, it does not want it."""
        if self._baselines.get(owner, {}).pop(ref, None) is not None:
            self._drop(owner, ref)

    def settle(self, owner: Ref, ref: Ref, content: bytes, signature: bytes) -> None:
        """The owner has just applied the object, or found it as it should be."""
        baselines = self._baselines.get(owner, {})
        if ref in baselines:
            baselines[ref] = _baseline(content, signature)

    def unsettle(self, owner: Ref, ref: Ref) -> None:
        """What the owner left counts no more: it was made by other rules than hold now."""
        baselines = self._baselines.get(owner, {})
        if ref in baselines:
            baselines[ref] = b""

    def _baseline(self, owner: Ref, ref: Ref) -> bytes:
        """What the owner left, b"" if it does not want the object, or has not applied it yet."""
        return self._baselines.get(owner, {}).get(ref, b"")

    def is_settled(self, owner: Ref, ref: Ref, content: bytes, live: Observation) -> bool:
        """Whether nothing is to be done: the live object is as this owner left or wants it.

        Of an object that several want, each applies what is new to it and corrects nothing: they
        would undo each other's work for ever.
        """
        baseline = self._baseline(owner, ref)
        is_same = _is_of(baseline, content)
        if is_same and ref in self._owners:
            return True
        if not live.signature:
            return False  # nothing tells what we own of it: the API server is to be asked
        if all(live.owner) and live.owner != (owner.name, owner.namespace):
            return False  # the labels of one who wants it no more are to change hands
        if is_same:
            return _is_left_as(baseline, live.signature)
        return live.content == content

    def is_known(self, owner: Ref, ref: Ref, content: bytes) -> bool:
        """Whether the API server has accepted this very content from this owner before."""
        return _is_of(self._baseline(owner, ref), content)

    def is_settled_once(self, owner: Ref, ref: Ref) -> bool:
        """Whether the owner has applied it, or found it as it should be, whatever it was then."""
        return bool(self._baseline(owner, ref))

    def is_as_left(self, owner: Ref, ref: Ref, live: Observation) -> bool:
        """Whether this owner alone wants the object, and it is as the owner left it."""
        baseline = self._baseline(owner, ref)
        if not baseline or not live.signature or self._owner.get(ref) != owner:
            return False
        is_labelled = live.owner == (owner.name, owner.namespace)
        return is_labelled and _is_left_as(baseline, live.signature)

    def drifted(self, ref: Ref, live: Observation | None) -> Ref | None:
        """The owner whose object is not as it left it; None if all is well or nobody's to say.

        live: None: it is gone.
        """
        owner = self._owner.get(ref)
        baseline = b"" if owner is None else self._baseline(owner, ref)
        if owner is None or not baseline:
            return None
        if live is None:
            return owner
        if all(live.owner) and live.owner != (owner.name, owner.namespace):
            return None  # another engine's Kustomization took it: as in Flux, the interval decides
        return None if _is_left_as(baseline, live.signature) else owner

    def owners_of(self, ref: Ref) -> frozenset[Ref]:
        """The owners that want the object."""
        owner = self._owner.get(ref)
        return self._owners.get(ref, frozenset()) if owner is None else frozenset((owner,))

    def rivals(self, owner: Ref, ref: Ref) -> frozenset[Ref]:
        """The other owners that want the object."""
        return self.owners_of(ref) - {owner}

    def basis(self, owner: Ref) -> Basis | None:
        """Of which build the claims of the owner are, None if it was not built yet."""
        return self._basis.get(owner)

    def wanted(self, owner: Ref) -> AbstractSet[Ref]:
        """What the owner wants."""
        return self._baselines.get(owner, {}).keys()

    def owners(self) -> Mapping[Ref, Collection[Ref]]:
        """{owner: what it wants}, of all owners."""
        return self._baselines

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        objects = len(self._owner) + len(self._owners)
        return Statistics(len(self._baselines), objects, len(self._owners))

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Claims {self.statistics()}>"


def _baseline(content: bytes, signature: bytes) -> bytes:
    """What an owner left: digest of the desired object, and signature of the answer.

    In one, as there is one of each object; never b"".
    """
    return bytes((len(content),)) + content + signature


def _is_of(baseline: bytes, content: bytes) -> bool:
    """Whether just this content was left."""
    return baseline.startswith(_baseline(content, b""))


def _is_left_as(baseline: bytes, signature: bytes) -> bool:
    """Whether the answer had this signature."""
    return baseline[1 + baseline[0] :] == signature
