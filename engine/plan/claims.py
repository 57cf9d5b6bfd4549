"""Which Kustomization wants which object, and what it last made of it.

A baseline is the value signature of the answer to our own apply: a live object that shows another
one has drifted.  Where answer and desired object differ, admission altered it: that is no drift.
Source: design section 3, rules 1, 3 and 10.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.objects.ref import Ref
from engine.plan.observation import Observation


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an owner left: content: digest of the desired object; signature: of the answer."""

    content: bytes
    signature: bytes


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
    """The objects that each owner wants, with their baselines; pure bookkeeping."""

    def __init__(self) -> None:
        self._wanted: dict[Ref, frozenset[Ref]] = {}  # {owner: what it wants}
        self._owners: defaultdict[Ref, dict[Ref, Baseline | None]] = defaultdict(dict)
        self._basis: dict[Ref, Basis] = {}

    def claim(self, owner: Ref, wanted: Iterable[Ref], basis: Basis | None = None) -> None:
        """From here on `owner` wants just these objects; basis: of which build they are."""
        self._basis.pop(owner, None)
        if basis is not None:
            self._basis[owner] = basis
        new = frozenset(wanted)
        for ref in self._wanted.get(owner, frozenset()) - new:
            self._drop(owner, ref)
        for ref in new:
            self._owners[ref].setdefault(owner, None)
        self._wanted[owner] = new

    def release(self, owner: Ref) -> None:
        """The owner is gone, or wants nothing any more."""
        self._basis.pop(owner, None)
        for ref in self._wanted.pop(owner, frozenset()):
            self._drop(owner, ref)

    def _drop(self, owner: Ref, ref: Ref) -> None:
        owners = self._owners[ref]
        owners.pop(owner, None)
        if not owners:
            del self._owners[ref]

    def settle(self, owner: Ref, ref: Ref, content: bytes, signature: bytes) -> None:
        """The owner has just applied the object, or found it as it should be."""
        owners = self._owners.get(ref)
        if owners is not None and owner in owners:
            owners[owner] = Baseline(content, signature)

    def is_settled(self, owner: Ref, ref: Ref, content: bytes, live: Observation) -> bool:
        """Whether nothing is to be done: the live object is as this owner left or wants it.

        Of an object that several want, each applies what is new to it and corrects nothing: they
        would undo each other's work for ever.
        """
        owners = self._owners.get(ref, {})
        baseline = owners.get(owner)
        if len(owners) > 1 and baseline is not None and baseline.content == content:
            return True
        if not live.signature:
            return False  # nothing tells what we own of it: the API server is to be asked
        if all(live.owner) and live.owner != (owner.name, owner.namespace):
            return False  # the labels of one who wants it no more are to change hands
        if baseline is not None and baseline.content == content:
            return live.signature == baseline.signature
        return live.content == content

    def is_known(self, owner: Ref, ref: Ref, content: bytes) -> bool:
        """Whether the API server has accepted this very content from this owner before."""
        baseline = self._owners.get(ref, {}).get(owner)
        return baseline is not None and baseline.content == content

    def is_settled_once(self, owner: Ref, ref: Ref) -> bool:
        """Whether the owner has applied it, or found it as it should be, whatever it was then."""
        return self._owners.get(ref, {}).get(owner) is not None

    def drifted(self, ref: Ref, live: Observation | None) -> Ref | None:
        """The owner whose object is not as it left it; None if all is well or nobody's to say.

        live: None: it is gone.
        """
        owners = self._owners.get(ref, {})
        if len(owners) != 1:
            return None
        [(owner, baseline)] = owners.items()
        if baseline is None:
            return None
        if live is None:
            return owner
        if all(live.owner) and live.owner != (owner.name, owner.namespace):
            return None  # another engine's Kustomization took it: as in Flux, the interval decides
        return owner if live.signature != baseline.signature else None

    def owners_of(self, ref: Ref) -> frozenset[Ref]:
        """The owners that want the object."""
        return frozenset(self._owners.get(ref, ()))

    def rivals(self, owner: Ref, ref: Ref) -> frozenset[Ref]:
        """The other owners that want the object."""
        return frozenset(self._owners.get(ref, {})) - {owner}

    def basis(self, owner: Ref) -> Basis | None:
        """Of which build the claims of the owner are, None if it was not built yet."""
        return self._basis.get(owner)

    def wanted(self, owner: Ref) -> frozenset[Ref]:
        """What the owner wants."""
        return self._wanted.get(owner, frozenset())

    def owners(self) -> Mapping[Ref, frozenset[Ref]]:
        """{owner: what it wants}, of all owners."""
        return self._wanted

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        rivalries = sum(len(owners) > 1 for owners in self._owners.values())
        return Statistics(len(self._wanted), len(self._owners), rivalries)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Claims {self.statistics()}>"
