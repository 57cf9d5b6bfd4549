"""How long ago something was, as kubectl and Flux write it.

Source: apimachinery pkg/util/duration, HumanDuration.
"""

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86_400, 365 * 86_400
_STEPS = (
    # below this many seconds: a unit, and the smaller one that is shown beside it
    (2 * _MINUTE, (1, "s"), None),
    (10 * _MINUTE, (_MINUTE, "m"), (1, "s")),
    (3 * _HOUR, (_MINUTE, "m"), None),
    (8 * _HOUR, (_HOUR, "h"), (_MINUTE, "m")),
    (2 * _DAY, (_HOUR, "h"), None),
    (8 * _DAY, (_DAY, "d"), (_HOUR, "h")),
    (2 * _YEAR, (_DAY, "d"), None),
    (8 * _YEAR, (_YEAR, "y"), (_DAY, "d")),
)


def elapsed(seconds: float) -> str:
    """A length of time in one or two units: `45s`, `5m`, `3m12s`, `2d`; never less than `0s`."""
    whole = max(0, int(seconds))
    for limit, (size, unit), smaller in _STEPS:
        if whole < limit:
            rest = whole % size // smaller[0] if smaller else 0
            return f"{whole // size}{unit}" + (f"{rest}{smaller[1]}" if smaller and rest else "")
    return f"{whole // _YEAR}y"


def age(instant: str, now: float) -> str:
    """How long ago; "" for "".   instant: RFC 3339.   now: seconds since 1970."""
    return elapsed(now - seconds_of(instant)) if instant else ""


def seconds_of(instant: str) -> float:
    """Seconds since 1970.  Raises ValueError if the text is no instant."""
    then = datetime.fromisoformat(instant)
    return then.replace(tzinfo=then.tzinfo or UTC).timestamp()
