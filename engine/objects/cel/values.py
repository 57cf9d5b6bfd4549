"""The values of CEL, and how they are told apart.

null None, bool bool, int int (64 bits), uint Uint, double float, string str, bytes bytes,
list list or tuple, map a Mapping, duration timedelta, timestamp an aware datetime, type Type,
optional_type Optional.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from engine.objects.cel.errors import EvaluationError

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
UINT_MAX: Final = 2**64 - 1

Spend = Callable[[int], None]
"""Called with the cost of what is about to be done.  Raises CostError."""


class Uint(int):
    """An unsigned number of 64 bits."""


@dataclass(frozen=True, slots=True)
class Type:
    """The type of a value, as a value."""

    name: str


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be absent."""

    is_present: bool = False
    value: Any = None


NONE: Final = Optional()

NUMBERS: Final = ("int", "uint", "double")
TYPES: Final = {
    name: Type(name)
    for name in (*NUMBERS, "bool", "bytes", "string", "list", "map", "null_type", "type")
}

_NAMES: Final[tuple[tuple[type[Any], str], ...]] = (
    (bool, "bool"),
    (Uint, "uint"),
    (int, "int"),
    (float, "double"),
    (str, "string"),
    (bytes, "bytes"),
    (Mapping, "map"),
    (list, "list"),
    (tuple, "list"),
    (timedelta, "duration"),
    (datetime, "timestamp"),
    (Type, "type"),
    (Optional, "optional_type"),
)
_BY_CLASS: dict[type[Any], str] = {type(None): "null_type"}


def type_of(value: Any) -> str:
    """The name of a value's type."""
    found = _BY_CLASS.get(type(value))
    if found is None:
        found = next((name for of, name in _NAMES if isinstance(value, of)), "")
        if not found:
            raise EvaluationError(f"a value of no type of CEL: {type(value).__name__}")
        _BY_CLASS[type(value)] = found
    return found


def equal(left: Any, right: Any, spend: Spend) -> bool:
    """Whether two values are the same; numbers by value, other values of two types never.

    Source: cel-spec langdef.md, "Equality".
    """
    spend(1)
    one, other = type_of(left), type_of(right)
    if one != other:
        return one in NUMBERS and other in NUMBERS and bool(left == right)
    if one == "list":
        return len(left) == len(right) and all(map(equal, left, right, [spend] * len(left)))
    if one == "map":
        if len(left) != len(right):
            return False
        return all(key in right and equal(left[key], right[key], spend) for key in left)
    if one in ("string", "bytes"):
        spend(min(len(left), len(right)) // 64)
    if one == "optional_type":
        both = left.is_present and right.is_present
        return left.is_present == right.is_present and (
            not both or equal(left.value, right.value, spend)
        )
    return bool(left == right)


def lookup(operand: Any, key: Any) -> Any:
    """The value of a key of a map or of an index of a list.

    Raises EvaluationError if there is none.
    """
    kind = type_of(operand)
    if kind == "map" and is_key(key) and key in operand:
        return operand[key]
    if kind == "list":
        if type_of(key) in NUMBERS and key in range(len(operand)):
            return operand[int(key)]
        raise EvaluationError(f"index out of bounds: {shown(key)}")
    raise EvaluationError(f"no such key: {shown(key)}")


def has(operand: Any, key: Any) -> bool:
    """Whether `lookup` would find something."""
    try:
        lookup(operand, key)
    except EvaluationError:
        return False
    return True


def is_key(value: Any) -> bool:
    """Whether a value may be the key of a map."""
    return type_of(value) in (*NUMBERS, "string", "bool")


def shown(value: Any) -> str:
    """A short text of a value for a message."""
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_SHOWN = 60
