"""What is live of the objects that a plan is about: from the watches, or read one by one.

The watches are the engine's eyes.  What the identity that applies may not change by rights to the
whole kind is read by itself, one object after the other, and its dry-run decides: then a refusal
does not tell whether there is such an object, and revoked rights show.
"""

from collections.abc import Collection, Mapping
from math import inf

from engine.api.meta import SSA, SSA_IF_NOT_PRESENT, has_mark
from engine.apply import Executor
from engine.apply.executor import each
from engine.apply.failures import no_namespace, refused
from engine.cluster import ApiError, Resource, UnknownKind
from engine.cluster.census import FEW
from engine.cluster.errors import Unavailable
from engine.cluster.live import Kind, by_kind
from engine.errors import ReconciliationFailed
from engine.objects.ref import Object, Ref
from engine.plan import View
from engine.plan.inventory import Inventory
from engine.plan.observation import Observation
from engine.plan.policy import OWNER_LABELS, is_merged
from engine.reconcile.builds import Desired
from engine.reconcile.run import Run
from engine.reconcile.tolerance import tolerated
from engine.runtime.slices import slices, turn

_DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")


async def live_view(desired: Desired, inventory: Inventory, executor: Executor, run: Run) -> View:
    """The live objects of desired and inventory.  An object that a watch shows costs no request.

    One question an interval for each kind and namespace, where an identity is impersonated.

    Raises ReconciliationFailed if a desired one may not or cannot be read: what is unknown is not
    absent.
    """
    wanted = {Ref.of(obj): obj for obj in desired.objects}
    versions = {**inventory, **desired.versions()}
    resources = await served(versions, executor)
    live = run.cluster.live
    followed = await live.follow(run.turn.key, list(resources.values()))
    is_asked, is_correction = run.is_verification, run.is_correction
    if run.engine.verification.is_due(run.turn.key, is_asked=is_asked, is_correction=is_correction):
        await _verify(versions, resources, followed, run)
    verbs = {ref: "patch" if ref in wanted else "delete" for ref in versions}
    since = run.started_at if is_asked else -inf
    barred = await run.engine.access.barred(executor.client, verbs, resources, since)
    trusted = versions.keys() - barred
    await turn()
    seen = await _seen(trusted, wanted, followed, run)
    unseen = [ref for ref in versions if ref in trusted and ref not in seen]
    unseen = await _existing(unseen, wanted, resources, followed, run)
    asked = [*unseen, *(ref for ref in versions if ref in barred)]
    read = await _read(asked, versions, executor, run)
    refusals = _refusals(read, wanted, executor)
    if refusals:
        raise ReconciliationFailed("\n".join(refusals))
    whole = {ref: each for ref, each in read.items() if isinstance(each, Mapping)}
    known = {**seen, **{ref: live.note(obj) for ref, obj in whole.items() if ref in trusted}}
    settled = await _settled(known, wanted, desired, run)
    drifted = {ref: found for ref, found in known.items() if ref not in settled}
    stays, warned = tolerated(drifted, wanted, desired, run)
    return View(
        objects={**await _shown(seen, run), **whole},
        settled=settled | (stays - warned),
        accepted=_accepted(known, desired, run) - settled - stays,
        warned=warned,
        unread=frozenset(ref for ref, each in read.items() if isinstance(each, Exception)),
    )


async def _seen(
    refs: Collection[Ref], wanted: Collection[Ref], followed: frozenset[Kind], run: Run
) -> dict[Ref, Observation]:
    """The objects that the watches show."""
    found: dict[Ref, Observation] = {}
    async for part in slices(refs):
        for ref in part:
            kind = ref.group, ref.kind
            # What a definition defines is not kept: the brake asks for it before it deletes one.
            is_told = kind in followed and (kind != _DEFINITION or ref in wanted)
            seen = run.cluster.live.get(ref) if is_told else None
            if seen is not None:
                found[ref] = seen
    return found


async def _shown(seen: Mapping[Ref, Observation], run: Run) -> dict[Ref, Object]:
    """The objects as far as is known without asking: whole where a drift was just told."""
    drift, owner = run.cluster.drift, run.turn.key
    shown: dict[Ref, Object] = {}
    async for part in slices(seen.items()):
        for ref, found in part:
            shown[ref] = drift.evidence(owner, ref, found.version) or found.partial(ref)
    return shown


async def _settled(
    known: Mapping[Ref, Observation], wanted: Mapping[Ref, Object], desired: Desired, run: Run
) -> frozenset[Ref]:
    """The desired objects that are as they should be; from now on this is their baseline."""
    claims, owner = run.cluster.claims, run.turn.key
    settled: set[Ref] = set()
    if run.is_correction:
        settled |= {ref for ref in wanted if run.cluster.drift.is_paused(ref)}
    async for part in slices(known.items()):
        for ref, found in part:
            content = desired.contents.get(ref)
            if content is None or not claims.is_settled(owner, ref, content, found):
                continue
            if not run.is_correction and _is_to_be_adopted(found, wanted[ref]):
                continue
            claims.settle(owner, ref, content, found.signature)
            settled.add(ref)
    return frozenset(settled)


def _accepted(known: Mapping[Ref, Observation], desired: Desired, run: Run) -> frozenset[Ref]:
    """The desired objects that exist, and were accepted by the API server with this content."""
    claims, owner = run.cluster.claims, run.turn.key
    return frozenset(
        ref
        for ref, content in desired.contents.items()
        if ref in known and claims.is_known(owner, ref, content)
    )


def _is_to_be_adopted(found: Observation, desired: Object) -> bool:
    return found.is_adoptable and not is_merged(desired, found.partial(Ref.of(desired)))


async def served(versions: Mapping[Ref, str], executor: Executor) -> dict[Kind, Resource]:
    """The served kinds; asks discovery anew, once, if one is unknown: it may have come just now.

    Of a kind in several versions, the one that was told last: what is desired comes last.
    """
    discovery = executor.client.discovery
    found: dict[Kind, Resource] = {}
    is_asked = False
    for ref, version in versions.items():
        kind = ref.group, ref.kind
        if kind in found and found[kind].version == version:
            continue
        try:
            found[kind] = await discovery.resource(ref.group, version, ref.kind)
        except Unavailable:  # its own API server is away: whoever reads the objects will hear that
            continue
        except UnknownKind:
            if not is_asked:
                discovery.invalidate()
                is_asked = True
    return found


async def _verify(
    versions: Mapping[Ref, str],
    resources: Mapping[Kind, Resource],
    followed: frozenset[Kind],
    run: Run,
) -> None:
    """Looks at everything that this Kustomization owns: a list for each kind."""
    live, key = run.cluster.live, run.turn.key
    owner = zip(OWNER_LABELS, (key.name, key.namespace), strict=True)
    selector = ",".join(f"{label}={value}" for label, value in owner)

    async def look(entry: tuple[Kind, list[Ref]]) -> None:
        kind, refs = entry
        try:
            listing = await run.reader.list(resources[kind], label_selector=selector)
        except ApiError:
            for ref in refs:
                live.doubt(ref)
            return
        listed = {Ref.of(obj): obj for obj in listing.items}
        for obj in listed.values():
            live.note(obj)
        for ref in refs:
            if ref not in listed:
                live.doubt(ref)

    kinds = [
        (kind, refs)
        for kind, refs in by_kind(versions).items()
        if kind in followed and any(live.get(ref) for ref in refs)
    ]
    await each(kinds, look, run.engine.settings.concurrent_ssa)  # a person waits for them


async def _existing(
    unseen: Collection[Ref],
    wanted: Mapping[Ref, Object],
    resources: Mapping[Kind, Resource],
    followed: frozenset[Kind],
    run: Run,
) -> list[Ref]:
    """Those of the objects that no watch shows which may exist all the same."""
    census, is_crowded = run.cluster.census, run.engine.triggers.under_way > FEW
    left: list[Ref] = []
    for kind, refs in by_kind(unseen).items():
        if kind not in followed:
            left += refs
            continue
        asked = {ref for ref in refs if ref not in wanted or _is_never_overwritten(wanted[ref])}
        others = [ref for ref in refs if ref not in asked]
        lost = [ref for ref in others if run.cluster.claims.is_settled_once(run.turn.key, ref)]
        new = [ref for ref in others if ref not in lost]
        left += asked
        # It is gone, or not labelled as ours any more: what was known before does not count.
        left += await census.perhaps(resources[kind], lost, is_lost=True)
        left += await census.perhaps(resources[kind], new, is_crowded=is_crowded)
    return left


def _is_never_overwritten(desired: Object) -> bool:
    """Whether an object that came a moment ago must be noticed."""
    return has_mark(desired, SSA, SSA_IF_NOT_PRESENT)


async def _read(
    refs: Collection[Ref], versions: Mapping[Ref, str], executor: Executor, run: Run
) -> dict[Ref, Object | Exception | None]:
    """The classic way: a GET for each."""

    async def read(ref: Ref) -> Object | None:
        try:
            found = await executor.client.discovery.existing(ref.group, versions[ref], ref.kind)
        except UnknownKind:
            return None  # no definition, no object; applying says so if it is not in this set
        if found.namespaced and not ref.namespace:
            raise ReconciliationFailed(no_namespace(ref, executor.origins.get(ref, "")))
        return await executor.client.get(found, ref.namespace, ref.name)

    listed = list(refs)
    results = await each(listed, read, executor.in_flight)
    return dict(zip(listed, results, strict=True))


def _refusals(
    read: Mapping[Ref, Object | Exception | None],
    wanted: Mapping[Ref, Object],
    executor: Executor,
) -> list[str]:
    """A line for each desired object that could not be read."""
    return [
        refused(ref, error, "dry-run", executor.origins.get(ref, ""))
        for ref, error in read.items()
        if isinstance(error, Exception) and ref in wanted
    ]
