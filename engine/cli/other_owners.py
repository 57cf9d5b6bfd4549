"""What other Kustomizations have, or would have: nothing that another one wants is deleted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from engine.api import Undecodable
from engine.api.kustomize import Kustomization
from engine.api.paths import clean_path
from engine.cli.problems import Problem
from engine.cli.rendering import KUSTOMIZATIONS, Made, decoded, source_key
from engine.cli.whereabouts import Whereabouts
from engine.cluster import ApiError, Client
from engine.cluster.discovery import Discovery
from engine.errors import Failure
from engine.objects.ref import Object, Ref
from engine.plan.inventory import parse_inventory
from engine.plan.policy import OWNER_LABELS, Owner
from engine.plan.reservation import Reservation, listed
from engine.reconcile.desired import scoped

_MOST = 300  # Kustomizations of the same source that are built to see what they want


@dataclass(slots=True)
class Others:
    """The other Kustomizations, as far as they are for the same cluster.

    holders: {object: who has it in the inventory}.   takers: {object: who would make it of the
    same files}.   kustomizations: all that name no other cluster.
    doubts: what could not be found out.
    """

    holders: dict[Ref, list[Ref]] = field(default_factory=dict)
    takers: dict[Ref, list[Ref]] = field(default_factory=dict)
    kustomizations: dict[Ref, Object] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    def reserve(self, ref: Ref) -> Reservation | None:
        """Why an object that left Git stays; see `Reserve`."""
        if ref in self.takers:
            return Reservation(f"wanted by {listed(self.takers[ref])}")
        if ref in self.holders:
            return Reservation(f"in the inventory of {listed(self.holders[ref])}")
        return None


async def others_of(made: Made, refs: Collection[Ref], client: Client, there: Discovery) -> Others:
    """What the others say of objects.

    refs: those that left Git, and those that another one has labelled.   client: of the cluster
    that has the Kustomizations.   there: of the one that has the objects.
    """
    found, whereabouts = Others(), Whereabouts(client)
    own = made.ks.metadata.namespace, made.ks.metadata.name
    listing = await client.list(KUSTOMIZATIONS)
    relatives: list[tuple[Kustomization, frozenset[Ref]]] = []
    for obj in listing.items:
        name = Ref.of(obj)
        if (name.namespace, name.name) == own or obj["metadata"].get("deletionTimestamp"):
            continue
        if not (obj.get("spec") or {}).get("kubeConfig") and made.ks.spec.kube_config is None:
            found.kustomizations[name] = obj
        held = parse_inventory(obj.get("status") or {}).keys() & set(refs)
        try:
            ks = decoded(obj)
        except Undecodable:
            _note(found.holders, held, name)
            continue
        is_relative = _is_relative(ks, made)
        if not held and not is_relative:
            continue
        is_apart = await whereabouts.are_apart(made.ks, ks)
        if is_apart is None and held:
            found.doubts.append(
                f"{name} has {listed(sorted(held))} in its inventory, and which cluster it is for "
                "cannot be seen from here: perhaps that stays"
            )
        if is_apart is False and is_relative:
            relatives.append((ks, frozenset(held)))
        elif is_apart is False:
            _note(found.holders, held, name)
    await _build(relatives, made, refs, found, there)
    return found


def _note(where: dict[Ref, list[Ref]], refs: Collection[Ref], name: Ref) -> None:
    for ref in refs:
        where.setdefault(ref, []).append(name)


def _is_relative(ks: Kustomization, made: Made) -> bool:
    """Whether it is about to be built of the same files: what it will want counts."""
    is_whole = clean_path(made.ks.spec.path) == clean_path(made.place.path)
    return is_whole and not ks.spec.suspend and source_key(ks) == source_key(made.ks)


async def _build(
    relatives: Sequence[tuple[Kustomization, frozenset[Ref]]],
    made: Made,
    refs: Collection[Ref],
    found: Others,
    there: Discovery,
) -> None:
    """Notes what the relatives would make of the objects."""
    if len(relatives) > _MOST:
        found.doubts.append(
            f"{len(relatives)} Kustomizations are made of the same source: what they will want is "
            "not looked at, only what they have"
        )
    for ks, held in relatives:
        owner = Owner(ks.metadata.name, ks.metadata.namespace)
        name = Ref(KUSTOMIZATIONS.group, "Kustomization", owner.namespace, owner.name)
        target = ks.spec.target_namespace
        possible = {ref for ref in refs if not target or ref.namespace in ("", target)}
        if len(relatives) > _MOST or not possible:
            _note(found.holders, held, name)
            continue
        try:
            place = made.place.beside(clean_path(ks.spec.path))
            wanted, _ = await scoped((await made.like(ks, place)).rendered, owner, there)
        except (ApiError, Failure, Problem):
            found.doubts.append(f"{name} cannot be built: it may want what is shown as deleted")
            _note(found.holders, held, name)
            continue
        _note(found.takers, wanted.contents.keys() & possible, name)


def is_of_another(live: Object, owner: Owner) -> bool:
    """Whether the owner labels of a live object name another Kustomization."""
    labels = live["metadata"].get("labels") or {}
    return all(key in labels for key in OWNER_LABELS) and not owner.owns(live)
