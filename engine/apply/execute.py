"""Carry out the applies of a plan: validate a group, write it, wait for what others build on.

Updates are validated by a dry-run, all of a group, before the first object of the group is
written; creates go directly.  All refusals of a group are reported together.
Source: fluxcd/pkg ssa (ApplyAllStaged); differences: ARCHITECTURE.md.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

import anyio

from engine.apply.adopt import adoption
from engine.apply.changes import ChangeSet, Done, Outcome, lines_of
from engine.apply.failures import is_immutable, refused
from engine.cluster import ApiError, Client, Conflict, LeaseLost, NotFound, Resource, UnknownKind
from engine.errors import Failure, ReconciliationFailed
from engine.objects.kstatus import Status, health
from engine.objects.ref import Object, Ref, version_of
from engine.plan import Action, Change, Plan
from engine.plan.drift import Difference, differences, is_owned_alike
from engine.plan.order import Group, rank_of
from engine.plan.policy import is_forced, is_merged
from engine.runtime import Clock

T = TypeVar("T")
R = TypeVar("R")

_FIRST_POLL, _LONGEST_POLL = 0.05, 2.0  # seconds; Flux polls every 2 s


@dataclass(frozen=True, slots=True)
class Executor:
    """What applying needs beside the plan.

    manager: field manager.  overridden: managers whose fields are taken over.  in_flight: requests
    at a time.  group_timeout: seconds for definitions and classes to be ready.
    origins: `file:line` of desired objects, for messages.
    """

    client: Client
    clock: Clock
    manager: str
    overridden: tuple[str, ...]
    in_flight: int
    group_timeout: float
    origins: Mapping[Ref, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be written for one object, and why."""

    change: Change
    outcome: Outcome
    resource: Resource | None = None
    live: Object | None = None
    differences: tuple[Difference, ...] = ()
    recreate: bool = False


async def apply(plan: Plan, executor: Executor) -> ChangeSet:
    """Everything applied, or ReconciliationFailed with each object that was refused.

    The message of the failure ends with the changes that were made before it.
    """
    done: list[Done] = []
    for group, changes in plan.groups():
        written, refusals = await _apply_group(changes, plan, executor)
        done += written
        if not refusals and group <= Group.CLASSES:
            refusals = await _unready(written, executor)
        if refusals:
            made = lines_of(ChangeSet(tuple(done)).changed())
            raise ReconciliationFailed("\n".join([*refusals, *([made] if made else [])]))
    return ChangeSet(tuple(done))


async def each(
    items: Sequence[T], work: Callable[[T], Awaitable[R]], in_flight: int
) -> list[R | Exception]:
    """The results of `work` in the order of `items`, at most `in_flight` at a time.

    An error of the API server is a result: one refused object never stops another.
    """
    results: list[R | Exception] = [RuntimeError("not run")] * len(items)
    limiter = anyio.CapacityLimiter(in_flight)

    async def one(index: int, item: T) -> None:
        async with limiter:
            try:
                results[index] = await work(item)
            except (ApiError, UnknownKind, LeaseLost, Failure) as error:
                results[index] = error

    async with anyio.create_task_group() as tasks:
        for index, item in enumerate(items):
            tasks.start_soon(one, index, item)
    lost = next((result for result in results if isinstance(result, LeaseLost)), None)
    if lost is not None:
        raise lost
    return results


async def _apply_group(
    changes: Sequence[Change], plan: Plan, executor: Executor
) -> tuple[list[Done], list[str]]:
    """What was written of one group, and what was refused."""
    judge = partial(_judged, plan=plan, executor=executor)
    judged = await each(changes, judge, executor.in_flight)
    refusals = _refusals(changes, judged, "dry-run", executor)
    if refusals:
        return [], refusals
    verdicts = [verdict for verdict in judged if isinstance(verdict, Verdict)]
    done: list[Done] = []
    for _, batch in groupby(verdicts, lambda verdict: rank_of(verdict.change.ref)):
        same_rank = list(batch)
        write = partial(_written, executor=executor)
        results = await each(same_rank, write, executor.in_flight)
        done += [result for result in results if isinstance(result, Done)]
        refusals += _refusals([v.change for v in same_rank], results, "apply", executor)
    return done, refusals


def _refusals(
    changes: Sequence[Change], results: Sequence[object], verb: str, executor: Executor
) -> list[str]:
    return [
        refused(change.ref, error, verb, executor.origins.get(change.ref, ""))
        for change, error in zip(changes, results, strict=True)
        if isinstance(error, Exception)
    ]


async def _judged(change: Change, plan: Plan, executor: Executor) -> Verdict:
    """What the API server says would happen to one object."""
    if change.action is Action.SKIP:
        return Verdict(change, Outcome.SKIPPED, live=change.live)
    ref = change.ref
    discovery = executor.client.discovery
    resource = await discovery.resource(ref.group, change.version, ref.kind)
    if change.live is None:
        return Verdict(change, Outcome.CREATED, resource)
    try:
        return await _compared(change, resource, change.live, plan, executor)
    except (Conflict, NotFound) as error:
        if is_immutable(error):
            raise
        # It was deleted, or deleted and made anew, since the plan was made.
        live = await executor.client.get(resource, ref.namespace, ref.name)
        if live is None:
            return Verdict(change, Outcome.CREATED, resource)
        return await _compared(change, resource, live, plan, executor)


async def _compared(
    change: Change, resource: Resource, live: Object, plan: Plan, executor: Executor
) -> Verdict:
    desired = change.desired or {}
    if not is_merged(desired, live):
        live = await _adopted(resource, live, executor)
    try:
        predicted = await _send(desired, resource, live, executor, dry_run=True)
    except ApiError as error:
        if is_immutable(error) and is_forced(desired, live, plan.policy):
            return Verdict(change, Outcome.CREATED, resource, live, recreate=True)
        raise
    found = tuple(differences(live, predicted))
    if not found and is_owned_alike(live, predicted, executor.manager):
        return Verdict(change, Outcome.UNCHANGED, resource, live)
    return Verdict(change, Outcome.CONFIGURED, resource, live, found)


async def _adopted(resource: Resource, live: Object, executor: Executor) -> Object:
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


async def _written(verdict: Verdict, executor: Executor) -> Done:
    change, resource = verdict.change, verdict.resource
    live = verdict.live
    if resource is not None and verdict.outcome in (Outcome.CREATED, Outcome.CONFIGURED):
        if verdict.recreate and live is not None:
            await _removed(change.ref, resource, live, executor)
            live = None
        live = await _send(change.desired or {}, resource, live, executor)
    return Done(change.ref, change.version, verdict.outcome, live, verdict.differences)


async def _send(
    desired: Object,
    resource: Resource,
    live: Object | None,
    executor: Executor,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """One server-side apply.  An update carries the uid: it never brings back what was deleted."""
    metadata = dict(desired["metadata"])
    if live is not None:
        metadata["uid"] = live["metadata"]["uid"]
    if not resource.namespaced:
        metadata.pop("namespace", None)
    body = {**desired, "metadata": metadata}
    return await executor.client.apply(
        resource,
        body,
        manager=executor.manager,
        force=True,
        dry_run=dry_run,
    )


async def _removed(ref: Ref, resource: Resource, live: Object, executor: Executor) -> None:
    """Deletes the object that was judged, and returns when it is gone."""
    uid = live["metadata"]["uid"]
    client = executor.client
    await client.delete(resource, ref.namespace, ref.name, uid=uid)
    pause = _FIRST_POLL
    while True:
        found = await client.get(resource, ref.namespace, ref.name)
        if found is None or found["metadata"]["uid"] != uid:
            return
        await executor.clock.sleep(pause)
        pause = min(pause * 2, _LONGEST_POLL)


async def _unready(written: Sequence[Done], executor: Executor) -> list[str]:
    """What of a group is not Current in time: a line each."""
    waiting = {done.ref: done for done in written if done.outcome is not Outcome.SKIPPED}
    deadline = executor.clock.monotonic() + executor.group_timeout
    pause = _FIRST_POLL
    while True:
        states = {
            ref: health(done.live or {}, executor.clock.wall()) for ref, done in waiting.items()
        }
        waiting = {r: d for r, d in waiting.items() if states[r].status is not Status.CURRENT}
        if any(ref.kind == "CustomResourceDefinition" for ref in states):
            executor.client.discovery.invalidate()
        if not waiting or executor.clock.monotonic() > deadline:
            return [
                f"{ref} is not ready after {executor.group_timeout:g}s: "
                f"status '{states[ref].status}': {states[ref].message}"
                for ref in waiting
            ]
        await executor.clock.sleep(pause)
        pause = min(pause * 2, _LONGEST_POLL)
        known = list(waiting.values())
        read = await each(known, partial(_reread, executor=executor), executor.in_flight)
        waiting = {
            done.ref: new if isinstance(new, Done) else done
            for done, new in zip(known, read, strict=True)
        }


async def _reread(done: Done, executor: Executor) -> Done:
    ref = done.ref
    resource = await executor.client.discovery.resource(
        ref.group, version_of(done.live or {}), ref.kind
    )
    live = await executor.client.get(resource, ref.namespace, ref.name)
    return Done(ref, done.version, done.outcome, live or done.live, done.differences)
