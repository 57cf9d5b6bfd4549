"""Lengths of time as Go writes them ("1m30s"), as float seconds."""

import re
from collections.abc import Container
from decimal import Decimal
from typing import ClassVar, Self

# {unit: nanoseconds}; both micro signs, as Go reads them.
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,
    "\u03bcs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_TERM = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_SHAPE = re.compile(rf"[-+]?(?:{_TERM.pattern})+", re.ASCII)
_LIMIT = 2**63  # a Go duration is an int64 of nanoseconds
_LONGEST = 200  # characters; to read a megabyte of digits takes minutes, in which nobody has a turn


class Duration(float):
    """Seconds; in Kubernetes objects the text of a Go duration ("1m30s", "85.5µs", "0s")."""

    __slots__ = ()

    pattern: ClassVar[str | None] = None
    """What the text must look like in an object; None = whatever Go reads."""

    units: ClassVar[frozenset[str]] = frozenset(_UNITS)
    """Units that the text may have."""

    @property
    def text(self) -> str:
        """The duration as Go prints it, as far as the units allow; `parse` reads it back."""
        return format_duration(self, self.units)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The duration that `text` stands for.  Raises ValueError if it is none, or not allowed."""
        _check_length(text)
        if cls.pattern is not None and not re.search(cls.pattern, text, re.ASCII):
            raise ValueError(f"{text!r} does not match {cls.pattern}")
        return cls(parse_duration(text))


class Interval(Duration):
    """A duration in the spec of an object: `ms`, `s`, `m` and `h`, no sign."""

    __slots__ = ()
    pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
    units = frozenset({"ms", "s", "m", "h"})


class Timeout(Duration):
    """How long one request of a source or provider may take: as Interval, without hours."""

    __slots__ = ()
    pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$"
    units = frozenset({"ms", "s", "m"})


def _check_length(text: str) -> None:
    if len(text) > _LONGEST:
        raise ValueError(f"a duration has at most {_LONGEST} characters, not {len(text)}")


def parse_duration(text: str) -> float:
    """Seconds of a Go duration such as "1h30m", "-1.5s" or "0".

    Raises ValueError if it is none, or longer than Go can hold (292 years).
    Source: Go time.ParseDuration.
    """
    _check_length(text)
    if text.lstrip("+-") == "0" and len(text) <= 2:
        return 0.0
    if not _SHAPE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as 90s, 10m or 1h30m")
    nanoseconds = sum(
        int(Decimal(number) * _UNITS[unit])  # Go drops what is below a nanosecond
        for number, unit in _TERM.findall(text)
    )
    if nanoseconds >= _LIMIT:
        raise ValueError(f"{text!r} is longer than a duration can be (292 years)")
    return (-nanoseconds if text.startswith("-") else nanoseconds) / 1e9


def format_duration(seconds: float, units: Container[str] = _UNITS) -> str:
    """The text that Go prints for `seconds`, rounded to a nanosecond: "1m0s", "500ms", "0s".

    units: those that may be used; without "h" minutes go on past 60, without "ns" and "\u00b5s"
    milliseconds have digits after the point.
    Law: parse_duration(format_duration(x)) is x rounded to a nanosecond.
    Source: Go time.Duration.String.
    """
    nanoseconds = round(abs(seconds) * 1e9)
    if not nanoseconds:
        return "0s"
    sign = "-" if seconds < 0 else ""
    if nanoseconds < _UNITS["s"]:
        fine = (u for u in ("\u00b5s", "ns") if u in units and nanoseconds >= _UNITS[u])
        unit = "ms" if nanoseconds >= _UNITS["ms"] else next(fine, "ms")
        return f"{sign}{_decimal(nanoseconds, _UNITS[unit])}{unit}"
    minutes, rest = divmod(nanoseconds, _UNITS["m"])
    hours, minutes = divmod(minutes, 60) if "h" in units else (0, minutes)
    leading = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{leading}{_decimal(rest, _UNITS['s'])}s"


def _decimal(nanoseconds: int, unit: int) -> str:
    """`nanoseconds` in units of `unit`, exact, without trailing zeros."""
    whole, rest = divmod(nanoseconds, unit)
    digits = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
