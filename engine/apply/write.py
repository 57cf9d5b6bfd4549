"""Write one object: apply it, or replace one that cannot be changed."""

from typing import Any

from engine.apply.executor import FIRST_POLL, LONGEST_POLL, Executor
from engine.apply.failures import is_of_old_version
from engine.cluster import ApiError, Resource
from engine.cluster.errors import is_outdated
from engine.errors import ReconciliationFailed
from engine.objects.ref import Object, Ref
from engine.plan.adoption import adoption, has_lost_owners, migration
from engine.plan.ignore import yielded
from engine.plan.observation import is_partial
from engine.plan.policy import is_merged
from engine.telemetry import logger

TRIES = 5  # of a write to an object that keeps changing; each looks at it again first

_SERVER_WRITTEN = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "finalizers",
)


async def send(
    desired: Object,
    resource: Resource,
    live: Object | None,
    executor: Executor,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """One server-side apply.  An update carries the uid: it never brings back what was deleted.

    live: whole where fields of it are ignored.
    """
    if live is None:
        return await _sent(desired, resource, None, executor, dry_run=dry_run)
    try:
        return await _sent(desired, resource, live, executor, dry_run=dry_run)
    except ApiError as error:
        if not is_of_old_version(error):
            raise
        read = await migrated(desired, resource, live, executor)
        if read is None:
            raise
    return await _sent(desired, resource, read, executor, dry_run=dry_run)


async def migrated(
    desired: Object, resource: Resource, live: Object, executor: Executor
) -> Object | None:
    """The live object once all who wrote it did so in the desired version; None: they did."""
    client, metadata = executor.client, live["metadata"]
    place = metadata.get("namespace", ""), metadata["name"]
    whole = await client.get(resource, *place) if is_partial(live) else live
    operations = migration(whole, desired["apiVersion"]) if whole is not None else []
    if not operations:
        return None
    text = "%s: whoever wrote it in another version is now said to have written %s"
    logger.info(text, Ref.of(desired), desired["apiVersion"])
    return await client.json_patch(resource, *place, operations, field_manager=executor.manager)


async def _sent(
    desired: Object,
    resource: Resource,
    live: Object | None,
    executor: Executor,
    *,
    dry_run: bool,
) -> dict[str, Any]:
    if live is not None:
        pointers = executor.live.ignored.of(desired)
        if pointers:
            desired = yielded(desired, live, pointers, executor.manager)
    metadata = dict(desired["metadata"])
    if live is not None:
        metadata["uid"] = live["metadata"]["uid"]
    if not resource.namespaced:
        metadata.pop("namespace", None)
    return await executor.client.apply(
        resource,
        {**desired, "metadata": metadata},
        manager=executor.manager,
        force=True,
        dry_run=dry_run,
    )


async def applied(
    desired: Object, resource: Resource, live: Object | None, executor: Executor
) -> dict[str, Any]:
    """The object once it is applied, also if it went or was made anew in between."""
    metadata = desired["metadata"]
    for _ in range(TRIES - 1):
        try:
            return await send(desired, resource, live, executor)
        except ApiError as error:
            if not is_outdated(error):
                raise
            namespace = metadata.get("namespace", "")
            found = await executor.client.get(resource, namespace, metadata["name"])
            if found is None and live is None:  # it is its namespace that is missing
                raise
            live = found
    return await send(desired, resource, live, executor)


async def adopted(resource: Resource, live: Object, executor: Executor) -> Object:
    """The live object without what older tools and kubectl left on it."""
    operations = adoption(live, executor.manager, executor.overridden)
    if not operations:
        return live
    metadata = live["metadata"]
    return await executor.client.json_patch(
        resource,
        metadata.get("namespace", ""),
        metadata["name"],
        operations,
        field_manager=executor.manager,
    )


async def owned_again(
    desired: Object, resource: Resource, answer: dict[str, Any], executor: Executor
) -> dict[str, Any]:
    """The object once nobody owns a field of whom the API server has forgotten who it was.

    Else a field that Git no longer holds, or will drop, would stay for ever.
    """
    if not has_lost_owners(answer) or is_merged(desired, answer):
        return answer
    try:
        live = await adopted(resource, answer, executor)
    except ApiError as error:
        if is_outdated(error):  # somebody else wrote it: the next look folds it
            return answer
        raise
    return await applied(desired, resource, live, executor)


async def recreated(
    ref: Ref, desired: Object, resource: Resource, live: Object, executor: Executor
) -> dict[str, Any]:
    """The object after it was deleted and created; if that is refused, the old one is put back."""
    await _remove(ref, resource, live, executor)
    try:
        return await send(desired, resource, None, executor)
    except ApiError:
        await _put_back(ref, resource, live, executor)
        raise


async def _remove(ref: Ref, resource: Resource, live: Object, executor: Executor) -> None:
    """Deletes the object that was judged, and returns when it is gone.

    Raises ReconciliationFailed if finalizers hold it for too long.
    """
    uid, client, clock = live["metadata"]["uid"], executor.client, executor.clock
    await client.delete(resource, ref.namespace, ref.name, uid=uid)
    deadline, pause = clock.monotonic() + executor.group_timeout, FIRST_POLL
    while True:
        found = await client.get(resource, ref.namespace, ref.name)
        if found is None or found["metadata"]["uid"] != uid:
            return
        if clock.monotonic() > deadline:
            held = ", ".join(found["metadata"].get("finalizers") or ())
            raise ReconciliationFailed(
                f"{ref} is not gone {executor.group_timeout:g}s after its deletion, which was to "
                f"replace it; finalizers: {held or 'none'}"
            )
        await clock.sleep(pause)
        pause = min(pause * 2, LONGEST_POLL)


async def _put_back(ref: Ref, resource: Resource, live: Object, executor: Executor) -> None:
    metadata = {k: v for k, v in live["metadata"].items() if k not in _SERVER_WRITTEN}
    old = {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}
    try:
        await executor.client.create(resource, old, field_manager=executor.manager)
    except ApiError as error:
        logger.error("%s: neither replaced nor put back: %s", ref, error.reason)
