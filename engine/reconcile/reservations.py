"""Who else has a say before an object that left Git is deleted, and who waits for whom.

A deletion is put off while another Kustomization wants the object, or may want it once it is built
from what it and its source are now; who waits is queued again as soon as that is known.
Source: design section 5, "Deleting".
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

import anyio

from engine.cluster.mirror import Mirror
from engine.objects.ref import Object, Ref
from engine.plan.claims import Basis
from engine.plan.reservation import Neighbour, Reservation, Reserve, reservation
from engine.reconcile.access import Rights
from engine.reconcile.neighbours import KUSTOMIZATION, Grounds, Neighbours, generation_of
from engine.reconcile.triggers import Triggers
from engine.runtime import Clock

HANDED_OVER, DECIDED = "an object is handed over", "who may want its objects has decided"
_MOST = 100  # Kustomizations that are looked at together; the others follow when these are gone
GRACE = 1.0  # seconds: a dependant may be deleted by the same command, a moment later

_UNKNOWN = Reservation("not every Kustomization is known yet")
# Its next run, which is queued by then, may want it back.
_OUTDATED = Reservation("its owner is to be built of something newer", is_bounded=True)


@dataclass(slots=True)
class _Wait:
    """What a Kustomization waits for.

    since: monotonic.  limit: seconds, longest time.  reserved: by object; its dependants wait for
    themselves and not for an object: `dependants`.
    """

    since: dict[Ref, float] = field(default_factory=dict)
    reserved: dict[Ref, Reservation] = field(default_factory=dict)
    told: set[Ref] = field(default_factory=set)
    dependants: frozenset[Ref] = frozenset()
    dependants_since: float | None = None
    limit: float = 0.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment.  Tombstones: objects that left Git and are not deleted yet.

    oldest: seconds since the first of them left Git, 0 without any.
    """

    waiting: int  #: Kustomizations that keep tombstones, or wait for dependants
    tombstones: int
    unbounded: int  #: of these, those that no time ends: somebody wants them, or is to take them
    oldest: float


class Reservations:
    """Keeps who waits; the rules are in `engine/plan/reservation.py`."""

    def __init__(
        self,
        mirror: Mirror,
        grounds: Grounds,
        triggers: Triggers,
        concerns: Callable[[Ref, Ref], bool],
        clock: Clock,
        rights: Rights,
    ) -> None:
        """concerns: as of Triggers.   rights: of Neighbours."""
        self._mirror, self._grounds, self._triggers = mirror, grounds, triggers
        self._clock = clock
        self._neighbours = Neighbours(mirror, grounds, triggers, concerns, rights)
        self._waits: dict[Ref, _Wait] = {}
        self._early: set[Ref] = set()  # who asked before the watch had told all
        self.known = anyio.Event()
        """Set once every Kustomization is known: before that nobody can say what is wanted."""

    def complete(self) -> None:
        """Every Kustomization is known."""
        if not self.known.is_set():
            self.known.set()
            self._wake(self._waits)

    def heard(self, ks: Object) -> None:
        """The watch told of a Kustomization, and so of everything that happened before."""
        self._neighbours.told(ks)
        current = {owner for owner in self._early if self._neighbours.is_current(owner)}
        self._early -= current
        self._wake(sorted(current))

    def is_current(self, owner: Ref) -> bool:
        """Whether all that came before what the owner is asked for now has been told."""
        return self._neighbours.is_current(owner)

    def claim(self, ks: Object, revision: str, wanted: Iterable[Ref]) -> None:
        """A Kustomization was built, and wants just these objects.

        ks: as it was built, of that revision.  Wakes who waited only to hear that it does not want
        something.
        """
        owner = Ref.of(ks)
        claims = self._grounds.claims_of(owner)
        claims.claim(owner, wanted, Basis(generation_of(ks), revision))
        self._neighbours.built(owner, ks)
        wants = claims.wanted(owner)
        own = self._waits.get(owner)
        if own is not None:  # wanted again: the next time it leaves Git is another time
            own.since = {ref: at for ref, at in own.since.items() if ref not in wants}
        if not self._neighbours.is_making(owner):  # else what it makes has a say first
            self._wake(who for who, ref in self._waiting_for(owner) if ref not in wants)

    def lost_folder(self, ks: Object, revision: str) -> None:
        """Its folder is not in that revision, so that it cannot be built: see `_going`."""
        owner = Ref.of(ks)
        if self._neighbours.lost_folder(owner, Basis(generation_of(ks), revision)):
            self._wake(who for who, _ in self._waiting_for(owner))

    def applied(self, owner: Ref) -> None:
        """A Kustomization has applied what it wants: labels have changed hands.

        The Kustomizations that it has made are in the mirror.
        """
        self._neighbours.applied(owner)
        self._wake(who for who, _ in self._waiting_for(owner))

    def gone(self, owner: Ref) -> None:
        """A Kustomization exists no more."""
        self._waits.pop(owner, None)
        self._neighbours.forget(owner)
        self._early.discard(owner)
        depending = (who for who, wait in self._waits.items() if owner in wait.dependants)
        self._wake([*depending, *(who for who, _ in self._waiting_for(owner))])

    def strangers(self, owner: Ref, ref: Ref) -> frozenset[str]:
        """Whose right to change an object is to be asked for before `judge`: other identities."""
        return self._neighbours.strangers(owner, ref)

    def judge(
        self, owner: Ref, limit: float, stale: Iterable[Ref] = (), *, is_last: bool = False
    ) -> Reserve:
        """What others say of an object that `owner` would delete.

        limit: seconds that it waits for who may want it.   stale: all that it would delete.
        is_last: it is being deleted itself.
        """
        old = self._waits.pop(owner, None) or _Wait()
        wait = _Wait(dependants_since=old.dependants_since, limit=limit, told=old.told)
        doomed = sorted(ref for ref in stale if (ref.group, ref.kind) == KUSTOMIZATION)[:_MOST]
        going: tuple[object, frozenset[Ref]] = None, frozenset()

        def reserve(ref: Ref) -> Reservation | None:
            nonlocal going
            if doomed and going[0] != self._neighbours.state:
                going = self._neighbours.state, self._going(owner, doomed)
            now = self._clock.monotonic()
            since = old.since.get(ref, now)
            is_over = now - since >= limit
            found = self._reservation(owner, ref, going[1], is_over=is_over, is_last=is_last)
            if found is None or found.is_final:
                wait.since.pop(ref, None)
                wait.reserved.pop(ref, None)
                wait.told.discard(ref)
                if not wait.reserved and self._waits.get(owner) is wait:
                    del self._waits[owner]
                return found
            if ref not in old.since:  # who wants it has perhaps no reason of its own to apply
                old.since[ref] = now
                rivals = self._grounds.claims_of(owner).rivals(owner, ref)
                self._push(rivals, HANDED_OVER)
            wait.since[ref], wait.reserved[ref] = since, found
            self._waits[owner] = wait
            return found

        return reserve

    def remaining(self, owner: Ref) -> float | None:
        """Seconds until the owner has waited long enough for something, None: nothing is timed."""
        wait, now = self._waits.get(owner), self._clock.monotonic()
        if wait is None:
            return None
        ends = [
            wait.since[ref] + wait.limit
            for ref, reserved in wait.reserved.items()
            if reserved.is_bounded
        ]
        return max(min(ends) - now, 0.0) if ends else None

    def overdue(self, owner: Ref) -> list[str]:
        """A line for each object that the owner keeps although its time to wait is over."""
        wait, now = self._waits.get(owner) or _Wait(), self._clock.monotonic()
        return [
            f"{ref} ({reserved.why})"
            for ref, reserved in wait.reserved.items()
            if now - wait.since[ref] >= wait.limit
        ]

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        now, waits = self._clock.monotonic(), self._waits.values()
        kept = [(wait.since[ref], each) for wait in waits for ref, each in wait.reserved.items()]
        return Statistics(
            waiting=sum(bool(wait.reserved or wait.dependants) for wait in waits),
            tombstones=len(kept),
            unbounded=sum(not each.is_bounded for _, each in kept),
            oldest=now - min((since for since, _ in kept), default=now),
        )

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Reservations {self.statistics()}>"

    def untold(self, owner: Ref) -> list[str]:
        """A line for each object that the owner does not delete now, once for each."""
        wait = self._waits.get(owner) or _Wait()
        new = [ref for ref in wait.reserved if ref not in wait.told]
        wait.told = set(wait.reserved)
        return [f"{ref} stays for now: {wait.reserved[ref].why}" for ref in new]

    def dependants(self, owner: Ref, limit: float) -> tuple[frozenset[Ref], float]:
        """Who must be deleted before `owner` is, and for how many seconds that is waited for.

        Those that depend on it and are being deleted too; for a moment the others as well, as one
        command may delete them all.  In a cycle nobody waits.
        """
        found = {
            user: bool(obj["metadata"].get("deletionTimestamp"))
            for user in self._triggers.users(owner) - {owner}
            if (obj := self._mirror.get(user)) is not None and not self._triggers.cycle(user, owner)
        }
        wait = self._waits.setdefault(owner, _Wait())
        now = self._clock.monotonic()
        since = wait.dependants_since = wait.dependants_since or now
        going = frozenset(user for user, is_going in found.items() if is_going)
        if going and now - since < limit:
            wait.dependants = going
            return going, limit - (now - since)
        wait.dependants = frozenset()
        staying = frozenset(found) - going
        if staying and now - since < GRACE:
            wait.dependants = staying
            return staying, GRACE - (now - since)
        return frozenset(), 0.0

    def is_deleted(self, user: Ref) -> bool:
        """Whether that Kustomization is being deleted."""
        return self._neighbours.is_deleted(user)

    def _reservation(
        self, owner: Ref, ref: Ref, going: Collection[Ref], *, is_over: bool, is_last: bool
    ) -> Reservation | None:
        if not self.known.is_set():
            return _UNKNOWN
        if not self._neighbours.is_current(owner):
            self._early.add(owner)
            return _UNKNOWN
        if not is_last and not is_over and self._neighbours.is_outdated(owner):
            return _OUTDATED
        met, horizon = self._met(owner, ref, going), self._neighbours.horizon(owner)
        return reservation(met, is_over=is_over, is_last=is_last, horizon=horizon)

    def _met(self, owner: Ref, ref: Ref, going: Collection[Ref]) -> list[Neighbour]:
        """Who has a say of an object; of those that go with it no build is waited for."""
        return [
            replace(each, is_behind=False) if each.ref in going else each
            for each in self._neighbours.of(owner, ref)
        ]

    def _staying(self, owner: Ref, ref: Ref, going: Collection[Ref]) -> list[Neighbour]:
        """Who has a say of a Kustomization, but for those that go themselves."""
        return [each for each in self._neighbours.of(owner, ref) if each.ref not in going]

    def _going(self, owner: Ref, doomed: Iterable[Ref]) -> frozenset[Ref]:
        """The Kustomizations that the owner deletes whatever they would build.

        Most often a commit removes a Kustomization together with its folder.  It is never built
        again then, so nothing may wait for that; unless somebody else keeps it, perhaps with
        another folder.  Those that such ones have made go with them.
        """
        going = frozenset[Ref]()
        more = frozenset(filter(self._neighbours.makes_nothing, doomed))
        while more and len(going) < _MOST:
            going |= more
            made = (ref for maker in more for ref in self._neighbours.made_by(maker))
            more = frozenset(filter(self._neighbours.makes_nothing, made)) - going
        while going:
            kept = {
                ref
                for ref in going
                if reservation(self._staying(owner, ref, going), is_over=False, is_last=False)
            }
            if not kept:
                break
            going -= kept
        return going

    def _waiting_for(self, other: Ref) -> list[tuple[Ref, Ref]]:
        """Who waits for `other`, and because of which object."""
        return [
            (who, ref)
            for who, wait in self._waits.items()
            for ref, reserved in wait.reserved.items()
            if other in reserved.waits_for
        ]

    def _wake(self, waiting: Iterable[Ref]) -> None:
        self._push(waiting, DECIDED)

    def _push(self, keys: Iterable[Ref], reason: str) -> None:
        for key in dict.fromkeys(keys):
            self._triggers.decided(key, reason)
