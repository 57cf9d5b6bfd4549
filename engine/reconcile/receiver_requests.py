"""What webhooks asked for: one request for all calls that come before its run begins.

A call that joins a request is as good as one that made it: the run that both wait for looks at the
source after both came.  Once it has begun it may have looked already, so the next call asks anew.
Of objects that another controller reconciles nobody knows when that is: a call joins only a
request that is not sent yet.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio

from engine.cluster import ApiError, LeaseLost, Unreachable
from engine.cluster.mirror import Mirror
from engine.objects.ref import Object, Ref
from engine.reconcile.outcome import requested_at
from engine.telemetry import Cause, current_cause


@dataclass(slots=True)
class _Request:
    """One request.  problem: why it could not be sent; None: it was sent, or is not yet.

    is_doubtful: before its answer came a run began, of what was before it or of what somebody else
    asked for right after it: it is not to be joined, as its run may be that one.
    """

    token: str
    cause: Cause | None
    done: anyio.Event = field(default_factory=anyio.Event)
    problem: Exception | None = None
    is_closed: bool = False
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts: requests that no run has begun for; calls since the start by what they did."""

    open: int
    sent: int
    joined: int


class Requests:
    """The requests that calls may join."""

    def __init__(self) -> None:
        self._open: dict[Ref, _Request] = {}
        self._sending: dict[Ref, anyio.Lock] = {}
        self._sent = self._joined = 0
        self._newest = 0  # microseconds since 1970

    def token(self, wall: float) -> str:
        """A token that was never used before; wall: seconds since 1970."""
        self._newest = max(int(wall * 1e6), self._newest + 1)
        at = datetime.fromtimestamp(self._newest // 10**6, UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{self._newest % 10**6:06}Z"

    async def ask(
        self,
        ref: Ref,
        token: str,
        send: Callable[[], Awaitable[None]],
        mirror: Mirror,
        *,
        is_ours: bool,
    ) -> bool:
        """Has the object reconciled; False: a request that was made before serves this call, too.

        token: new, written by `send`.  is_ours: it is reconciled here, so that `begun` is told.
        Raises what `send` raises, in all calls that it was to serve.
        """
        request = self._open.get(ref)
        if request is not None and self._may_join(request, ref, mirror):
            await request.done.wait()
            if request.problem is not None:
                raise request.problem
            self._joined += 1
            return False
        request = self._open[ref] = _Request(token, current_cause())
        await self._send(request, ref, send, is_ours=is_ours)
        if is_ours and mirror.get(ref) is None:  # deleted meanwhile: no run will begin
            self._close(ref, request)
        self._sent += 1
        return True

    def _may_join(self, request: _Request, ref: Ref, mirror: Mirror) -> bool:
        if request.is_closed or request.is_doubtful or request.problem is not None:
            return False
        if not request.done.is_set():
            return True
        obj = mirror.get(ref)  # perhaps it was deleted and made anew, or others asked meanwhile
        return obj is not None and requested_at(obj) == request.token

    async def _send(
        self, request: _Request, ref: Ref, send: Callable[[], Awaitable[None]], *, is_ours: bool
    ) -> None:
        lock = self._sending.setdefault(ref, anyio.Lock())
        try:
            async with lock:
                if not is_ours:
                    self._close(ref, request)
                await send()
        except (ApiError, LeaseLost) as error:
            request.problem = error
            raise
        except BaseException:
            request.problem = Unreachable(0, "", f"{ref}: the engine stopped before it asked")
            raise
        finally:
            request.done.set()
            if request.problem is not None:
                self._close(ref, request)
            if not lock.statistics().tasks_waiting and not lock.locked():
                self._sending.pop(ref, None)

    def begun(self, ref: Ref, obj: Object) -> Cause | None:
        """A run of the object begins: whose behalf it is on, if a webhook asked for it."""
        request = self._open.get(ref)
        if request is None:
            return None
        is_it = requested_at(obj) == request.token
        if not is_it and not request.done.is_set():
            request.is_doubtful = True
            return None  # perhaps another run: then the one that was asked for comes after it
        self._close(ref, request)
        return request.cause if is_it else None

    def _close(self, ref: Ref, request: _Request) -> None:
        request.is_closed = True
        if self._open.get(ref) is request:
            del self._open[ref]

    def forget(self, ref: Ref) -> None:
        """The object is gone."""
        request = self._open.get(ref)
        if request is not None and request.done.is_set():
            self._close(ref, request)

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(len(self._open), self._sent, self._joined)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Requests {self.statistics()}>"
