"""What the deletions of a plan take along, as far as a command can see: for the engine's brake.

The engine itself works it out of what it knows (reconcile/consequences.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.api.meta import KUSTOMIZE_GROUP
from engine.api.paths import clean_path
from engine.apply.prediction import Prediction, Prospect
from engine.cluster import ApiError, Client
from engine.objects.ref import Object, Ref
from engine.plan import Plan
from engine.plan.brake import Consequences, deletions_of
from engine.plan.containment import is_container, is_inside
from engine.plan.inventory import Inventory, parse_inventory
from engine.reconcile.consequences import takes_along, unowned

_SHAPE = ("sourceRef", "targetNamespace", "namePrefix", "nameSuffix", "kubeConfig")


def accompanied(one: Prediction) -> Prediction:
    """The prediction, of a Kustomization that goes with what becomes of its objects."""
    is_kustomization = (one.ref.group, one.ref.kind) == (KUSTOMIZE_GROUP, "Kustomization")
    if not is_kustomization or one.prospect is not Prospect.DELETED or one.before is None:
        return one
    count = len(parse_inventory(one.before.get("status") or {}))
    if not count:
        return one
    if takes_along(one.before):
        return replace(one, why=f"with it go its {count} objects that no other one wants")
    return replace(one, why=f"its {count} objects stay")


async def consequences(
    plan: Plan, inventory: Inventory, others: Mapping[Ref, Object], client: Client
) -> tuple[Consequences, list[str]]:
    """(what the deletions mean, what could not be found out).

    others: all other Kustomizations of the same cluster.   client: of that cluster.
    """
    deletions = deletions_of(plan)
    if not deletions or not plan.policy.brake:
        return Consequences(len(inventory)), []
    heirs = {_shape(change.desired) for change in plan.applies if change.desired is not None}
    ending = [
        others[each.ref]
        for each in deletions
        if each.ref in others and _shape(others[each.ref]) not in heirs
    ]
    taken = _taken(ending, others)
    near = {name: ks for name, ks in others.items() if not _is_remote(ks)}
    whole = frozenset(inventory) | _taken([others[r] for r in inventory if r in others], others)
    absent = (each for each in plan.prunes if each.live is None)
    gone = {change.ref for change in (*deletions, *absent, *plan.applies)}
    gone |= _taken([ks for ks in ending if not _is_remote(ks)], near)
    owned = {ref for ks in near.values() for ref in parse_inventory(ks.get("status") or {})}
    held: dict[Ref, Sequence[Ref]] = {}
    doubts: list[str] = []
    for change in deletions:
        if not is_container(change.ref):
            continue
        inside = {ref for ref in owned if is_inside(ref, change.ref, change.live)}
        try:
            inside |= await unowned(change, client)
        except ApiError as error:
            doubts.append(f"whether {change.ref} holds what would go with it is not known: {error}")
        held[change.ref] = sorted(inside - gone)
    return Consequences(len(whole), taken, held), doubts


def _taken(ending: Iterable[Object], others: Mapping[Ref, Object]) -> frozenset[Ref]:
    """What goes with these Kustomizations, and with those in their inventories."""
    found: set[Ref] = set()
    left = list(ending)
    while left:
        ks = left.pop()
        if takes_along(ks):
            new = parse_inventory(ks.get("status") or {}).keys() - found
            found |= new
            left += [others[ref] for ref in new if ref in others and not _is_remote(ks)]
    return frozenset(found)


def _is_remote(ks: Object) -> bool:
    """Whether its objects are in another cluster."""
    return bool((ks.get("spec") or {}).get("kubeConfig"))


def _shape(obj: Object) -> Any:
    """What decides which objects a Kustomization makes: the same by another name is its heir."""
    spec = obj.get("spec") or {}
    path = clean_path(str(spec.get("path") or ""))
    return repr((obj.get("kind"), path, [spec.get(name) for name in _SHAPE]))
