"""Gets a request answered: waits for leave, checks the fence, sends, counts, tries again."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random

import anyio
from opentelemetry import trace

from engine.cluster.allowance import Room
from engine.cluster.errors import (
    ApiError,
    LeaseLost,
    Paused,
    TimedOut,
    error_of,
    is_shedding,
    is_warming_up,
)
from engine.cluster.limiter import Limiter
from engine.cluster.limiter import Statistics as LimiterStatistics
from engine.cluster.retry import pause_after
from engine.cluster.transport import Answer, NotSent, Request, Stream, Transport
from engine.runtime.clock import Clock
from engine.runtime.priority import Priority
from engine.telemetry import TRACE, carried, logger, span

PING_TIMEOUT = 10.0  # seconds; as for a connection
# EventRateLimit, an admission plugin, refuses Events by 429 however idle the API server is.
_LIMITED_APART = frozenset({"events", "events.events.k8s.io"})


@dataclass(frozen=True, slots=True)
class Report:
    """One request that was answered or failed, for metrics."""

    method: str
    verb: str
    resource: str  #: `deployments.apps`; a path where no resource is meant
    status: int  #: 0: no answer
    duration: float  #: seconds, without the wait for leave to send
    priority: Priority


@dataclass(frozen=True, slots=True)
class Statistics:
    """What was sent to one API server."""

    requests: Mapping[tuple[str, str], int]  #: {(verb, resource): count}, with repetitions
    refused: Mapping[int, int]  #: {HTTP status from 400, or 0 for no answer: count}
    retries: int
    limiter: LimiterStatistics


@dataclass(slots=True)
class Line:
    """The connection to one API server and its counts; all views of a client share it."""

    transport: Transport
    clock: Clock
    random: Random
    limiter: Limiter
    observer: Callable[[Report], None] | None = None
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    retries: int = 0
    doubtful_until: float = float("-inf")
    """Monotonic instant until which a fenced write that was given up may still be acted on."""
    room: Room = field(init=False)
    """For the objects that all watches know."""

    def __post_init__(self) -> None:
        self.room = Room(self.transport.endpoint.allowance.list_objects)

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        requests, refused = dict(self.requests), dict(self.refused)
        return Statistics(requests, refused, self.retries, self.limiter.statistics())


@dataclass(frozen=True, slots=True)
class Sender:
    """A Line as one identity uses it."""

    line: Line
    headers: Mapping[str, str] = field(default_factory=dict)
    priority: Priority = Priority.INTERVAL
    tenant: str = ""
    """On whose behalf, "": the engine's own; each tenant gets its share of the requests."""
    fence: Callable[[], None] | None = None

    async def call(self, request: Request) -> Answer:
        """The answer, after as many tries as make sense.  Raises ApiError and LeaseLost."""
        attempt = 1
        while True:
            try:
                return await self._guarded(request, attempt)
            except ApiError as error:
                pause = pause_after(error, request, attempt, self.line.random)
                if pause is None:
                    raise
            attempt += 1
            self.line.retries += 1
            await self.line.clock.sleep(pause)

    async def ping(self) -> None:
        """Returns if the API server answers; without leave, credentials or a second try.

        Raises ApiError, also for an answer that is a refusal.
        """
        request = Request("get", "GET", "/version", title="/version")
        began, status, transport = self.line.clock.monotonic(), 0, self.line.transport
        try:
            with anyio.move_on_after(PING_TIMEOUT):
                answer = await transport.send(request, transport.fixed)
                status = answer.status
        finally:
            self._account(request, status, began)
        if not status:
            text = f"GET {transport.endpoint.host}{request.path}: no answer in time"
            raise TimedOut(0, "", text)
        if status >= 300:
            raise error_of(status, answer.body)

    async def _guarded(self, request: Request, attempt: int) -> Answer:
        """One try, unless the cluster is silent; what comes of it is told to its breaker."""
        breaker = self.line.limiter.breaker
        if breaker is None:
            return await self._try(request)
        try:
            answer = await self._try(request)
        except Paused:
            raise
        except ApiError as error:
            breaker.failed(error, attempt)
            raise
        breaker.answered()
        return answer

    def _check(self) -> None:
        """Raises Paused while the cluster is silent."""
        if self.line.limiter.breaker is not None:
            self.line.limiter.breaker.check()

    async def stream(self, request: Request) -> Stream:
        """The answer once it has begun; one try."""
        breaker = self.line.limiter.breaker
        if breaker is None:
            return await self._stream(request)
        breaker.check()
        try:
            stream = await self._stream(request)
        except ApiError as error:
            breaker.failed(error, 1)
            raise
        breaker.answered()
        return stream

    async def _stream(self, request: Request) -> Stream:
        headers = await self.line.transport.headers(request, self.headers)
        async with self.line.limiter.opening():
            began = self.line.clock.monotonic()
            status = 0
            try:
                with _span(request):
                    stream = await self.line.transport.stream(request, {**headers, **carried()})
                status = 200
            except ApiError as error:
                status = error.status
                self._heed(error, request, headers)
                raise
            finally:
                self._account(request, status, began)
            return stream

    async def _try(self, request: Request) -> Answer:
        self._check()
        headers = await self.line.transport.headers(request, self.headers)
        async with self.line.limiter.slot(self.priority, self.tenant) as slot:
            self._check()  # again: it may have waited for long
            fence = self.fence if request.mutating else None
            began = self.line.clock.monotonic()
            status = 0
            try:
                with _span(request) as current:
                    sent = {**headers, **carried()}
                    answer = await self.line.transport.send(request, sent, fence)
                    _answered(request, answer.status, current)
                status = answer.status
            except (NotSent, LeaseLost):
                raise
            except BaseException as problem:
                if isinstance(problem, TimedOut):
                    slot.unanswered()
                if fence is not None:
                    self._doubt()
                raise
            finally:
                self._account(request, status, began)
            if status < 500 and status != 429:
                slot.answered(f"{request.verb} {request.title}")
            if status < 300:
                return answer
            error = error_of(status, answer.body, answer.headers.get("Retry-After", ""))
            self._heed(error, request, headers)
            raise error

    def _doubt(self) -> None:
        """A write has no answer: it was sent and given up, by timeout or by cancellation."""
        line = self.line
        limit = line.transport.endpoint.request_timeout
        line.doubtful_until = line.clock.monotonic() + limit

    def _heed(self, error: ApiError, request: Request, headers: Mapping[str, str]) -> None:
        """What a refusal means to all requests and not only to this one."""
        if error.status == 401:
            self.line.transport.endpoint.credentials.refused(headers)
        is_general = request.title not in _LIMITED_APART and not is_warming_up(error)
        if is_shedding(error) and is_general:
            self.line.limiter.reject(error.retry_after or 1.0)

    def _account(self, request: Request, status: int, began: float) -> None:
        line = self.line
        line.requests[request.verb, request.title] += 1
        if status == 0 or status >= 400:
            line.refused[status] += 1
        duration = line.clock.monotonic() - began
        if logger.isEnabledFor(TRACE):
            told = request.method, request.path, status or "no answer", duration
            logger.log(TRACE, "%s %s: %s in %.3fs", *told)
        if line.observer is not None:
            what = request.method, request.verb, request.title
            line.observer(Report(*what, status, duration, self.priority))


def _span(request: Request) -> AbstractContextManager[trace.Span]:
    """Of one try, below the stage that asks."""
    attributes = {"http.request.method": request.method, "url.path": request.path}
    title = f"{request.verb} {request.title}"
    return span(title, trace.SpanKind.CLIENT, **attributes)


def _answered(request: Request, status: int, current: trace.Span) -> None:
    """Notes the answer; that there is no such object is an answer like any other."""
    if not current.is_recording():
        return
    current.set_attribute("http.response.status_code", status)
    if status >= 400 and not (status == 404 and request.method in ("GET", "DELETE")):
        current.set_attribute("error.type", str(status))
        current.set_status(trace.StatusCode.ERROR)
