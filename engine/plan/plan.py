"""Compare desired, live and inventory; say what to do, and do nothing.

In: labelled desired objects, the live ones, the inventory.  Out: a Plan that can be printed.
"""

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from typing import Any

from engine.api.meta import SSA, SSA_IF_NOT_PRESENT, has_mark
from engine.errors import BuildFailed
from engine.objects.ref import Object, Ref, version_of
from engine.plan.containment import is_container, is_inside
from engine.plan.inventory import Inventory
from engine.plan.order import Group, deletion_order, group_of, order_of
from engine.plan.policy import Policy, is_kept, is_unmanaged
from engine.plan.reservation import Reserve, nobody

_STEP = 1000  # objects


class Action(StrEnum):
    """What is to be done with one object."""

    CREATE = "create"
    CONFIGURE = "configure"
    """It exists; the API server's dry-run says whether anything is left to do."""
    CORRECT = "correct"
    """It is not as we left it, and the API server accepted the same before: apply it at once."""
    WARN = "warn"
    """The same, but it is only to be told."""
    UNCHANGED = "unchanged"
    """The live view shows that nothing is to be done."""
    SKIP = "skip"
    DELETE = "delete"
    DEFER = "defer"
    """It left Git, but another Kustomization wants it or may want it: it stays in the inventory."""
    KEEP = "keep"
    """It left Git, but is protected, already gone or no longer ours: it leaves the inventory."""
    ORPHAN = "orphan"
    """It left Git, and pruning is off."""


@dataclass(frozen=True, slots=True)
class Change:
    """One object of a plan; `desired` is None for what left Git, `live` for what is absent."""

    ref: Ref
    version: str
    action: Action
    desired: Object | None = None
    live: Object | None = None
    why: str = ""

    def __str__(self) -> str:
        """`Kind/namespace/name action`."""
        return f"{self.ref} {self.action}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True, slots=True)
class View:
    """What is known of the cluster.

    objects: those that exist, some only as far as planning needs them (`is_partial`).
    settled: desired ones that are as they should be, or are to be left for now.
    accepted: desired ones of which the API server has accepted just this content before.
    unread: what left Git and could not be read: it is judged when it is to be deleted.
    warned: desired ones whose drift is only to be told.
    """

    objects: Mapping[Ref, Object] = field(default_factory=dict)
    settled: frozenset[Ref] = frozenset()
    accepted: frozenset[Ref] = frozenset()
    unread: frozenset[Ref] = frozenset()
    warned: frozenset[Ref] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """Every Ref of desired and inventory in exactly one Change: applies in order, then prunes."""

    applies: tuple[Change, ...]
    prunes: tuple[Change, ...]
    policy: Policy

    def groups(self) -> Iterable[tuple[Group, list[Change]]]:
        """The applies of each group, in order."""

        def key(change: Change) -> Group:
            return group_of(change.ref, self.policy.custom)

        return ((group, list(changes)) for group, changes in groupby(self.applies, key))

    def inventory(self) -> dict[Ref, str]:
        """What the Kustomization owns once the applies are done (skipped ones included)."""
        return {change.ref: change.version for change in self.applies}

    def __str__(self) -> str:
        """A line a change."""
        return "\n".join(str(change) for change in (*self.applies, *self.prunes))


def make_plan(
    desired: Sequence[Object],
    view: View,
    inventory: Inventory,
    policy: Policy,
    reserve: Reserve = nobody,
) -> Plan:
    """What to do so that what is live becomes `desired`; nothing is done yet.

    desired: with owner labels, in any order.   reserve: what other Kustomizations say of an object
    that would be deleted.
    Raises BuildFailed if two desired objects share a Ref.
    """
    steps = planning(desired, view, inventory, policy, reserve)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            plan: Plan = end.value
            return plan


def planning(
    desired: Sequence[Object],
    view: View,
    inventory: Inventory,
    policy: Policy,
    reserve: Reserve = nobody,
) -> Generator[None, None, Plan]:
    """The same in steps, none of which takes long."""
    wanted: dict[Ref, Object] = {}
    places: list[tuple[Any, Ref]] = []
    for obj in desired:
        ref = Ref.of(obj)
        if ref in wanted:
            raise BuildFailed(f"{ref} is defined twice")
        wanted[ref] = obj
        places.append((order_of(ref, policy.custom), ref))
        if len(places) % _STEP == 0:
            yield
    places.sort()
    live = view.objects
    stale = deletion_order([ref for ref in inventory if ref not in wanted])
    yield
    prunes = [_pruned(ref, inventory[ref], live.get(ref), policy) for ref in stale]
    uids = {_uid(live.get(ref)) for ref in wanted} - {""}
    prunes = [_reconsidered(change, uids, view.unread) for change in prunes]
    applies: list[Change] = []
    for _, ref in places:
        if len(applies) % _STEP == 0:
            yield
        applies.append(_applied(ref, wanted[ref], view))
    return Plan(tuple(applies), tuple(_reserved(prunes, reserve)), policy)


def _applied(ref: Ref, desired: Object, view: View) -> Change:
    version, live = version_of(desired), view.objects.get(ref)
    if is_unmanaged(desired) or is_unmanaged(live):
        return Change(ref, version, Action.SKIP, desired, live, "reconcile is disabled")
    if ref in view.settled:
        return Change(ref, version, Action.UNCHANGED, desired, live)
    if live is None:
        return Change(ref, version, Action.CREATE, desired)
    if has_mark(desired, SSA, SSA_IF_NOT_PRESENT):
        return Change(ref, version, Action.SKIP, desired, live, "it exists")
    if ref in view.warned:
        return Change(ref, version, Action.WARN, desired, live)
    action = Action.CORRECT if ref in view.accepted else Action.CONFIGURE
    return Change(ref, version, action, desired, live)


def _pruned(ref: Ref, version: str, live: Object | None, policy: Policy) -> Change:
    action, why = Action.DELETE, ""
    if not policy.prune:
        action, why = Action.ORPHAN, "prune is off"
    elif live is None:
        action, why = Action.KEEP, "it is gone"
    elif not policy.owner.owns(live):
        action, why = Action.KEEP, "it belongs to another owner"
    elif is_kept(live):
        action, why = Action.KEEP, "it is protected"
    return Change(ref, version, action, None, live, why)


def _reconsidered(change: Change, desired: Collection[str], unread: Collection[Ref]) -> Change:
    """The change of what left Git, unless it only seems to be gone or to have left.

    desired: uids of live objects that are desired: one may have two Refs, as its kind moved to
    another group or its scope was not known when it was recorded.
    """
    if change.action is Action.DELETE and _uid(change.live) in desired:
        return replace(change, action=Action.KEEP, live=None, why="it is desired by another name")
    if change.action is Action.KEEP and change.live is None and change.ref in unread:
        return replace(change, action=Action.DELETE, why="it could not be read")
    return change


def _reserved(prunes: Sequence[Change], reserve: Reserve) -> Iterable[Change]:
    """The changes, with nothing deleted that others have a say in, nor what holds such a thing."""
    spared: list[Change] = []  # what a Namespace holds comes before it
    for change in prunes:
        if change.action is Action.DELETE:
            reserved = reserve(change.ref)
            if reserved is not None:
                action = Action.KEEP if reserved.is_final else Action.DEFER
                change = replace(change, action=action, why=reserved.why)
                spared.append(change)
            elif is_container(change.ref):
                change = _beside(change, spared)
        yield change


def _beside(outer: Change, spared: Iterable[Change]) -> Change:
    """The deletion of a Namespace or definition, unless it holds something that is not deleted."""
    for each in spared:
        if is_inside(each.ref, outer.ref, outer.live):
            return replace(outer, action=each.action, why=f"it holds {each.ref}, {each.why}")
    return outer


def _uid(obj: Object | None) -> str:
    return str(((obj or {}).get("metadata") or {}).get("uid", ""))
