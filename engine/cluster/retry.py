"""Whether a request that failed is sent again, and when."""

from random import Random

from engine.cluster.errors import (
    ApiError,
    Paused,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    is_shedding,
)
from engine.cluster.transport import NotSent, Request

REFUSALS = 10  # client-go's maxRetries for answers that ask to come again
LONGEST_PAUSE = 30.0  # seconds, as of the limiter: a run must not sleep for as long as it is told
BREAKS = 5  # of the connection; with the pauses below some 3 s, then the object's own retry


def pause_after(error: ApiError, request: Request, attempt: int, random: Random) -> float | None:
    """Seconds to wait before the next try, None to give up.

    attempt: how many tries were made, from 1.   Bounded by the caller's deadline as well.

    1. The server sheds load (429): it did not act on it.
    2. It asks to come again by a 5xx with Retry-After: a proxy may say so after having passed the
       request on, so only if repeating does no harm; 503 excepted, which the server says of itself.
    3. No connection came about: any request may be sent again.
    4. The connection broke, or 503: it may have been acted on; only if repeating does no harm.
    5. 401: once, as a token may have been renewed.
    6. Nothing was asked, as the cluster gives no answer at all: a probe tries for everybody.
    """
    if isinstance(error, Paused):
        return None
    refused = isinstance(error, TooManyRequests) or error.status == 503 or request.repeatable
    if is_shedding(error) and refused:
        if attempt >= REFUSALS:
            return None
        asked = min(error.retry_after or 1.0, LONGEST_PAUSE)
        return max(asked, _growing(attempt, random))
    if isinstance(error, Unauthorized):
        return 0.0 if attempt == 1 else None
    lost = isinstance(error, Unreachable | Unavailable) and request.repeatable
    if (lost or isinstance(error, NotSent)) and attempt < BREAKS:
        return _growing(attempt, random)
    return None


def _growing(attempt: int, random: Random) -> float:
    """0.1 s, doubled each time to 5 s at most, with half of it by chance."""
    longest = min(5.0, 0.1 * 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)
