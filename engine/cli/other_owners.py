"""What other Kustomizations have, or would have: nothing that another one wants is deleted."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from engine.api import Undecodable
from engine.api.kustomize import Kustomization
from engine.api.paths import clean_path
from engine.cli.problems import Problem
from engine.cli.rendering import KUSTOMIZATIONS, Made, decoded, source_key
from engine.cli.whereabouts import Whereabouts, is_same_place
from engine.cluster import ApiError, Client, Forbidden
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
    same files}.   kustomizations: all others, if it is for the cluster that has them.
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


@dataclass(frozen=True, slots=True)
class _Other:
    """One of them.   held: what it has in its inventory.   is_relative: see `_is_relative`."""

    name: Ref
    ks: Kustomization
    held: frozenset[Ref]
    is_relative: bool


async def others_of(
    made: Made,
    going: Collection[Ref],
    foreign: Collection[Ref],
    client: Client,
    there: Discovery,
) -> Others:
    """What the others say of objects.

    going: those that would be deleted.   foreign: those that another one has labelled: who has them
    counts, not who would make them.   client: of the cluster that has the Kustomizations.
    there: of the one that has the objects.
    """
    found, whereabouts = Others(), Whereabouts(client)
    own = made.ks.metadata.namespace, made.ks.metadata.name
    asked: list[_Other] = []
    for obj in await _listed(made, client, found):
        name = Ref.of(obj)
        if (name.namespace, name.name) == own or obj["metadata"].get("deletionTimestamp"):
            continue
        if made.ks.spec.kube_config is None:
            found.kustomizations[name] = obj
        held = frozenset(parse_inventory(obj.get("status") or {}).keys() & {*going, *foreign})
        try:
            ks = decoded(obj)
        except Undecodable:
            _note(found.holders, held, name)
            continue
        is_relative = bool(going) and _is_relative(ks, made)
        if held or (is_relative and is_same_place(ks, made.ks)):
            asked.append(_Other(name, ks, held, is_relative))
    await whereabouts.look([made.ks, *(each.ks for each in asked)])
    relatives = [each for each in asked if await _is_near(each, made, whereabouts, found)]
    await _build(relatives, made, going, found, there)
    return found


async def _listed(made: Made, client: Client, found: Others) -> Sequence[Object]:
    """All Kustomizations that the caller may list."""
    namespace = made.ks.metadata.namespace
    with suppress(Forbidden):
        return (await client.list(KUSTOMIZATIONS)).items
    unseen = "other Kustomizations"
    items: Sequence[Object] = ()
    with suppress(Forbidden):
        items = (await client.list(KUSTOMIZATIONS, namespace)).items
        unseen = f"Kustomizations outside of the namespace '{namespace}'"
    found.doubts.append(
        f"you may not list {unseen}: what they have or want may be shown as deleted"
    )
    return items


async def _is_near(other: _Other, made: Made, whereabouts: Whereabouts, found: Others) -> bool:
    """Whether what it would make counts; notes what it has."""
    is_apart = await whereabouts.are_apart(made.ks, other.ks)
    if is_apart is None and other.held:
        found.doubts.append(
            f"{other.name} has {listed(sorted(other.held))} in its inventory, and which cluster it "
            "is for cannot be seen from here: perhaps that stays"
        )
    if is_apart is not False:
        return False
    if not other.is_relative:
        _note(found.holders, other.held, other.name)
    return other.is_relative


def _note(where: dict[Ref, list[Ref]], refs: Collection[Ref], name: Ref) -> None:
    for ref in refs:
        where.setdefault(ref, []).append(name)


def _is_relative(ks: Kustomization, made: Made) -> bool:
    """Whether it is about to be built of the same files: what it will want counts."""
    is_whole = clean_path(made.ks.spec.path) == clean_path(made.place.path)
    return is_whole and not ks.spec.suspend and source_key(ks) == source_key(made.ks)


async def _build(
    relatives: Sequence[_Other],
    made: Made,
    going: Collection[Ref],
    found: Others,
    there: Discovery,
) -> None:
    """Notes what the relatives would make of the objects."""
    if len(relatives) > _MOST:
        found.doubts.append(
            f"{len(relatives)} Kustomizations are made of the same source: what they will want is "
            "not looked at, only what they have"
        )
    for each in relatives:
        ks, name = each.ks, each.name
        target = ks.spec.target_namespace
        possible = {ref for ref in going if not target or ref.namespace in ("", target)}
        if len(relatives) > _MOST or not possible:
            _note(found.holders, each.held, name)
            continue
        _note(found.holders, each.held.difference(going), name)
        try:
            place = made.place.beside(clean_path(ks.spec.path))
            owner = Owner(ks.metadata.name, ks.metadata.namespace)
            wanted, _ = await scoped((await made.like(ks, place)).rendered, owner, there)
        except (ApiError, Failure, Problem, OSError):
            found.doubts.append(f"{name} cannot be built: it may want what is shown as deleted")
            _note(found.holders, each.held, name)
            continue
        _note(found.takers, wanted.contents.keys() & possible, name)


def is_of_another(live: Object, owner: Owner) -> bool:
    """Whether the owner labels of a live object name another Kustomization."""
    labels = live["metadata"].get("labels") or {}
    return all(key in labels for key in OWNER_LABELS) and not owner.owns(live)
