"""What one call of a webhook does: proves, chooses, asks.

Order of steps and answers: flux-behaviour 6.4; unlike Flux's, all objects are asked at once, and
one that cannot be asked does not stop the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import anyio
import anyio.lowlevel
from anyio import to_thread

from engine.api.meta import REQUESTED_AT
from engine.apply.executor import each
from engine.cluster import ApiError, Client, LeaseLost
from engine.errors import TokenNotFound
from engine.hooks import Genuine, Hit, Refused, path_of
from engine.hooks.payload import request_of
from engine.objects.cel import CelError
from engine.objects.ref import Ref
from engine.reconcile.receiver import token_now
from engine.reconcile.receiver_hooks import Hook
from engine.reconcile.receiver_targets import Target, is_home, targets_of
from engine.reconcile.run import Engine
from engine.runtime import Priority
from engine.telemetry import called

_MANAGER = "notification-controller"
_IN_FLIGHT = 16  # requests of one call
_TOKEN_AGE = 5.0  # seconds for which a token is not read again: so long one that was revoked counts
_FILTER_TIME = 2.0  # seconds that the expressions of one call may take together
_SMALL = 64 * 2**10  # bytes of JSON that are parsed in a millisecond: not worth a thread


class Outcome(StrEnum):
    """What came of a call: a value of the metric."""

    WOKEN = "woken"
    JOINED = "joined"
    NOTHING = "nothing"
    REFUSED = "refused"
    FAILED = "failed"
    SUSPENDED = "suspended"
    NOT_READY = "not ready"
    TOO_LARGE = "too large"
    TOO_SLOW = "too slow"
    BROKEN_OFF = "broken off"
    BUSY = "busy"


_STATUS: Mapping[Outcome, int] = {
    Outcome.WOKEN: 200,
    Outcome.JOINED: 200,
    Outcome.NOTHING: 200,
    Outcome.REFUSED: 400,
    Outcome.BROKEN_OFF: 400,
    Outcome.TOO_SLOW: 408,
    Outcome.TOO_LARGE: 413,
    Outcome.FAILED: 500,
    Outcome.SUSPENDED: 503,
    Outcome.NOT_READY: 503,
    Outcome.BUSY: 503,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an entry, or one object of it, was not asked.

    is_home: whether who may read the Receiver may read why.
    """

    what: str
    why: str
    is_home: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What a call did.

    why: nothing was done, "" where objects were named.  woken: asked now; joined: had been asked
    before; left: an expression left them out; problems: could not be asked.
    """

    outcome: Outcome
    why: str = ""
    woken: tuple[Ref, ...] = ()
    joined: tuple[Ref, ...] = ()
    left: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def status(self) -> int:
        """Of the HTTP answer."""
        return _STATUS[self.outcome]


async def effect_of(hook: Hook, headers: Mapping[str, str], body: bytes, engine: Engine) -> Effect:
    """Verifies a call, and has the objects reconciled that it means."""
    client = engine.client.at(Priority.MANUAL, hook.ref.namespace)
    try:
        genuine = await _verified(await _current(hook, client, engine), headers, body, engine)
    except (Refused, TokenNotFound) as error:
        return Effect(Outcome.REFUSED, str(error))
    except ApiError as error:
        return Effect(Outcome.BUSY, f"its token cannot be read: {error}")
    ref, kind = hook.ref, hook.spec.type
    try:
        with called("webhook", headers, namespace=ref.namespace, name=ref.name, type=kind):
            return await _acted(hook, genuine, client, engine)
    except (Refused, CelError) as error:
        return Effect(Outcome.FAILED, f"its filter says nothing: {error}")
    except LeaseLost as error:
        return Effect(Outcome.BUSY, str(error))


async def _current(hook: Hook, client: Client, engine: Engine) -> Hook:
    """The hook with a token that was read some seconds ago at most.

    Where it is another one, calls must be proven with that, and the path is old, too.
    """
    now = engine.clock.monotonic()
    if now - hook.read_at < _TOKEN_AGE:
        return hook
    # First, so that calls that come meanwhile do not read it, too.
    engine.hooks.renewed(hook, fresh := replace(hook, read_at=now))
    try:
        token = await token_now(hook, client)
    except (ApiError, TokenNotFound) as error:
        engine.hooks.renewed(fresh, hook)
        if isinstance(error, TokenNotFound):
            engine.triggers.configured(hook.ref, "its token is gone")
        raise
    if token != hook.token:
        engine.hooks.renewed(fresh, fresh := replace(fresh, token=token))
        engine.triggers.configured(hook.ref, "its token changed")
    return fresh


def verified(hook: Hook, headers: Mapping[str, str], body: bytes, engine: Engine) -> Genuine:
    """What the call says.  Raises Refused unless it is genuine, and of an event that is wanted."""
    genuine = engine.plugins.receivers[hook.spec.type](Hit(headers, body, hook.token))
    wanted = hook.spec.events
    event = genuine.event
    if event is not None and wanted and event.lower() not in {each.lower() for each in wanted}:
        raise Refused(f"its event is not one of spec.events ({', '.join(wanted)})")
    return genuine


async def _verified(hook: Hook, headers: Mapping[str, str], body: bytes, engine: Engine) -> Genuine:
    """The same; what a long body says, a form of a million escapes, is read beside the loop."""
    if len(body) <= _SMALL:
        genuine = verified(hook, headers, body, engine)
    else:
        genuine = await to_thread.run_sync(verified, hook, headers, body, engine)
    if genuine.is_by_path and hook.path != path_of(hook.token, hook.ref.name, hook.ref.namespace):
        raise Refused(
            "its path is that of a token which was changed since: call status.webhookPath"
        )
    return genuine


async def _acted(hook: Hook, genuine: Genuine, client: Client, engine: Engine) -> Effect:
    """Raises Refused, CelError if the expressions have no value; LeaseLost."""
    entries = hook.spec.resources
    # First, as what is wrong with the body is wrong for all.
    req = await _request(genuine.payload) if hook.filters else {}
    indexes = range(len(entries))
    found = await each(
        indexes,
        lambda index: targets_of(index, entries[index], hook.ref.namespace, engine, client),
        _IN_FLIGHT,
    )
    problems, targets = [], []
    for index, result in zip(indexes, found, strict=True):
        if isinstance(result, Exception):
            what = f"{entries[index].kind}/{entries[index].name}"
            problems.append(Problem(what, str(result), is_home(entries[index], hook.ref.namespace)))
        else:
            targets += result
    meant = await _meant(targets, req, hook, engine)
    asked = await each(meant, lambda target: _ask(target, client, engine), _IN_FLIGHT)
    problems += _problems(meant, asked, hook.ref.namespace)
    left = len({target.ref for target in targets}) - len(meant)
    return _effect(meant, asked, left, problems)


async def _request(payload: bytes) -> Mapping[str, object]:
    """What expressions see as `req`.  Raises Refused."""
    if len(payload) <= _SMALL:
        return request_of(payload)
    return await to_thread.run_sync(request_of, payload)


async def _meant(
    targets: Iterable[Target], req: Mapping[str, object], hook: Hook, engine: Engine
) -> list[Target]:
    """Those that the expressions accept, each once.  Raises CelError."""
    end = engine.clock.monotonic() + _FILTER_TIME
    meant: dict[Ref, Target] = {}
    for target in targets:
        if hook.filters:
            if engine.clock.monotonic() > end:
                raise CelError(f"the expressions took more than {_FILTER_TIME:g} s for all objects")
            if not hook.filters.accepts(target.index, target.obj, req):
                continue
            await anyio.lowlevel.checkpoint()
        meant.setdefault(target.ref, target)
    return list(meant.values())


async def _ask(target: Target, client: Client, engine: Engine) -> bool:
    """Whether it was asked now; False: it had been, and that run is still to come."""
    ref, token = target.ref, engine.requests.token(engine.clock.wall())
    is_ours = engine.triggers.reconciles(ref)

    async def send() -> None:
        patch = {"metadata": {"annotations": {REQUESTED_AT: token}}}
        answer = await client.merge_patch(
            target.resource, ref.namespace, ref.name, patch, field_manager=_MANAGER
        )
        if is_ours:
            engine.triggers.changed(answer)

    return await engine.requests.ask(ref, token, send, engine.mirror, is_ours=is_ours)


def _problems(
    meant: Sequence[Target], asked: Sequence[bool | Exception], home: str
) -> list[Problem]:
    return [
        Problem(str(target.ref), str(result), target.ref.namespace == home)
        for target, result in zip(meant, asked, strict=True)
        if isinstance(result, Exception)
    ]


def _effect(
    meant: Sequence[Target], asked: Sequence[bool | Exception], left: int, problems: list[Problem]
) -> Effect:
    results = list(zip(meant, asked, strict=True))
    woken = tuple(target.ref for target, result in results if result is True)
    joined = tuple(target.ref for target, result in results if result is False)
    if problems:
        outcome = Outcome.FAILED
    elif woken:
        outcome = Outcome.WOKEN
    else:
        outcome = Outcome.JOINED if joined else Outcome.NOTHING
    return Effect(outcome, "", woken, joined, left, tuple(problems))
