"""Timestamps and durations, to the microsecond.  Source: cel-spec langdef.md, "Timestamps"."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.objects.cel.errors import EvaluationError
from engine.objects.cel.values import Spend

_UNITS: Final = {"h": 3600e6, "m": 60e6, "s": 1e6, "ms": 1e3, "us": 1.0, "µs": 1.0, "ns": 1e-3}
_PART = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(h|ms|m|s|us|µs|ns)")
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_LONGEST: Final = timedelta(seconds=315_576_000_000)  # of a duration; ten thousand years


def duration(text: str) -> timedelta:
    """`1h30m`, as Go writes durations.  Raises ValueError."""
    unsigned = text[1:] if text[:1] in ("-", "+") else text
    if unsigned == "0":
        return timedelta()
    total, at = 0.0, 0
    while at < len(unsigned):
        part = _PART.match(unsigned, at)
        if part is None or at > 100:
            raise ValueError(text)
        total += float(part[1]) * _UNITS[part[2]]
        at = part.end()
    if not unsigned:
        raise ValueError(text)
    return bounded(timedelta(microseconds=-total if text[0] == "-" else total))


def timestamp(text: str) -> datetime:
    """RFC 3339.  Raises ValueError."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    fraction = (match[2] or "0")[:6].ljust(6, "0")
    return datetime.fromisoformat(f"{match[1]}.{fraction}{match[3]}").astimezone(UTC)


def text(value: datetime | timedelta) -> str:
    """As a string: RFC 3339, or seconds with an `s`."""
    if isinstance(value, datetime):
        shown = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        return shown.rjust(26, "0").rstrip("0").rstrip(".") + "Z"
    seconds = value / timedelta(seconds=1)
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"


def bounded(value: timedelta) -> timedelta:
    """The duration.  Raises EvaluationError if it is too long for one."""
    if abs(value) > _LONGEST:
        raise EvaluationError("duration out of range")
    return value


def arithmetic(name: str) -> Callable[..., Any]:
    """`+` or `-` of instants and durations."""

    def run(spend: Spend, left: Any, right: Any) -> Any:
        try:
            found = left + right if name == "_+_" else left - right
        except OverflowError:
            raise EvaluationError("timestamp out of range") from None
        return bounded(found) if isinstance(found, timedelta) else found

    return run


def _zone(name: str) -> Any:
    match = _OFFSET.fullmatch(name)
    if match is not None:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        if offset < timedelta(days=1):
            return timezone(-offset if match[1] == "-" else offset)
    try:
        return UTC if name in ("UTC", "Z") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {name[:40]!r}") from None


def _part(read: Callable[[datetime], int]) -> Callable[..., int]:
    def run(spend: Spend, value: datetime, zone: str = "UTC") -> int:
        try:
            return read(value.astimezone(_zone(zone)))
        except OverflowError:
            raise EvaluationError("timestamp out of range") from None

    return run


def _whole(unit: timedelta) -> Callable[..., int]:
    """Of a duration: how many whole units it has, towards zero."""
    return lambda _, value: int(value / unit) if value >= timedelta() else -int(-value / unit)


_PARTS: Final[dict[str, Callable[[datetime], int]]] = {
    "getFullYear": lambda at: at.year,
    "getMonth": lambda at: at.month - 1,
    "getDate": lambda at: at.day,
    "getDayOfMonth": lambda at: at.day - 1,
    "getDayOfWeek": lambda at: at.isoweekday() % 7,
    "getDayOfYear": lambda at: at.timetuple().tm_yday - 1,
    "getHours": lambda at: at.hour,
    "getMinutes": lambda at: at.minute,
    "getSeconds": lambda at: at.second,
    "getMilliseconds": lambda at: at.microsecond // 1000,
}
_OF_DURATIONS: Final[dict[str, Callable[..., int]]] = {
    "getHours": _whole(timedelta(hours=1)),
    "getMinutes": _whole(timedelta(minutes=1)),
    "getSeconds": _whole(timedelta(seconds=1)),
    "getMilliseconds": lambda _, value: int(
        value % timedelta(seconds=1) / timedelta(milliseconds=1)
    ),
}

MEMBERS: Final[dict[str, list[tuple[tuple[str, ...], str, Callable[..., Any]]]]] = {
    name: [
        (("timestamp",), "int", _part(read)),
        (("timestamp", "string"), "int", _part(read)),
        *([(("duration",), "int", _OF_DURATIONS[name])] if name in _OF_DURATIONS else []),
    ]
    for name, read in _PARTS.items()
}
