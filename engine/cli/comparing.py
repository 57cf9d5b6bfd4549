"""Compare what a Kustomization would make with what is live: the engine's plan, by dry-runs.

Nothing is written.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from engine.apply.executor import each
from engine.apply.prediction import Oracle, Prediction, Prospect, predict
from engine.cli.acting import acting_for
from engine.cli.building import owner_of
from engine.cli.left_alone import left_alone
from engine.cli.other_owners import Others, is_of_another, others_of
from engine.cli.rendering import Made, check_unencrypted
from engine.cli.taking_along import accompanied, consequences
from engine.cluster import Client, Forbidden, UnknownKind
from engine.errors import PruneFailed
from engine.objects.redact import MASK, masked_values, masker
from engine.objects.ref import Object, Ref
from engine.plan import Plan, View, make_plan
from engine.plan.brake import APPROVAL, Consequences, check_brake
from engine.plan.drift import Difference
from engine.plan.ignore import ignored_fields
from engine.plan.inventory import parse_inventory
from engine.plan.policy import OWNER_LABELS, Owner, Policy
from engine.reconcile.builds import Desired
from engine.reconcile.claiming import stale_of
from engine.reconcile.desired import scoped
from engine.render.decrypt import is_refused
from engine.render.explanation import Places
from engine.settings import Settings

DEFAULTS = Settings()
FEW = 3
"""Objects of one kind that are asked for one by one; more are listed by their owner's label."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a Kustomization would change.

    origins: `file:line` of its objects.  places: of their fields, as far as they change.
    warnings: what the engine would do otherwise than apply it.
    """

    title: str
    predictions: tuple[Prediction, ...]
    origins: Mapping[Ref, str] = field(default_factory=dict)
    places: Places = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_change(self) -> bool:
        """Whether anything would be written."""
        return any(one.is_change for one in self.predictions)

    @property
    def is_news(self) -> bool:
        """Whether there is anything to tell: also of what left Git and stays."""
        quiet = (Prospect.UNCHANGED, Prospect.SKIPPED)
        return any(one.prospect not in quiet for one in self.predictions)

    @property
    def refusals(self) -> list[Prediction]:
        """What the API server would not take."""
        return [one for one in self.predictions if one.prospect is Prospect.REFUSED]

    def values(self, difference: Difference) -> tuple[Any, Any]:
        """The value as it is and as it would be, without any secret.

        What stands in a secret's place now most likely was one, too.
        """
        before, after = self.hidden(difference.live), self.hidden(difference.desired)
        is_secret = after != difference.desired
        return (MASK if is_secret and before is not None else before), after

    def hidden(self, value: Any) -> Any:
        """The value without any secret in it."""
        return masked_values(value, masker(self.secrets))


async def compared(
    made: Made,
    live_ks: Object | None,
    client: Client,
    home: Client | None = None,
    settings: Settings = DEFAULTS,
) -> Compared:
    """What applying a build would change now.

    live_ks: the Kustomization as the cluster has it, for its inventory.   client: of the cluster
    that its objects are in.   home: of the one that has the Kustomizations, if that is another.
    settings: of the engine.   Raises BuildFailed.
    """
    check_unencrypted(made)
    owner = owner_of(made.ks) or Owner("", "")
    desired, _ = await scoped(made.rendered, owner, client.discovery)
    inventory = parse_inventory((live_ks or {}).get("status") or {})
    versions = {**inventory, **desired.versions()}
    live = await _live(versions, owner, client, settings.concurrent_ssa)
    foreign = {ref for ref in desired.contents if ref in live and is_of_another(live[ref], owner)}
    stale = stale_of(inventory, desired.contents).keys() & live.keys()
    going = {ref for ref in stale if made.ks.spec.prune and owner.owns(live[ref])}
    others = Others()
    if going or foreign:
        others = await others_of(made, going, foreign, home or client, client.discovery)
    shared = {ref for ref in foreign if others.reserve(ref) is not None}
    left = await left_alone(made, desired, live, live_ks, shared, client.discovery)
    view = View(live, settled=left.settled, warned=left.warned)
    policy = _policy(made, owner, settings)
    plan = make_plan(desired.objects, view, inventory, policy, others.reserve)
    meaning, unknown = await consequences(plan, inventory, others.kustomizations, client)
    acting, doubt = await acting_for(made.ks, client, settings.default_service_account)
    oracle = _oracle(acting, desired, made, settings)
    found = [accompanied(each) for each in await _foretold(plan, oracle)]
    wanted = {one.ref: [d.path for d in one.differences] for one in found if one.differences}
    doubts = [*others.doubts, *left.doubts([one.ref for one in found if one.is_change])]
    return Compared(
        f"Kustomization/{made.ks.metadata.namespace}/{made.ks.metadata.name}",
        tuple(found),
        desired.origins,
        await made.places(wanted),
        (*_warnings(plan, meaning, made), *unknown, *doubts, *([doubt] if doubt else ())),
        made.secrets,
    )


def _oracle(acting: Client, desired: Desired, made: Made, settings: Settings) -> Oracle:
    return Oracle(
        acting,
        settings.field_manager,
        settings.override_manager,
        settings.concurrent_ssa,
        desired.origins,
        ignored_fields(made.ks.spec.ignore, desired.objects),
        made.places,
    )


async def _foretold(plan: Plan, oracle: Oracle) -> list[Prediction]:
    """What the API server says; it is not shown what is encrypted."""
    sealed = [each for each in plan.applies if each.desired and is_refused(each.desired)]
    hidden = {change.ref for change in sealed}
    open_plan = replace(plan, applies=tuple(c for c in plan.applies if c.ref not in hidden))
    found = await predict(open_plan, oracle)
    return [*found, *(_sealed(each.ref, each.desired, each.live) for each in sealed)]


def _policy(made: Made, owner: Owner, settings: Settings) -> Policy:
    spec = made.ks.spec
    return Policy(
        owner=owner,
        prune=spec.prune,
        force=spec.force,
        custom=frozenset(settings.custom_apply_stage_kinds),
        brake=settings.prune_brake,
        approved=made.ks.metadata.annotations.get(APPROVAL, ""),
    )


def _warnings(plan: Plan, meaning: Consequences, made: Made) -> list[str]:
    warnings = []
    if made.ks.spec.suspend:
        warnings.append("it is suspended: nothing is applied until it is resumed")
    try:
        check_brake(plan, meaning, "")
    except PruneFailed as failure:
        reason = failure.message.partition("; if this is wanted")[0]
        warnings.append(f"the engine would stop and ask for approval: {reason}")
    return warnings


async def _live(
    versions: Mapping[Ref, str], owner: Owner, client: Client, in_flight: int
) -> dict[Ref, Object]:
    """The live objects: a LIST by owner for kinds with many of them, a GET for all others.

    Each as its version has it, those of a version that is not served any more in another one.
    """
    selector = ",".join(
        f"{label}={value}"
        for label, value in zip(OWNER_LABELS, (owner.name, owner.namespace), strict=True)
    )
    kinds: dict[tuple[str, str, str], list[Ref]] = {}
    for ref, version in versions.items():
        kinds.setdefault((ref.group, version, ref.kind), []).append(ref)

    async def look(refs: Sequence[Ref]) -> dict[Ref, Object]:
        first = refs[0]
        try:
            resource = await client.discovery.existing(first.group, versions[first], first.kind)
        except UnknownKind:
            return {}
        found: dict[Ref, Object] = {}
        if len(refs) > FEW:
            with suppress(Forbidden):  # who may not list may perhaps get
                listing = await client.list(resource, label_selector=selector)
                found = {Ref.of(obj): obj for obj in listing.items}
        for ref in refs:
            if ref in found or (resource.namespaced and not ref.namespace):
                continue
            obj = await client.get(resource, ref.namespace, ref.name)
            if obj is not None:
                found[ref] = obj
        return {ref: found[ref] for ref in refs if ref in found}

    results = await each(list(kinds.values()), look, in_flight)
    everything: dict[Ref, Object] = {}
    for result in results:
        if isinstance(result, Exception):
            raise result
        everything |= result
    return everything


def _sealed(ref: Ref, desired: Object | None, live: Object | None) -> Prediction:
    """Of an encrypted Secret only which keys it has is known here."""
    if live is None:
        return Prediction(ref, Prospect.CREATED, why="encrypted: not checked")
    old = set(live.get("data") or {})
    new = set((desired or {}).get("data") or {}) | set((desired or {}).get("stringData") or {})
    found = [
        Difference(f".data.{key}", "***" if key in old else None, "***" if key in new else None)
        for key in sorted(old ^ new)
    ]
    prospect = Prospect.CONFIGURED if found else Prospect.UNCHANGED
    return Prediction(ref, prospect, tuple(found), "encrypted: only its keys are compared")
