"""Ask the API server what applying an object would do, by a dry-run.

The clean-up of older tools' marks is a real write, as in Flux: the dry-run builds on it.
"""

from dataclasses import dataclass

from engine.apply.changes import Outcome
from engine.apply.executor import Executor
from engine.apply.failures import is_immutable, no_namespace
from engine.apply.write import TRIES, adopted, migrated, send
from engine.cluster import ApiError, Forbidden, Resource
from engine.cluster.errors import is_outdated
from engine.errors import ReconciliationFailed
from engine.objects.ref import Object
from engine.plan import Action, Change, Plan
from engine.plan.drift import Difference, differences, is_owned_alike
from engine.plan.observation import is_partial
from engine.plan.policy import is_forced, is_merged

_PROBE = "-probe"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be written for one object, and why.

    live: as the verdict found it; None if there is none.  recreate: delete it first.
    """

    change: Change
    outcome: Outcome
    resource: Resource | None = None
    live: Object | None = None
    differences: tuple[Difference, ...] = ()
    recreate: bool = False


async def judged(change: Change, plan: Plan, executor: Executor) -> Verdict:
    """What is to be done.  Raises ApiError, UnknownKind, ReconciliationFailed where it cannot be.

    An object that changed or went since the plan was made is looked at again.
    """
    ref, live = change.ref, change.live
    resource = await executor.client.discovery.resource(ref.group, change.version, ref.kind)
    if resource.namespaced and not ref.namespace:
        raise ReconciliationFailed(no_namespace(ref, executor.origins.get(ref, "")))
    for attempt in range(1, TRIES + 1):
        if live is None:
            break
        try:
            return await _compared(change, resource, live, plan, executor)
        except ApiError as error:
            if attempt == TRIES or not is_outdated(error):
                raise
        live = await executor.client.get(resource, ref.namespace, ref.name)
    return Verdict(change, Outcome.CREATED, resource)


async def _compared(
    change: Change, resource: Resource, live: Object, plan: Plan, executor: Executor
) -> Verdict:
    desired = change.desired or {}
    is_odd = executor.migrates or executor.live.ignored.of(desired)
    needs_whole = change.action is not Action.CONFIGURE or is_odd
    if is_partial(live) and not needs_whole:
        verdict = await _foreseen(change, resource, live, executor)
        if verdict is not None:
            return verdict
    if is_partial(live):
        whole = await executor.client.get(resource, change.ref.namespace, change.ref.name)
        if whole is None:
            return Verdict(change, Outcome.CREATED, resource)
        live = whole
    if change.action is Action.WARN:
        return await _left(change, resource, live, executor)
    if executor.migrates:
        live = await migrated(desired, resource, live, executor) or live
    if not is_merged(desired, live):
        live = await adopted(resource, live, executor)
    if change.action is Action.CORRECT:
        return Verdict(change, Outcome.CONFIGURED, resource, live)
    return await _predicted(change, resource, live, plan, executor)


async def _predicted(
    change: Change, resource: Resource, live: Object, plan: Plan, executor: Executor
) -> Verdict:
    """The verdict by a dry-run, and by the live object whole."""
    desired = change.desired or {}
    try:
        predicted = await send(desired, resource, live, executor, dry_run=True)
    except ApiError as error:
        if not (is_immutable(error) and is_forced(desired, live, plan.policy)):
            raise
        await _check_creatable(desired, resource, executor, error)
        return Verdict(change, Outcome.CREATED, resource, live, recreate=True)
    found = tuple(differences(live, predicted))
    if not found and _is_owned_alike(live, predicted, executor):
        executor.settle(change.ref, executor.live.observed(predicted).signature)
        return Verdict(change, Outcome.UNCHANGED, resource, live)
    return Verdict(change, Outcome.CONFIGURED, resource, live, found)


async def _left(change: Change, resource: Resource, live: Object, executor: Executor) -> Verdict:
    """What has drifted of an object that is not to be corrected."""
    try:
        predicted = await send(change.desired or {}, resource, live, executor, dry_run=True)
    except ApiError as error:
        if not is_immutable(error):
            raise
        return Verdict(change, Outcome.LEFT, resource, live)
    found = tuple(differences(live, predicted))
    if found or not _is_owned_alike(live, predicted, executor):
        return Verdict(change, Outcome.LEFT, resource, live, found)
    executor.settle(change.ref, executor.live.observed(predicted).signature)
    return Verdict(change, Outcome.UNCHANGED, resource, live)


def _is_owned_alike(live: Object, predicted: Object, executor: Executor) -> bool:
    """Whether we would own the same fields, not counting those that are ignored."""
    if is_owned_alike(live, predicted, executor.manager):
        return True
    seen = executor.live.observed
    return bool(
        executor.live.ignored.of(predicted) and seen(live).signature == seen(predicted).signature
    )


async def _foreseen(
    change: Change, resource: Resource, live: Object, executor: Executor
) -> Verdict | None:
    """The verdict by a dry-run and what the watch has told; None: the whole object is needed."""
    ref, desired = change.ref, change.desired or {}
    seen = executor.live.get(ref)
    if seen is None or (seen.is_adoptable and not is_merged(desired, live)):
        return None
    try:
        predicted = await send(desired, resource, live, executor, dry_run=True)
    except ApiError as error:
        if is_immutable(error):
            return None
        raise
    signature = executor.live.observed(predicted).signature
    if not signature:
        return None
    if signature != seen.signature:
        return Verdict(change, Outcome.CONFIGURED, resource, live)
    executor.settle(ref, signature)
    return Verdict(change, Outcome.UNCHANGED, resource, predicted)


async def _check_creatable(
    desired: Object, resource: Resource, executor: Executor, refusal: ApiError
) -> None:
    """Raises the refusal if the object is invalid in itself: deleting the live one would not help.

    Asked by the dry-run of a create under another name, as the own one is taken.
    """
    name = desired["metadata"]["name"][: 63 - len(_PROBE)].rstrip("-.") + _PROBE
    probe = {**desired, "metadata": {**desired["metadata"], "name": name}}
    try:
        await executor.client.create(resource, probe, dry_run=True, field_manager=executor.manager)
    except ApiError as error:
        if isinstance(error, Forbidden):
            if "exceeded quota" in error.message:  # deleting makes room
                return
            raise
        raise refusal from error
