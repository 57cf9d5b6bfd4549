"""How long ago something was, as kubectl writes it: `5s`, `3m20s`, `2d4h`.

Source: apimachinery util/duration (HumanDuration).
"""

from datetime import datetime
from typing import Any

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY


def age_of(timestamp: Any, now: float) -> str:
    """The time since an RFC 3339 timestamp; `<unknown>` if there is none.  now: epoch seconds."""
    seconds = seconds_since(timestamp, now)
    return "<unknown>" if seconds is None else human(seconds)


def duration(timestamp: Any, now: float) -> str:
    """The same for a CRD's column, which shows what it cannot read as `<invalid>`."""
    seconds = seconds_since(timestamp, now)
    return "<invalid>" if seconds is None else human(seconds)


def seconds_since(timestamp: Any, now: float) -> float | None:
    """Seconds since a timestamp, or None if it is none."""
    try:
        return now - datetime.fromisoformat(str(timestamp).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def human(seconds: float) -> str:
    """A duration in at most two units, coarser the longer it is."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    steps = (
        (2 * _MINUTE, _of(total, 1, "s", 0, "")),
        (10 * _MINUTE, _of(total, _MINUTE, "m", 1, "s")),
        (3 * _HOUR, _of(total, _MINUTE, "m", 0, "")),
        (8 * _HOUR, _of(total, _HOUR, "h", _MINUTE, "m")),
        (2 * _DAY, _of(total, _HOUR, "h", 0, "")),
        (8 * _DAY, _of(total, _DAY, "d", _HOUR, "h")),
        (2 * _YEAR, _of(total, _DAY, "d", 0, "")),
        (8 * _YEAR, _of(total, _YEAR, "y", _DAY, "d")),
    )
    return next((text for limit, text in steps if total < limit), f"{total // _YEAR}y")


def _of(total: int, unit: int, name: str, below: int, name_below: str) -> str:
    rest = total % unit // below if below else 0
    return f"{total // unit}{name}{rest}{name_below}" if rest else f"{total // unit}{name}"
