"""What carrying out a plan would do to each object, asked by dry-runs: nothing is written.

Decides as `judge.py` does.  What that writes before it asks (marks and fields that older tools
left) is worked out here instead, and shown to the API server in a second dry-run.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

from engine.apply.adopted import adopted_after
from engine.apply.definitions import Kind, definition_of, redefined
from engine.apply.executor import FindPlaces, each, no_places
from engine.apply.failures import is_immutable, is_of_old_version, no_namespace
from engine.apply.refusals import refusals
from engine.cluster import ApiError, Client, Forbidden, NotFound, Resource, UnknownKind
from engine.errors import ReconciliationFailed
from engine.objects.patch import json_patch
from engine.objects.ref import Object, Ref
from engine.plan import Action, Change, Plan
from engine.plan.adoption import adoption, migration
from engine.plan.drift import Difference, differences, is_owned_alike
from engine.plan.ignore import Pointer, spared, yielded
from engine.plan.observation import owned_fields
from engine.plan.policy import is_forced, is_merged
from engine.plan.tolerance import ANNOTATION

_PROBE = "-probe"
_COMES_WITH_IT = "not checked yet: {} comes with it"
_CHANGES_WITH_IT = "as its definition is now: that changes with it"
_NO_ROOM = "in which fields is not known: a quota has no room to try it beside the old one"
_LEFT = f"its drift is left as it is, because of the annotation {ANNOTATION}"
_NO_DRY_RUN = "does not support dry run"
"""Of a webhook that cannot be asked: what it would say is not known."""
_OLD_VERSION = "in which fields is not known: some were written in a version not served any more"


class Prospect(StrEnum):
    """What would happen to one object."""

    CREATED = "created"
    CONFIGURED = "configured"
    RECREATED = "recreated"
    DELETED = "deleted"
    KEPT = "kept"
    """It left Git, and is not deleted, or not now."""
    SKIPPED = "skipped"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One object.

    differences: fields that change; none of what is created or deleted.  why: of what is kept,
    skipped or refused.  before, after: as it is, and as it would be; None: absent or not known.
    """

    ref: Ref
    prospect: Prospect
    differences: tuple[Difference, ...] = ()
    why: str = ""
    before: Object | None = None
    after: Object | None = None

    @property
    def is_change(self) -> bool:
        """Whether anything is written."""
        return self.prospect not in (Prospect.UNCHANGED, Prospect.SKIPPED, Prospect.KEPT)

    def __str__(self) -> str:
        """`Kind/namespace/name prospect`."""
        return f"{self.ref} {self.prospect}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True, slots=True)
class Oracle:
    """Who asks.  manager, overridden, in_flight, origins, places: as of an Executor.

    ignored: pointers of `spec.ignore` by object.
    """

    client: Client
    manager: str
    overridden: tuple[str, ...]
    in_flight: int
    origins: Mapping[Ref, str] = field(default_factory=dict)
    ignored: Mapping[Ref, Sequence[Pointer]] = field(default_factory=dict)
    places: FindPlaces = no_places


async def predict(plan: Plan, oracle: Oracle) -> list[Prediction]:
    """A Prediction for each Change of the plan, in its order.  Raises nothing for one object."""
    changing = await redefined(plan, oracle.client, oracle.manager)
    applying = partial(_applied, plan=plan, oracle=oracle, changing=changing)
    pruning = partial(_pruned, oracle=oracle)
    applied = await each(plan.applies, applying, oracle.in_flight)
    pruned = await each(plan.prunes, pruning, oracle.in_flight)
    return [
        *await _told(plan.applies, applied, "dry-run", plan, oracle),
        *await _told(plan.prunes, pruned, "delete", plan, oracle),
    ]


async def _told(
    changes: Sequence[Change],
    found: Sequence[Prediction | Exception],
    verb: str,
    plan: Plan,
    oracle: Oracle,
) -> list[Prediction]:
    """What was found, of what was refused with why."""
    pairs = list(zip(changes, found, strict=True))
    why = await refusals(pairs, verb, oracle, plan.policy)
    return [
        each
        if isinstance(each, Prediction)
        else Prediction(change.ref, Prospect.REFUSED, why=why[change.ref], before=change.live)
        for change, each in pairs
    ]


async def _pruned(change: Change, oracle: Oracle) -> Prediction:
    """Raises ApiError for what may not be deleted."""
    ref, live = change.ref, change.live
    if change.action is not Action.DELETE:
        return Prediction(ref, Prospect.KEPT, (), change.why, live)
    with suppress(UnknownKind):  # its definition is gone, and with it every object of the kind
        resource = await oracle.client.discovery.existing(ref.group, change.version, ref.kind)
        uid = live["metadata"]["uid"] if live is not None else ""
        try:
            await oracle.client.try_delete(resource, ref.namespace, ref.name, uid)
        except ApiError as error:
            if _NO_DRY_RUN not in error.message:
                raise
    return Prediction(ref, Prospect.DELETED, (), change.why, live)


async def _applied(
    change: Change, plan: Plan, oracle: Oracle, changing: frozenset[Kind]
) -> Prediction:
    """changing: kinds whose definitions change: what is valid is not known before they have.

    Raises ApiError, UnknownKind, ReconciliationFailed for what is refused.
    """
    ref, live = change.ref, change.live
    if change.action in (Action.SKIP, Action.UNCHANGED):
        unchanged = change.action is Action.UNCHANGED
        prospect = Prospect.UNCHANGED if unchanged else Prospect.SKIPPED
        return Prediction(ref, prospect, (), change.why, live, live)
    hopeful = Prospect.CREATED if live is None else Prospect.CONFIGURED
    try:
        resource = await oracle.client.discovery.resource(ref.group, change.version, ref.kind)
    except UnknownKind:
        if definition_of(ref, plan) is None:
            raise
        return Prediction(ref, hopeful, why=_COMES_WITH_IT.format("its definition"), before=live)
    if resource.namespaced and not ref.namespace:
        raise ReconciliationFailed(no_namespace(ref, oracle.origins.get(ref, "")))
    if (ref.group, ref.kind) not in changing:
        return await _asked(change, resource, plan, oracle)
    try:
        found = await _asked(change, resource, plan, oracle)
    except Forbidden:  # whatever the definition will say
        raise
    except ApiError:
        found = Prediction(ref, hopeful, before=live)
    return replace(found, why=_CHANGES_WITH_IT)


async def _asked(change: Change, resource: Resource, plan: Plan, oracle: Oracle) -> Prediction:
    """What the API server says of an object of a kind that it knows.  Raises ApiError."""
    ref, desired, live = change.ref, change.desired or {}, change.live
    if live is None:
        return await _created(change, resource, plan, oracle)
    if change.action is Action.WARN:
        return await _left(change, resource, live, oracle)
    try:
        after = await _sent(desired, resource, live, oracle)
    except ApiError as error:
        if is_of_old_version(error) and migration(live, desired["apiVersion"]):
            return Prediction(ref, Prospect.CONFIGURED, (), _OLD_VERSION, live)
        if not (is_immutable(error) and is_forced(desired, live, plan.policy)):
            raise
        made = await _made_anew(desired, resource, oracle, error)
        found = tuple(differences(live, made)) if made is not None else ()
        why = _NO_ROOM if made is None else ""
        return Prediction(ref, Prospect.RECREATED, found, why, live, made)
    return await _compared(change, resource, live, after, oracle)


async def _left(change: Change, resource: Resource, live: Object, oracle: Oracle) -> Prediction:
    """Of an object whose drift is only told: whether it has drifted."""
    try:
        after = await _sent(change.desired or {}, resource, live, oracle)
    except ApiError as error:
        if not is_immutable(error):
            raise
        return Prediction(change.ref, Prospect.SKIPPED, (), _LEFT, live, live)
    is_as_wanted = not any(differences(live, after)) and _is_owned_alike(live, after, oracle)
    prospect, why = (Prospect.UNCHANGED, "") if is_as_wanted else (Prospect.SKIPPED, _LEFT)
    return Prediction(change.ref, prospect, (), why, live, live)


async def _compared(
    change: Change, resource: Resource, live: Object, after: Object, oracle: Oracle
) -> Prediction:
    adopted = live
    if not is_merged(change.desired or {}, live):
        operations = adoption(live, oracle.manager, oracle.overridden)
        if operations:
            adopted = json_patch(live, operations)
            after = await adopted_after(resource, live, adopted, after, oracle)
    found = tuple(differences(live, after))
    if not found and _is_owned_alike(adopted, after, oracle):
        return Prediction(change.ref, Prospect.UNCHANGED, (), "", live, after)
    why = "" if found else "only who owns its fields"
    return Prediction(change.ref, Prospect.CONFIGURED, found, why, live, after)


def _is_owned_alike(live: Object, after: Object, oracle: Oracle) -> bool:
    """Whether we would own the same fields, not counting those that are ignored."""
    if is_owned_alike(live, after, oracle.manager):
        return True
    pointers = oracle.ignored.get(Ref.of(live), ())
    had, has = (
        spared(owned_fields(each, oracle.manager) or {}, each, pointers) for each in (live, after)
    )
    return had == has


async def _created(change: Change, resource: Resource, plan: Plan, oracle: Oracle) -> Prediction:
    try:
        after = await _sent(change.desired or {}, resource, None, oracle)
    except NotFound:
        namespace = Ref("", "Namespace", "", change.ref.namespace)
        if not any(each.ref == namespace for each in plan.applies):
            raise
        why = _COMES_WITH_IT.format(str(namespace))
        return Prediction(change.ref, Prospect.CREATED, why=why)
    return Prediction(change.ref, Prospect.CREATED, after=after)


async def _sent(desired: Object, resource: Resource, live: Object | None, oracle: Oracle) -> Object:
    """The object after a server-side apply, as a dry-run gives it."""
    ref = Ref.of(desired)
    if live is not None and oracle.ignored.get(ref):
        desired = yielded(desired, live, oracle.ignored[ref], oracle.manager)
    metadata = dict(desired["metadata"])
    if live is not None:
        metadata["uid"] = live["metadata"]["uid"]
    if not resource.namespaced:
        metadata.pop("namespace", None)
    return await oracle.client.apply(
        resource,
        {**desired, "metadata": metadata},
        manager=oracle.manager,
        force=True,
        dry_run=True,
    )


async def _made_anew(
    desired: Object, resource: Resource, oracle: Oracle, refusal: ApiError
) -> Object | None:
    """The object as its creation would give it, asked for by another name as its own is taken.

    None: a quota has room for one of them only.   Raises the refusal if it is invalid in itself.
    """
    metadata = desired["metadata"]
    name = metadata["name"][: 63 - len(_PROBE)].rstrip("-.") + _PROBE
    probe = {**desired, "metadata": {**metadata, "name": name}}
    try:
        made = await oracle.client.create(
            resource, probe, dry_run=True, field_manager=oracle.manager
        )
    except Forbidden as error:
        if "exceeded quota" in error.message:  # deleting makes room
            return None
        raise
    except ApiError as error:
        raise refusal from error
    return {**made, "metadata": {**made["metadata"], "name": metadata["name"]}}
