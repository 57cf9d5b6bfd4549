"""What an object of one Kustomization is to the others, from what is known of them in memory."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from engine.api.meta import KUSTOMIZE_GROUP, READY
from engine.cluster.mirror import Mirror, version
from engine.objects.ref import Object, Ref
from engine.plan.claims import Basis, Claims
from engine.plan.kinship import Kin, repository_of
from engine.plan.reservation import Neighbour
from engine.reconcile.access import Rights
from engine.reconcile.references import source_named
from engine.reconcile.triggers import Triggers
from engine.status.conditions import find

KUSTOMIZATION = KUSTOMIZE_GROUP, "Kustomization"
_NOWHERE = Kin(Ref("", "", "", ""))


class Grounds(Protocol):
    """Where Kustomizations have their objects."""

    def claims_of(self, owner: Ref) -> Claims:
        """What all want in the cluster of that one."""

    def are_apart(self, one: Object, other: Object) -> bool | None:
        """Whether two are for different clusters; None: that is not known."""


@dataclass(frozen=True, slots=True)
class _Other:
    """What another Kustomization is to the owner, whichever object is asked about.

    is_near: it is known to be for the same cluster.   is_making: so are Kustomizations that
    it makes.
    """

    ref: Ref
    obj: Object
    kin: Kin
    is_related: bool
    is_heir: bool
    is_behind: bool
    is_making: bool
    is_coming: bool
    is_suspended: bool
    is_near: bool


class Neighbours:
    """Looks at the other Kustomizations; the rules are in `engine/plan/kinship.py`."""

    def __init__(
        self,
        mirror: Mirror,
        grounds: Grounds,
        triggers: Triggers,
        concerns: Callable[[Ref, Ref], bool],
        rights: Rights,
    ) -> None:
        """concerns: as of Triggers.   rights: what a neighbour may do, and hear."""
        self._mirror, self._grounds, self._triggers = mirror, grounds, triggers
        self._concerns, self._rights = concerns, rights
        self._held: dict[Ref, tuple[object, frozenset[str]]] = {}  # {who: (version, inventory ids)}
        self._repositories: dict[
            Ref, str
        ] = {}  # {owner: of its last build}; its source may be gone
        self._told = -1  # highest version that the watch told; below 0: nothing is watched
        self._wishes: dict[Ref, tuple[object, int]] = {}  # {owner: (wish, version when first seen)}
        self._missing: dict[Ref, Basis] = {}  # {who: of what its folder was not there}
        self._makers: set[Ref] = set()  # whose last build has Kustomizations
        self._made: dict[Ref, Basis | None] = {}  # {maker: of what these were applied}
        self._builds = 0
        self._around: tuple[object, list[_Other]] = None, []  # whom all objects of an owner concern

    def built(self, owner: Ref, ks: Object) -> None:
        """A Kustomization was built of the source that it names, and has claimed what it wants."""
        self._repositories[owner] = repository_of(self._mirror.get(source_named(ks)))
        self._builds += 1
        wanted = self._grounds.claims_of(owner).wanted(owner)
        if any((ref.group, ref.kind) == KUSTOMIZATION for ref in wanted):
            self._makers.add(owner)
        else:
            self._makers.discard(owner)
            self._made.pop(owner, None)

    def applied(self, owner: Ref) -> None:
        """What it was built of last is applied, and the mirror has the Kustomizations in it."""
        if owner in self._makers:
            self._made[owner] = self._grounds.claims_of(owner).basis(owner)
            self._builds += 1

    def is_making(self, owner: Ref) -> bool:
        """Whether it is to make Kustomizations, or to change some, and has not done so yet.

        What these want is known only once they are there, so no deletion may run ahead of them.
        """
        made = self._made.get(owner)
        is_made = made is not None and made == self._grounds.claims_of(owner).basis(owner)
        return owner in self._makers and not is_made

    def made_by(self, owner: Ref) -> list[Ref]:
        """The Kustomizations in its last build."""
        if owner not in self._makers:
            return []
        wanted = self._grounds.claims_of(owner).wanted(owner)
        return [ref for ref in wanted if (ref.group, ref.kind) == KUSTOMIZATION]

    def lost_folder(self, owner: Ref, basis: Basis) -> bool:
        """Its folder is not there; whether that is news."""
        is_news = self._missing.get(owner) != basis
        self._missing[owner] = basis
        self._builds += is_news
        return is_news

    def makes_nothing(self, owner: Ref) -> bool:
        """Whether it was built before, and what it is now has no folder to build."""
        obj, found = self._mirror.get(owner), self._missing.get(owner)
        is_so = obj is not None and found is not None and found == self._basis(obj)
        return is_so and self._grounds.claims_of(owner).basis(owner) is not None

    @property
    def state(self) -> object:
        """Another one as soon as an answer may be another one."""
        return self._mirror.changes, self._builds

    def forget(self, owner: Ref) -> None:
        """A Kustomization exists no more."""
        self._held.pop(owner, None)
        self._missing.pop(owner, None)
        self._makers.discard(owner)
        self._made.pop(owner, None)
        self._repositories.pop(owner, None)
        self._wishes.pop(owner, None)

    def told(self, ks: Object) -> None:
        """The watch of Kustomizations has come as far as this."""
        self._told = max(self._told, version(ks))

    def is_current(self, owner: Ref) -> bool:
        """Whether the watch has told all that came before what the owner is asked for now.

        The answer to a write of ours may show that the owner is deleted before the watch tells of
        the one that was made a moment earlier to take its place.
        """
        own = self._mirror.get(owner)
        if own is None or self._told < 0:
            return True
        wish = generation_of(own), own["metadata"].get("deletionTimestamp")
        known = self._wishes.get(owner)
        if known is None or known[0] != wish:
            known = self._wishes[owner] = wish, version(own)
        return known[1] <= self._told

    def is_outdated(self, owner: Ref) -> bool:
        """Whether it was built from something else than what it and its source are now."""
        own = self._mirror.get(owner)
        return own is not None and self._is_behind(owner, own)

    def of(self, owner: Ref, ref: Ref) -> Iterator[Neighbour]:
        """Who may have a say before the owner deletes an object.

        Not who is known to have no right to change the object: it could never take it over.
        """
        own = self._mirror.get(owner)
        for other in self._others(owner, ref):
            # What one makes may act as somebody else, who has the right.
            is_maker = other.is_making and other.is_related
            if is_maker or self._rights.may_take(ref, other.obj, own):
                yield self._neighbour(other, owner, ref)

    def strangers(self, owner: Ref, ref: Ref) -> frozenset[str]:
        """The identities, other than the owner's own, of those who would have a say of an object.

        Whether they have the right to is to be asked before `of` is.
        """
        own = self._mirror.get(owner)
        users = {
            self._rights.stranger(other.obj, own)
            for other in self._others(owner, ref)
            if self._neighbour(other, owner, ref).has_a_say
        }
        return frozenset(users - {""})

    def horizon(self, owner: Ref) -> str:
        """The namespace whose objects may be named to the owner, "" for all."""
        return self._rights.horizon(self._mirror.get(owner))

    def _neighbour(self, other: _Other, owner: Ref, ref: Ref) -> Neighbour:
        is_possible = other.is_making or other.kin.may_make(ref)
        is_asked = other.is_suspended or (other.is_behind and not other.is_related)
        is_asked = is_asked and other.is_near
        return Neighbour(
            other.ref,
            wants=ref in self._grounds.claims_of(owner).wanted(other.ref),
            holds=is_asked and ref.id in self._inventory_ids(other.ref, other.obj),
            is_related=is_possible and (other.is_related or other.is_coming),
            is_heir=is_possible and other.is_heir,
            is_behind=other.is_behind,
            is_suspended=other.is_suspended,
        )

    def is_deleted(self, user: Ref) -> bool:
        """Whether that Kustomization is being deleted."""
        obj = self._mirror.get(user)
        return obj is None or bool(obj["metadata"].get("deletionTimestamp"))

    def _others(self, owner: Ref, ref: Ref) -> list[_Other]:
        now = owner, self._mirror.changes, self._builds
        if self._around[0] != now:
            own = self._mirror.get(owner)
            kin = _NOWHERE if own is None else self._kin(owner, own)
            behind = self._triggers.behind.union(filter(self.is_making, self._makers)) - {owner}
            self._around = now, self._seen(kin, own, behind)
        around = self._around[1]
        rivals = self._grounds.claims_of(owner).rivals(owner, ref) - {each.ref for each in around}
        return [*around, *self._seen(_NOWHERE, None, rivals)]

    def _seen(self, own: Kin, ks: Object | None, others: Iterable[Ref]) -> list[_Other]:
        # A copy: who looks whether one is behind may find that it is not.
        found = (self._other(ref, own, ks) for ref in tuple(others))
        return [each for each in found if each is not None]

    def _other(self, ref: Ref, own: Kin, ks: Object | None) -> _Other | None:
        """None: nothing to anybody, as it is being deleted, or belongs to another cluster.

        ks: the owner, None where it is known to be for the same cluster.  Of one whose cluster is
        not known yet it counts that it is about to be built, or looked at where it is suspended,
        and nothing else: hundreds of clusters may be built of the same files.
        """
        obj = self._mirror.get(ref)
        is_apart = False if obj is None or ks is None else self._grounds.are_apart(ks, obj)
        if obj is None or self.is_deleted(ref) or is_apart:
            return None
        is_near, spec = is_apart is False, obj.get("spec") or {}
        is_suspended = bool(spec.get("suspend"))
        is_unplaced = is_suspended and is_apart is None
        is_outdated = not is_suspended and self._is_behind(ref, obj)
        is_making = not is_suspended and self.is_making(ref)
        is_behind = is_outdated or is_making
        kin = self._kin(ref, obj)
        return _Other(
            ref,
            obj,
            kin,
            is_related=is_near and is_behind and own.is_related(kin),
            is_heir=is_near and (is_outdated or is_suspended) and own.is_heir(kin),
            is_behind=is_behind or is_unplaced,
            is_making=is_making,
            is_coming=is_outdated and self._is_coming(obj),
            is_suspended=is_suspended and not is_unplaced,
            is_near=is_near or is_unplaced,
        )

    def _kin(self, ref: Ref, ks: Object) -> Kin:
        source = source_named(ks)
        found = repository_of(self._mirror.get(source)) or self._repositories.get(ref, "")
        return Kin.of(
            ks, source, found, is_built=self._grounds.claims_of(ref).basis(ref) is not None
        )

    def _is_coming(self, ks: Object) -> bool:
        """Whether it is about to be built: nothing has stopped it at what it is now.

        Who is not related is not waited for once it has failed.
        """
        source = self._mirror.get(source_named(ks))
        if source is not None and not _revision(source):
            return not _failure(source)
        reason = _failure(ks)
        if reason in ("", "DependencyNotReady", "ArtifactFailed"):
            return not reason
        attempted = (ks.get("status") or {}).get("lastAttemptedRevision")
        return source is not None and attempted != _revision(source)

    def _is_behind(self, other: Ref, obj: Object) -> bool:
        """Whether it may build something that it has not built yet."""
        if other not in self._triggers.behind:
            return False
        known, now = self._grounds.claims_of(other).basis(other), self._basis(obj)
        if known is None or known.generation != now.generation:
            return True
        is_same = not now.revision or known.revision == now.revision
        if is_same or not self._concerns(other, source_named(obj)):
            self._triggers.behind.discard(other)
            return False
        return True

    def _basis(self, ks: Object) -> Basis:
        """What a Kustomization would be built from now."""
        source = self._mirror.get(source_named(ks)) or {}
        return Basis(generation_of(ks), _revision(source))

    def _inventory_ids(self, other: Ref, obj: Object) -> frozenset[str]:
        now = obj["metadata"].get("resourceVersion")
        known = self._held.get(other)
        if known is not None and known[0] == now:
            return known[1]
        entries = ((obj.get("status") or {}).get("inventory") or {}).get("entries") or ()
        ids = frozenset(str(each.get("id")) for each in entries)
        self._held[other] = now, ids
        return ids


def generation_of(ks: Object) -> int:
    """The generation of an object, 0 where it has none."""
    return int(ks["metadata"].get("generation", 0))


def _failure(obj: Object) -> str:
    """The reason for which an object is not Ready as it is now, "" if it is or does not say."""
    ready = find((obj.get("status") or {}).get("conditions") or [], READY) or {}
    is_now = ready.get("observedGeneration", 0) == generation_of(obj)
    return str(ready.get("reason", "")) if is_now and ready.get("status") == "False" else ""


def _revision(source: Object) -> str:
    artifact = (source.get("status") or {}).get("artifact") or {}
    return str(artifact.get("revision", ""))
