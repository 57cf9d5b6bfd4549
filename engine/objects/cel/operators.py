"""Arithmetic, comparison and conversion of single values."""

import math
import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from engine.objects.cel import times
from engine.objects.cel.errors import EvaluationError
from engine.objects.cel.values import INT_MAX, INT_MIN, UINT_MAX, Spend, Uint, is_key, shown

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}


def comparison(name: str) -> Callable[..., bool]:
    """`<` and its like."""
    compare = _COMPARISONS[name]

    def run(spend: Spend, left: Any, right: Any) -> bool:
        if isinstance(left, str | bytes):
            spend(min(len(left), len(right)) // 64)
        return compare(left, right)

    return run


def arithmetic(name: str, kind: str) -> Callable[..., Any]:
    """`+` and its like, of two numbers of one kind."""
    if kind == "double":
        return _DOUBLES[name]
    whole = _WHOLES[name]

    def run(spend: Spend, left: int, right: int) -> int:
        if name in ("_/_", "_%_") and right == 0:
            raise EvaluationError("division by zero" if name == "_/_" else "modulus by zero")
        return _bounded(whole(int(left), int(right)), kind)

    return run


def negated(spend: Spend, value: Any) -> Any:
    """`-value`."""
    if isinstance(value, int):
        return _bounded(-value, "int")
    return times.bounded(-value) if isinstance(value, timedelta) else -value


def concatenated(spend: Spend, left: Any, right: Any) -> Any:
    """Two texts, or two runs of bytes, as one."""
    spend((len(left) + len(right)) // 16)
    return left + right


def is_key_of(value: Any, container: Mapping[Any, Any]) -> bool:
    """Whether a map has the key."""
    return is_key(value) and value in container


def _bounded(value: int, kind: str) -> int:
    if kind == "uint":
        if 0 <= value <= UINT_MAX:
            return Uint(value)
    elif INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError("integer overflow" if kind == "int" else "unsigned integer overflow")


def _quotient(left: int, right: int) -> int:
    """Towards zero, unlike Python's."""
    found = abs(left) // abs(right)
    return found if (left < 0) == (right < 0) else -found


def _remainder(left: int, right: int) -> int:
    """With the sign of the left one."""
    return left - right * _quotient(left, right)


_WHOLES: Final[dict[str, Callable[[int, int], int]]] = {
    "_+_": operator.add,
    "_-_": operator.sub,
    "_*_": operator.mul,
    "_/_": _quotient,
    "_%_": _remainder,
}


def _divided(spend: Spend, left: float, right: float) -> float:
    if right == 0:
        is_nan = left == 0 or math.isnan(left)
        return math.nan if is_nan else math.copysign(math.inf, left) * math.copysign(1, right)
    return left / right


def _double(run: Callable[[float, float], float]) -> Callable[..., float]:
    return lambda _, left, right: run(left, right)


_DOUBLES: Final[dict[str, Callable[..., float]]] = {
    "_+_": _double(operator.add),
    "_-_": _double(operator.sub),
    "_*_": _double(operator.mul),
    "_/_": _divided,
}

CONVERSIONS: Final[dict[str, tuple[str, ...]]] = {
    "int": ("int", "uint", "double", "string", "timestamp", "duration"),
    "uint": ("uint", "int", "double", "string"),
    "double": ("double", "int", "uint", "string"),
    "string": (*("string", "int", "uint", "double", "bytes", "bool", "timestamp", "duration"),),
    "bytes": ("bytes", "string"),
    "bool": ("bool", "string"),
    "duration": ("duration", "string"),
    "timestamp": ("timestamp", "string", "int"),
}
_BOOLS: Final = dict.fromkeys(("1", "t", "true", "TRUE", "True"), True) | dict.fromkeys(
    ("0", "f", "false", "FALSE", "False"), False
)  # as Go's strconv.ParseBool
_LONGEST = 64  # characters of a text that is read as a number


def conversion(to: str, kind: str) -> Callable[..., Any]:
    """What makes a value of one type of that of another."""
    convert = _CONVERT[to]

    def run(spend: Spend, value: Any) -> Any:
        if kind == to:
            return value
        if isinstance(value, str | bytes):
            spend(len(value) // 16)
        try:
            return convert(value)
        except (ValueError, OverflowError, KeyError, OSError):
            text = shown(value)
            raise EvaluationError(
                f"type conversion error from '{kind}' to '{to}': {text!r}"
            ) from None

    return run


def _short(value: Any) -> Any:
    """Raises ValueError for a text that is too long, or not plain enough, for a number."""
    if isinstance(value, str) and (len(value) > _LONGEST or "_" in value or value != value.strip()):
        raise ValueError(value)
    return value


def _int(value: Any) -> int:
    if isinstance(value, datetime):
        return math.floor(value.timestamp())
    if isinstance(value, timedelta):
        return _bounded(value // timedelta(microseconds=1) * 1_000, "int")
    return _bounded(int(_short(value)), "int")


def _uint(value: Any) -> int:
    return _bounded(int(_short(value)), "uint")


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, datetime | timedelta):
        return times.text(value)
    return str(int(value))


_CONVERT: Final[dict[str, Callable[[Any], Any]]] = {
    "int": _int,
    "uint": _uint,
    "double": lambda value: float(_short(value)),
    "string": _string,
    "bytes": lambda value: value.encode(),
    "bool": lambda value: _BOOLS[value],
    "duration": times.duration,
    "timestamp": lambda value: (
        datetime.fromtimestamp(value, UTC) if isinstance(value, int) else times.timestamp(value)
    ),
}
