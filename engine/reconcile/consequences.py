"""What deletions mean beyond their plan: what else goes, and what would be in their way.

Kustomizations take their objects along, Namespaces and definitions what they hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from engine.api.meta import KUSTOMIZE_GROUP
from engine.api.paths import clean_path
from engine.cluster import Client, Forbidden, NotFound, Resource, UnknownKind
from engine.cluster.errors import Unavailable
from engine.errors import PruneFailed
from engine.objects.ref import Object, Ref
from engine.plan import Action, Change, Plan
from engine.plan.brake import Consequences, deletions_of
from engine.plan.containment import is_container, is_inside, kind_of
from engine.plan.inventory import Inventory, parse_inventory
from engine.plan.kinship import repository_of
from engine.reconcile.access import user_of
from engine.reconcile.references import source_named
from engine.reconcile.run import Run

_VOLUMES = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True)
_SHAPE = ("targetNamespace", "namePrefix", "nameSuffix", "kubeConfig")


async def consequences_of(plan: Plan, run: Run) -> Consequences:
    """What the deletions of a plan would mean; one LIST for each Namespace and definition of it.

    Nothing without a brake, which alone asks.  Raises PruneFailed where it may not be known.
    """
    deletions, inventory = deletions_of(plan), parse_inventory(run.status)
    if not deletions or not plan.policy.brake:
        return Consequences(len(inventory))
    ending = _ending(deletions, plan, run)
    size = frozenset(inventory) | _taken(_known(inventory, run), run)
    taken = _taken(_known(ending, run), run)
    absent = {each.ref for each in plan.prunes if each.action is Action.KEEP and not each.live}
    gone = {change.ref for change in deletions} | _going(run) | absent
    gone |= _taken(_known(ending, run), run, is_near=True)
    gone |= {change.ref for change in plan.applies}  # the brake names these itself
    held: dict[Ref, Sequence[Ref]] = {}
    known: frozenset[Ref] = frozenset()
    for change in deletions:
        if is_container(change.ref):
            known = known or _owned(run)
            inside = {ref for ref in known if is_inside(ref, change.ref, change.live)}
            inside |= await _unowned(change, run)
            held[change.ref] = sorted(inside - gone)
    return Consequences(len(size), taken, held, await _unnamed(held, run))


async def consequences_of_the_end(plan: Plan, inventory: Inventory, run: Run) -> Consequences:
    """The same where a whole Kustomization is deleted on purpose: what others want counts."""
    deletions = [change for change in deletions_of(plan) if is_container(change.ref)]
    gone = _going(run)
    held = {
        change.ref: sorted(
            ref for ref in _wanted(run) - gone if is_inside(ref, change.ref, change.live)
        )
        for change in deletions
    }
    unnamed = await _unnamed(held, run)
    return Consequences(len(inventory), held=held, unnamed=unnamed, is_asked_for=True)


async def _unnamed(held: Mapping[Ref, Sequence[Ref]], run: Run) -> frozenset[Ref]:
    """What of it the identity of the run may not read: messages must not name it."""
    user = user_of(run.given, run.engine.settings.default_service_account)
    if not user:
        return frozenset()
    client = run.reader.impersonating(user)
    refs = {ref for each in held.values() for ref in each}
    resources: dict[tuple[str, str], Resource] = {}
    for group, kind in {(ref.group, ref.kind) for ref in refs}:
        with suppress(UnknownKind, Unavailable):
            resources[group, kind] = await client.discovery.resource(group, None, kind)
    unknown = {ref for ref in refs if (ref.group, ref.kind) not in resources}
    barred = await run.engine.access.barred(client, dict.fromkeys(refs, "get"), resources)
    return barred | unknown


def takes_along(ks: Object) -> bool:
    """Whether the objects of a Kustomization are deleted with it, as its text says."""
    spec = ks.get("spec") or {}
    policy = spec.get("deletionPolicy") or "MirrorPrune"
    prunes = spec.get("prune") is True if policy == "MirrorPrune" else policy != "Orphan"
    return prunes and not spec.get("suspend")


def _taken(kustomizations: Iterable[Object], run: Run, *, is_near: bool = False) -> frozenset[Ref]:
    """What goes when these Kustomizations go, and those in their inventories.

    is_near: only what goes in the cluster of this run.
    """
    found: set[Ref] = set()
    left, clusters = list(kustomizations), run.engine.clusters
    seen = {Ref.of(ks) for ks in left}
    while left:
        ks = left.pop()
        if not takes_along(ks):
            continue
        owner, entries = Ref.of(ks), parse_inventory(ks.get("status") or {})
        claims = clusters.claims_of(owner)
        inside = {ref for ref in entries if not claims.rivals(owner, ref)}
        if not is_near or clusters.are_apart(run.given, ks) is False:
            found |= inside
        if clusters.is_ours(ks):
            new = {ref for ref in inside if _is_kustomization(ref)} - seen
            seen |= new
            left += [each for each in map(run.engine.mirror.get, new) if each is not None]
    return frozenset(found)


def _known(refs: Iterable[Ref], run: Run) -> list[Object]:
    """The Kustomizations among these objects: those in other clusters are none of ours."""
    if not run.engine.clusters.is_ours(run.given):
        return []
    found = (run.engine.mirror.get(ref) for ref in refs if _is_kustomization(ref))
    return [ks for ks in found if ks is not None]


def _ending(deletions: Iterable[Change], plan: Plan, run: Run) -> list[Ref]:
    """The Kustomizations that are deleted, without those that only get another name."""
    desired = {each.ref: each.desired for each in plan.applies if each.desired is not None}
    heirs = {_shape(ks, desired, run) for ref, ks in desired.items() if _is_kustomization(ref)}
    known = {change.ref: run.engine.mirror.get(change.ref) for change in deletions}
    return [ref for ref, ks in known.items() if ks is not None and _shape(ks, {}, run) not in heirs]


def _shape(ks: Object, desired: Mapping[Ref, Object], run: Run) -> str:
    """What decides which objects are built.

    desired: sources that are perhaps not there yet, or are to be changed.
    """
    spec, source = ks.get("spec") or {}, source_named(ks)
    repository = repository_of(desired.get(source) or run.engine.mirror.get(source))
    path = clean_path(str(spec.get("path") or ""))
    return repr((repository or source, path, [spec.get(name) for name in _SHAPE]))


def _going(run: Run) -> frozenset[Ref]:
    """What Kustomizations that are being deleted take along."""
    going = [
        ks
        for ks in run.engine.mirror.of_kind(KUSTOMIZE_GROUP, "Kustomization")
        if ks["metadata"].get("deletionTimestamp")
    ]
    return _taken(going, run, is_near=True)


def _owned(run: Run) -> frozenset[Ref]:
    """Every object that some Kustomization owns in that cluster, as far as is known."""
    known, clusters = set(run.cluster.live.refs()), run.engine.clusters
    for ks in run.engine.mirror.of_kind(KUSTOMIZE_GROUP, "Kustomization"):
        if clusters.are_apart(run.given, ks) is False:
            known |= parse_inventory(ks.get("status") or {}).keys()
    return frozenset(known) | _wanted(run)


def _wanted(run: Run) -> frozenset[Ref]:
    return frozenset[Ref]().union(*run.cluster.claims.owners().values())


async def _unowned(change: Change, run: Run) -> set[Ref]:
    """What a Namespace or definition holds that no Kustomization made; unknown is not none."""
    try:
        return await unowned(change, run.reader)
    except Forbidden as error:
        raise PruneFailed(
            f"prune stopped before deleting anything: whether {change.ref} holds what would go "
            f"with it is not known: {error}; let the engine list that, or set --no-prune-brake"
        ) from error


async def unowned(change: Change, client: Client) -> set[Ref]:
    """The same, as that client may see it.  Raises Forbidden."""
    return await _claimed_volumes(change, client) | await _custom_objects(change, client)


async def _claimed_volumes(change: Change, client: Client) -> set[Ref]:
    """The volumes that go with a Namespace: a StatefulSet makes them, and no Git has their data.

    Empty for anything else.
    """
    if change.ref.kind != "Namespace":
        return set()
    try:
        listing = await client.list(_VOLUMES, change.ref.name, metadata_only=True)
    except NotFound:
        return set()
    return {Ref.of(obj) for obj in listing.items}


async def _custom_objects(change: Change, client: Client) -> set[Ref]:
    """The objects of the kind that a definition defines, whoever made them."""
    spec = (change.live or {}).get("spec") or {}
    served = [each["name"] for each in spec.get("versions") or () if each.get("served")]
    if not served:
        return set()
    group, kind = kind_of(change.live)
    plural, is_namespaced = spec["names"]["plural"], spec.get("scope") == "Namespaced"
    resource = Resource(group, served[0], kind, plural, is_namespaced)
    try:
        listing = await client.list(resource, metadata_only=True)
    except NotFound:  # it is not served after all: nobody could have made one
        return set()
    return {Ref.of(obj) for obj in listing.items}


def _is_kustomization(ref: Ref) -> bool:
    return (ref.group, ref.kind) == (KUSTOMIZE_GROUP, "Kustomization")
