"""Wait for what other objects build on: definitions, namespaces and classes.

A definition is ready once the API server serves its kind: `Established` comes a moment earlier.
"""

from collections.abc import Sequence
from functools import partial

from engine.apply.changes import Done, Outcome
from engine.apply.executor import FIRST_POLL, LONGEST_POLL, Executor, each
from engine.cluster import UnknownKind
from engine.objects.kstatus import Health, Status, health
from engine.objects.ref import Object, Ref
from engine.plan.observation import is_partial

_GONE = Health(Status.UNKNOWN, "it was deleted", None)
_NOT_SERVED = Health(Status.IN_PROGRESS, "the API server does not serve the kind yet", None)


async def unready(written: Sequence[Done], executor: Executor) -> list[str]:
    """What of a group is not Current in time: a line each."""
    waiting = [done for done in written if not _is_settled(done, executor)]
    if any(_is_new_definition(done) for done in waiting):
        executor.client.discovery.invalidate()
    deadline, pause, is_known = (
        executor.clock.monotonic() + executor.group_timeout,
        FIRST_POLL,
        True,
    )
    while True:
        with executor.live.listening([done.ref for done in waiting]) as news:
            if not is_known:
                waiting = await _reread_all(waiting, executor)
            states = await _states(waiting, executor)
            waiting = [done for done in waiting if states[done.ref].status is not Status.CURRENT]
            gone = [
                f"{done.ref} was deleted while it was waited for"
                for done in waiting
                if states[done.ref] is _GONE
            ]
            now = executor.clock.monotonic()
            if gone:  # its deletion queues the next run, which makes it anew
                return gone
            if not waiting or now > deadline:
                return [_told(done, states[done.ref], executor) for done in waiting]
            await executor.clock.wait(news, now + pause)  # that a kind is served, no watch tells
        pause, is_known = min(pause * 2, LONGEST_POLL), False


async def _states(waiting: Sequence[Done], executor: Executor) -> dict[Ref, Health]:
    found = await each(waiting, partial(_state, executor=executor), executor.in_flight)
    return {
        done.ref: Health(Status.UNKNOWN, str(state), None)
        if isinstance(state, Exception)
        else state
        for done, state in zip(waiting, found, strict=True)
    }


async def _reread_all(waiting: Sequence[Done], executor: Executor) -> list[Done]:
    read = await each(waiting, partial(_reread, executor=executor), executor.in_flight)
    return [new if isinstance(new, Done) else done for done, new in zip(waiting, read, strict=True)]


def _told(done: Done, state: Health, executor: Executor) -> str:
    return (
        f"{done.ref} is not ready after {executor.group_timeout:g}s: "
        f"status '{state.status}': {state.message}"
    )


def _is_settled(done: Done, executor: Executor) -> bool:
    """Whether there is nothing to wait for: left alone, or the watch shows it Current."""
    if done.outcome is not Outcome.UNCHANGED:
        return done.outcome is Outcome.SKIPPED
    seen = executor.live.current(done.ref)
    return seen is not None and seen.health.status is Status.CURRENT


def _is_new_definition(done: Done) -> bool:
    is_written = done.outcome in (Outcome.CREATED, Outcome.CONFIGURED)
    return is_written and done.ref.kind == "CustomResourceDefinition"


async def _state(done: Done, executor: Executor) -> Health:
    if done.live is None or is_partial(done.live):
        done = await _reread(done, executor)
    if done.live is None:
        return _GONE
    live = done.live
    found = executor.live.judges.health(live) or health(live, executor.clock.wall())
    if found.status is not Status.CURRENT or done.ref.kind != "CustomResourceDefinition":
        return found
    return found if await _is_served(live, executor) else _NOT_SERVED


async def _is_served(definition: Object, executor: Executor) -> bool:
    spec, discovery = definition["spec"], executor.client.discovery
    for version in spec["versions"]:
        if not version.get("served"):
            continue
        try:
            await discovery.resource(spec["group"], version["name"], spec["names"]["kind"])
        except UnknownKind:
            discovery.invalidate()
            return False
    return True


async def _reread(done: Done, executor: Executor) -> Done:
    ref, discovery = done.ref, executor.client.discovery
    resource = await discovery.resource(ref.group, done.version, ref.kind)
    live = await executor.client.get(resource, ref.namespace, ref.name)
    return Done(ref, done.version, done.outcome, live, done.differences)
