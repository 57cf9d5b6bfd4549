"""Plain YAML scalars as kustomize reads them, with the spelling where it matters.

kustomize reads resources with YAML 1.2 types (`yes` is a string there, `0644` a number) and moves
scalars about by their text: an annotation `1.10` stays "1.10".  A value whose usual text is not
what the file says is therefore kept in a subclass that remembers.
Source: go.yaml.in/yaml/v3 resolve.go.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from types import NoneType
from typing import Any, Self

from engine.objects.scalars import NUMERIC
from engine.objects.scalars import resolve as number_of
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.keys import is_put_out_empty, null_of, plain_key

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_UNREPRESENTABLE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:([Tt ])([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.([0-9]+))?(Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_INTEGRAL = 1e21
"""From here on JSON writes a float with an exponent (encoding/json)."""


class SpelledInt(int):
    """An integer whose file says something else than its decimal digits."""

    text: str


class SpelledFloat(float):
    """A number whose file spells it differently, `1.10`."""

    text: str


class SpelledText(str):
    """A timestamp: the value is RFC 3339, the text what the file says."""

    __slots__ = ("text",)
    text: str

    @classmethod
    def of(cls, value: str, text: str) -> Self:
        """The value, remembering its text."""
        made = cls(value)
        made.text = text
        return made


class Quoted(str):
    """A text that stands in quotes or on lines of its own: a field keeps them, see `placed`."""

    __slots__ = ()


class Untyped(str):
    """A scalar that was only just made: what is put there is read for its type."""

    __slots__ = ()


class Misfit(KustomizeError):  # noqa: N818 (says what the text is)
    """A text that is no value of the type that its field has."""


class Shared(str):
    """A text that one transformer put at several places; see `model/shared.py`."""

    __slots__ = ()


def resolve(text: str) -> Any:
    """The value of a plain, untagged scalar.  Raises KustomizeError for infinities and NaN."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in NUMERIC:
        return text
    if _UNREPRESENTABLE.fullmatch(text):
        raise KustomizeError(f"{text!r} has no JSON form")
    return _timestamp(text) or _number(text)


def is_text(plain_text: str) -> bool:
    """True if an unquoted scalar is a string."""
    value = None if _UNREPRESENTABLE.fullmatch(plain_text) else resolve(plain_text)
    return isinstance(value, str) and not isinstance(value, SpelledText)


def text_of(value: Any) -> str:
    """The text of a scalar, "" for anything that is none."""
    if value.__class__ is str:  # nearly all are
        return value
    if isinstance(value, (SpelledInt, SpelledFloat, SpelledText)):
        return value.text
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return str(value) if isinstance(value, (int, float)) else ""


def described(value: Any) -> str:
    """What kind of value it is; never the value, which may be secret."""
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else "a scalar"


def like(old: Any, text: str) -> Any:
    """`text` in the place of `old`, which keeps its type.

    Raises Misfit if the text is no value of that type: an integer may take a float's place.
    """
    if isinstance(old, Untyped):
        return resolve(text)
    if isinstance(old, str) and not isinstance(old, SpelledText):
        return Quoted(text) if isinstance(old, Quoted) else text
    wanted, given = _type_of(text_of(old)), _type_of(text)
    if wanted is not given and (wanted, given) != (float, int):
        names = _TYPE_NAMES
        raise Misfit(f"the field holds {names[wanted]}, and what is put there is {names[given]}")
    return resolve(text)


def retyped(old: Any, text: str) -> Any:
    """`text` in the place of `old`: text in quotes, without them whatever it reads as.

    So does what takes its place later.
    """
    if isinstance(old, Quoted):
        return Quoted(text)
    value = resolve(text)
    return Untyped(text) if value.__class__ is str else value


_TYPE_NAMES: dict[type, str] = {
    NoneType: "nothing",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "text",
    SpelledText: "a time",
}


def _type_of(text: str) -> type:
    """What kind of scalar the text is without quotes."""
    if text in _WORDS:
        return type(_WORDS[text])
    if text[0] not in NUMERIC:
        return str
    return SpelledText if _timestamp(text) is not None else type(number_of(text))


def placed(old: Any, new: Any) -> Any:
    """What a field holds after `new` came into the place of `old`: it keeps its quotes.

    A number in the place of a quoted text becomes text; a plain text forgets its quotes.
    """
    if isinstance(new, (dict, list)) or new is None:
        return new
    if isinstance(old, Quoted):
        return Quoted(text_of(new))
    return str(new) if isinstance(new, Quoted) else new


def texts_of(value: Any) -> dict[str, str]:
    """A map's scalars as text; empty for anything but a map."""
    if not isinstance(value, dict):
        return {}
    return {key: null_of(key) if item is None else text_of(item) for key, item in value.items()}


def unspelled(value: Any) -> Any:
    """A copy that shares nothing and has forgotten every spelling.

    Raises KustomizeError for a key that reads as something else than text.
    """
    if value.__class__ in _PLAIN:
        return value
    if isinstance(value, dict):
        return {
            key if key.__class__ is str else plain_key(key): unspelled(
                "" if item is None and is_put_out_empty(key) else item
            )
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [unspelled(item) for item in value]
    for spelled, plain in _SPELLED:
        if isinstance(value, spelled):
            return plain(value)
    return value


_PLAIN = frozenset({str, int, bool, float, type(None)})
"""Types of scalars that remember no spelling."""
_SPELLED: tuple[tuple[type, type], ...] = (
    (SpelledText, str),
    (Quoted, str),
    (Untyped, str),
    (Shared, str),
    (SpelledInt, int),
    (SpelledFloat, float),
)


def copied(value: Any) -> Any:
    """A copy of the maps and lists; scalars are the same, but change for themselves."""
    if value.__class__ in _PLAIN:
        return value
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return str(value) if isinstance(value, Shared) else value


def integral(number: float) -> int | float:
    """A whole number as JSON has it: the shortest digits, and an exponent if it is very large."""
    return int(Decimal(repr(number))) if abs(number) < _INTEGRAL else number


def _number(text: str) -> Any:
    """The number that the text is, with its spelling if JSON would write it otherwise."""
    number = number_of(text)
    if isinstance(number, float) and number.is_integer():
        number = integral(number)
    return number if isinstance(number, str) else spelled_as(number or 0, text)


def spelled_as(number: int | float, text: str) -> int | float:
    """The number, remembering its text if that is not how Python would write it."""
    if str(number) == text:
        return number
    spelled: SpelledInt | SpelledFloat = (
        SpelledInt(number) if isinstance(number, int) else SpelledFloat(number)
    )
    spelled.text = text
    return spelled


def _timestamp(text: str) -> str | None:
    """RFC 3339 of a date or time, as Go writes it into JSON; None if the text is neither."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, between, hour, minute, second, fraction, zone = match.groups()
    if (zone is None) is (between in ("T", "t")):
        return None
    parts = [int(part or 0) for part in (year, month, day, hour, minute, second)]
    try:
        instant = datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # six integers
    except ValueError:
        return None
    dot = "." + fraction.rstrip("0") if fraction and fraction.strip("0") else ""
    return SpelledText.of(f"{instant:%Y-%m-%dT%H:%M:%S}{dot}{zone or 'Z'}", text)
