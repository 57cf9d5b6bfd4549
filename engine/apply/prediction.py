"""What carrying out a plan would do to each object, asked by dry-runs: nothing is written.

Decides as `judge.py` does.  What that writes before it asks (marks and fields that older tools
left) is worked out here instead, and shown to the API server in a second dry-run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from engine.apply.executor import FindPlaces, each, no_places
from engine.apply.failures import is_immutable, is_of_old_version, no_namespace
from engine.apply.refusals import refusals
from engine.cluster import ApiError, Client, Forbidden, NotFound, Resource, UnknownKind
from engine.errors import ReconciliationFailed
from engine.objects.patch import diff_merge_patch, json_patch
from engine.objects.ref import Object, Ref
from engine.plan import Action, Change, Plan
from engine.plan.adoption import adoption
from engine.plan.drift import Difference, differences, is_owned_alike
from engine.plan.ignore import Pointer, spared, yielded
from engine.plan.observation import owned_fields
from engine.plan.policy import is_forced, is_merged
from engine.plan.relinquish import relinquished

_PROBE = "-probe"
_SERVER_WRITTEN = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")
_COMES_WITH_IT = "not checked yet: {} comes with it"
_NO_ROOM = "in which fields is not known: a quota has no room to try it beside the old one"
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
    foretell = partial(_applied, plan=plan, oracle=oracle)
    found = await each(plan.applies, foretell, oracle.in_flight)
    pairs = list(zip(plan.applies, found, strict=True))
    why = await refusals(pairs, "dry-run", oracle)
    applied = [
        each
        if isinstance(each, Prediction)
        else Prediction(change.ref, Prospect.REFUSED, why=why[change.ref], before=change.live)
        for change, each in pairs
    ]
    return [*applied, *map(_pruned, plan.prunes)]


def _pruned(change: Change) -> Prediction:
    is_deleted = change.action is Action.DELETE
    prospect = Prospect.DELETED if is_deleted else Prospect.KEPT
    return Prediction(change.ref, prospect, (), change.why, change.live)


async def _applied(change: Change, plan: Plan, oracle: Oracle) -> Prediction:
    """Raises ApiError, UnknownKind, ReconciliationFailed for what is refused."""
    ref, desired, live = change.ref, change.desired or {}, change.live
    if change.action in (Action.SKIP, Action.UNCHANGED):
        unchanged = change.action is Action.UNCHANGED
        prospect = Prospect.UNCHANGED if unchanged else Prospect.SKIPPED
        return Prediction(ref, prospect, (), change.why, live, live)
    try:
        resource = await oracle.client.discovery.resource(ref.group, change.version, ref.kind)
    except UnknownKind:
        if not _is_defined(ref, plan):
            raise
        prospect = Prospect.CREATED if live is None else Prospect.CONFIGURED  # of another version
        return Prediction(ref, prospect, why=_COMES_WITH_IT.format("its definition"), before=live)
    if resource.namespaced and not ref.namespace:
        raise ReconciliationFailed(no_namespace(ref, oracle.origins.get(ref, "")))
    if live is None:
        return await _created(change, resource, plan, oracle)
    try:
        after = await _sent(desired, resource, live, oracle)
    except ApiError as error:
        if is_of_old_version(error):
            return Prediction(ref, Prospect.CONFIGURED, (), _OLD_VERSION, live)
        if not (is_immutable(error) and is_forced(desired, live, plan.policy)):
            raise
        made = await _made_anew(desired, resource, oracle, error)
        found = tuple(differences(live, made)) if made is not None else ()
        why = _NO_ROOM if made is None else ""
        return Prediction(ref, Prospect.RECREATED, found, why, live, made)
    return await _compared(change, resource, live, after, oracle)


async def _compared(
    change: Change, resource: Resource, live: Object, after: Object, oracle: Oracle
) -> Prediction:
    adopted = live
    if not is_merged(change.desired or {}, live):
        operations = adoption(live, oracle.manager, oracle.overridden)
        if operations:
            adopted = json_patch(live, operations)
            after = await _after_adoption(resource, live, adopted, after, oracle)
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


async def _after_adoption(
    resource: Resource, live: Object, adopted: Object, after: Object, oracle: Oracle
) -> Object:
    """`after` without what only older tools wrote; the API server puts defaults back in."""
    marks = adopted["metadata"]
    metadata = dict(after["metadata"])
    for name in ("annotations", "labels"):  # legacy marks go, too
        old, left = live["metadata"].get(name) or {}, marks.get(name) or {}
        gone = old.keys() - left.keys()
        kept = {key: value for key, value in (metadata.get(name) or {}).items() if key not in gone}
        metadata[name] = kept
    wanted = relinquished({**after, "metadata": metadata}, adopted, oracle.manager)
    patch = diff_merge_patch(_values(live), _values(wanted))
    if patch == diff_merge_patch(_values(live), _values(after)):
        return after
    name = live["metadata"]["name"]
    namespace = live["metadata"].get("namespace", "")
    answer = await oracle.client.merge_patch(
        resource, namespace, name, patch, field_manager=oracle.manager, dry_run=True
    )
    owners = after["metadata"].get("managedFields")
    return {**answer, "metadata": {**answer["metadata"], "managedFields": owners}}


def _values(obj: Object) -> Object:
    metadata = {key: v for key, v in obj["metadata"].items() if key not in _SERVER_WRITTEN}
    return {**{key: v for key, v in obj.items() if key != "status"}, "metadata": metadata}


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


def _is_defined(ref: Ref, plan: Plan) -> bool:
    """Whether the plan brings the definition of the kind."""
    for change in plan.applies:
        if change.ref.kind == "CustomResourceDefinition" and change.desired is not None:
            spec = change.desired.get("spec") or {}
            names = spec.get("names") or {}
            if (spec.get("group"), names.get("kind")) == (ref.group, ref.kind):
                return True
    return False
