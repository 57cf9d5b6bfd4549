"""What an API server answers when it does not do what was asked."""

# ruff: noqa: N818 - named like the reasons of Kubernetes' Status objects

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Cause:
    """One detail of a refusal: the field it is about (may be empty), a reason and a text."""

    field: str
    reason: str
    message: str


class ApiError(Exception):
    """A request that was refused or could not be answered.

    status: the HTTP status, 0 if no answer came.   retry_after: seconds, None if not said.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes
        self.retry_after = retry_after


class Unreachable(ApiError):
    """No answer: the connection failed, broke or took too long."""


class TimedOut(Unreachable):
    """No answer in time: it was sent, and may still be acted on."""


class Paused(Unreachable):
    """Not asked: the cluster gives no answer to anybody (`breaker.py`).

    over: returns once it does.
    """

    def __init__(self, message: str, over: Callable[[], Awaitable[object]]) -> None:
        super().__init__(0, "", message)
        self.over = over


class TooManyWatches(ApiError):
    """Not asked: as many watches are open as may be."""


class Excessive(ApiError):
    """Given up: the answer is longer, or goes on for longer, than any may (`allowance.py`)."""


class Unauthorized(ApiError):
    """The credentials are not, or no longer, accepted."""


class Forbidden(ApiError):
    """The identity may not do this."""


class NotFound(ApiError):
    """No such object, or its kind is not served."""


class Conflict(ApiError):
    """A precondition failed, another manager owns a field, or the object changed meanwhile."""


class AlreadyExists(Conflict):
    """A create of something that is there."""


class Gone(ApiError):
    """The resource version is too old to go on from: list again."""


class Invalid(ApiError):
    """The object breaks a rule of its kind, or a webhook refused it."""


class TooManyRequests(ApiError):
    """The API server sheds load."""


class Unavailable(ApiError):
    """The API server cannot answer at the moment."""


class LeaseLost(Exception):
    """This engine is not sure to hold its Lease, so it does not write."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
    503: Unavailable,
    504: Unavailable,
}
_BY_REASON: Mapping[str, type[ApiError]] = {"AlreadyExists": AlreadyExists, "Expired": Gone}


def error_of(status: int, body: bytes, retry_after: str = "") -> ApiError:
    """The error that an answer means.

    body: a Status object as a rule; anything else is quoted.   retry_after: the header's text.
    """
    if 300 <= status < 400:  # whoever named this address was not asked about another one
        text = f"HTTP {status}: it leads to another address, which is not followed: name that one"
        return ApiError(status, "", text)
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        decoded = None
    if isinstance(decoded, dict) and decoded.get("kind") == "Status":
        return error_of_status(decoded, status, retry_after)
    text = body.decode("utf-8", "replace").strip()[:500] or "no explanation"
    kind = _BY_STATUS.get(status, ApiError)
    return kind(status, "", f"HTTP {status}: {text}", retry_after=_seconds(retry_after))


def error_of_status(answer: Mapping[str, Any], status: int = 0, retry_after: str = "") -> ApiError:
    """The error that a Status object means, as answers and watch events carry it.

    Whatever stands in place of one: other clusters are anybody's.
    """
    code, details = answer.get("code"), answer.get("details")
    status = code if isinstance(code, int) and code else status
    reason = str(answer.get("reason") or "")
    details = details if isinstance(details, Mapping) else {}
    found = details.get("causes")
    causes = tuple(
        Cause(str(c.get("field", "")), str(c.get("reason", "")), str(c.get("message", "")))
        for c in (found if isinstance(found, list) else ())
        if isinstance(c, Mapping)
    )
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(status, ApiError)
    seconds = _seconds(retry_after or str(details.get("retryAfterSeconds") or ""))
    return kind(status, reason, str(answer.get("message") or reason), causes, seconds)


def is_outdated(error: Exception) -> bool:
    """Whether a write failed because the object is gone, changed, or another of the same name.

    The API server says the last by calling the uid in a patch an immutable field.
    """
    if isinstance(error, Invalid):
        return any(cause.field == "metadata.uid" for cause in error.causes)
    return isinstance(error, Conflict | NotFound) and not isinstance(error, AlreadyExists)


def is_shedding(error: ApiError) -> bool:
    """Whether the API server asks to be asked less, and did not act on the request.

    A 5xx says so by its Retry-After, as that of a server which starts or ends.
    """
    is_busy = error.status in (500, 502, 503, 504) and error.retry_after is not None
    return isinstance(error, TooManyRequests) or is_busy


def is_warming_up(error: ApiError) -> bool:
    """Whether only the cache of one kind is not filled yet: the server itself is not busy.

    Source: apiserver pkg/storage/cacher, the watch of a kind that was defined just now.
    """
    return isinstance(error, TooManyRequests) and "storage is (re)initializing" in error.message


def _seconds(text: str) -> float | None:
    """Retry-After in seconds; its form as a date is not used by Kubernetes."""
    return float(text) if text.isdecimal() else None
