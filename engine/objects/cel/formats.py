"""`'%s is %d'.format([a, b])`.  Source: cel-go ext/formatting_v2.go, which Flux's version uses."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from engine.objects.cel import times
from engine.objects.cel.errors import EvaluationError
from engine.objects.cel.values import NUMBERS, Spend, Type, type_of

_CLAUSE: Final = re.compile(r"%(?:\.([0-9]*))?(.?)", re.DOTALL)
_PRECISION: Final = 6  # digits behind the point where a clause names none
_MOST_DIGITS: Final = 1_000
_LETTERS: Final = ("int", "uint", "string", "bytes")


def formatted(spend: Spend, text: str, items: Sequence[Any]) -> str:
    """The text with a value for each clause.  Raises EvaluationError."""
    spend(len(text) // 16 + len(items))
    left = iter(items)
    made: list[str] = []
    at = 0
    for clause in _CLAUSE.finditer(text):
        made.append(text[at : clause.start()])
        at = clause.end()
        made.append("%" if clause[0] == "%%" else _shown(spend, clause, left))
    result = "".join([*made, text[at:]])
    spend(len(result) // 16)
    return result


def _shown(spend: Spend, clause: re.Match[str], left: Any) -> str:
    digits, letter = clause[1], clause[2]
    show = _CLAUSES.get(letter)
    if show is None or (digits is not None and letter not in "fe"):
        raise EvaluationError(f"could not parse formatting clause: unrecognized {clause[0]!r}")
    precision = int(digits[:9]) if digits else (_PRECISION if digits is None else 0)
    if precision > _MOST_DIGITS:
        raise EvaluationError(f"{clause[0]!r} asks for more than {_MOST_DIGITS} digits")
    try:
        value = next(left)
    except StopIteration:
        raise EvaluationError("format: there are more clauses than arguments") from None
    spend(1 + precision // 16)
    return show(spend, value, precision)


def _text(spend: Spend, value: Any, _: int = 0) -> str:
    """`%s`: any value, lists and maps with all that is in them."""
    spend(1)
    kind = type_of(value)
    if kind == "list":
        return f"[{', '.join(_text(spend, each) for each in value)}]"
    if kind == "map":
        return _map(spend, value)
    if kind in ("string", "bytes"):
        spend(len(value) // 16)
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    simple = _SIMPLE.get(kind)
    if simple is None:
        raise EvaluationError(f"format: %s cannot show a value of type {kind}")
    return simple(value)


def _map(spend: Spend, value: Mapping[Any, Any]) -> str:
    entries = sorted((_text(spend, key), _text(spend, item)) for key, item in value.items())
    return f"{{{', '.join(f'{key}: {item}' for key, item in entries)}}}"


def _double(value: float) -> str:
    """All digits that tell it from its neighbours, never in scientific notation."""
    if not math.isfinite(value):
        return _infinite(value)
    plain = format(Decimal(repr(value)), "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _infinite(value: float) -> str:
    return "NaN" if math.isnan(value) else "-Infinity" if value < 0 else "Infinity"


def _decimal(spend: Spend, value: Any, _: int) -> str:
    _check("d", value, NUMBERS)
    return _double(value) if isinstance(value, float) else str(int(value))


def _point(letter: str) -> Callable[[Spend, Any, int], str]:
    def show(_: Spend, value: Any, precision: int) -> str:
        _check(letter, value, NUMBERS)
        number = float(value)
        return (
            format(number, f".{precision}{letter}") if math.isfinite(number) else _infinite(number)
        )

    return show


def _based(letter: str, kinds: Sequence[str]) -> Callable[[Spend, Any, int], str]:
    def show(spend: Spend, value: Any, _: int) -> str:
        _check(letter, value, kinds)
        if isinstance(value, str | bytes):
            spend(len(value) // 16)
            data = value if isinstance(value, bytes) else value.encode(errors="surrogatepass")
            return data.hex() if letter == "x" else data.hex().upper()
        return format(int(value), letter)

    return show


def _check(letter: str, value: Any, kinds: Sequence[str]) -> None:
    kind = type_of(value)
    if kind not in kinds:
        listed = ", ".join(kinds)
        raise EvaluationError(f"format: %{letter} takes {listed}, not {kind}")


def _instant(value: datetime | timedelta) -> str:
    return times.text(value)


def _type(value: Type) -> str:
    return value.name


_SIMPLE: Final[Mapping[str, Callable[[Any], str]]] = {
    "bool": lambda value: "true" if value else "false",
    "int": lambda value: str(int(value)),
    "uint": lambda value: str(int(value)),
    "double": _double,
    "null_type": lambda _: "null",
    "type": _type,
    "timestamp": _instant,
    "duration": _instant,
}
_CLAUSES: Final[Mapping[str, Callable[[Spend, Any, int], str]]] = {
    "s": _text,
    "d": _decimal,
    "f": _point("f"),
    "e": _point("e"),
    "b": _based("b", ("bool", "int", "uint")),
    "x": _based("x", _LETTERS),
    "X": _based("X", _LETTERS),
    "o": _based("o", ("int", "uint")),
}
