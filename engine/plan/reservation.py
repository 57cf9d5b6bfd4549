"""Whether an object that left Git may be deleted: not while another Kustomization wants it.

Nor while it is not known whether one does.  Pure.
Source: design section 5, "Deleting".
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.objects.ref import Ref

_LISTED = 3  # Kustomizations named in a message


@dataclass(frozen=True, slots=True)
class Reservation:
    """Why an object that left Git is not deleted.

    waits_for: whose next build or apply may change that.  is_final: nobody waits any more: the
    object leaves the inventory, and stays.  is_bounded: it ends when the owner's time is over.
    """

    why: str
    waits_for: frozenset[Ref] = frozenset()
    is_final: bool = False
    is_bounded: bool = False


Reserve = Callable[[Ref], Reservation | None]
"""Asked of each object that is to be deleted, when planning and right before the request."""


def nobody(_ref: Ref) -> None:
    """No other Kustomization has a say."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What one object is to another Kustomization, which is not being deleted.

    wants: it was in its last build.  holds: it is in its inventory.  is_related: its build could
    make it, as both have the same source, or as that build is about to come.  is_heir: it takes
    the place of the owner, and was never built.  is_behind: its last build is not of what it and
    its source are now, or has Kustomizations that are not applied and known yet.
    """

    ref: Ref
    wants: bool = False
    holds: bool = False
    is_related: bool = False
    is_heir: bool = False
    is_behind: bool = False
    is_suspended: bool = False

    @property
    def has_a_say(self) -> bool:
        """Whether it is anything at all to the object."""
        return self.wants or self.holds or self.is_related or self.is_heir


def reservation(
    neighbours: Iterable[Neighbour], *, is_over: bool, is_last: bool, horizon: str = ""
) -> Reservation | None:
    """What keeps an object that still carries its old owner's labels; None: it may be deleted.

    Who wants it is waited for until the labels change hands: should it want it no more before
    that, the old owner is still there to delete it.  Who may want it is waited for until its next
    build, or until the time is over; an heir without that end, as it most likely does: a mistake
    in a commit that renames something must not delete what runs.
    is_over: the old owner has waited long enough.  is_last: it is being deleted itself, and leaves
    behind what others want when the time is over, or at once where the other is suspended.
    horizon: see `listed`.
    """
    met = list(neighbours)
    sleeping = {each.ref for each in met if each.is_suspended and (each.wants or each.holds)}
    awake = [each for each in met if not each.is_suspended]
    wanting = sleeping | {each.ref for each in awake if each.wants}
    if wanting:
        is_final = is_last and (is_over or bool(sleeping))
        text = f"wanted by {listed(wanting, horizon)}"
        return Reservation(text, frozenset(wanting), is_final, is_bounded=is_last)
    heirs = {each.ref for each in met if each.is_heir}
    if heirs:
        text = f"{listed(heirs, horizon)}, not built yet, is to take its owner's place"
        return Reservation(text, frozenset(heirs))
    pending = {each.ref for each in awake if each.is_behind and (each.holds or each.is_related)}
    if pending and not is_over:
        text = f"it may be wanted by {listed(pending, horizon)}: not built or applied as of now"
        return Reservation(text, frozenset(pending), is_bounded=True)
    return None


def listed(refs: Iterable[Ref], horizon: str = "", most: int = _LISTED) -> str:
    """The names of Kustomizations, for a message.

    horizon: the namespace whose objects the reader may know by name, "": all.  A tenant is told
    that there are others, and not who they are.   most: as many are named.
    """
    known = sorted({ref for ref in refs if horizon in ("", ref.namespace)})
    hidden = len({ref for ref in refs if horizon not in ("", ref.namespace)})
    names = [str(ref) for ref in known[:most]]
    if len(known) > most:
        names[-1] += f" and {len(known) - most} more"
    if hidden == 1:
        names.append("a Kustomization of another namespace")
    elif hidden:
        names.append(f"{hidden} Kustomizations of other namespaces")
    return ", ".join(names)
