"""Quantities as the API server writes them: `0.5` is stored as `500m`, `1024Mi` as `1Gi`.

Only what is certain is rewritten; the rest stays as it is, and costs a dry-run.
Source: apimachinery pkg/api/resource (Quantity.CanonicalizeBytes).
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

_HOLDERS: Final = frozenset({"limits", "requests", "hard", "capacity"})
_SINGLE: Final = frozenset({"sizeLimit"})
_DECIMAL: Final = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_FORM: Final = re.compile(r"(\d{1,18}(?:\.\d{0,9})?)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?)")


def stored(value: Any) -> Any:
    """The value with the quantities in it as the API server writes them.

    Nothing is rewritten where no quantity is expected: in other fields such text is only text.
    """
    if isinstance(value, Mapping):
        return {key: _stored(key, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [stored(each) for each in value]
    return value


def _stored(key: str, value: Any) -> Any:
    if key in _HOLDERS and isinstance(value, Mapping):
        return {name: _quantity(each) for name, each in value.items()}
    return _quantity(value) if key in _SINGLE else stored(value)


def _quantity(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    return _canonical(str(value)) or value


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    """The text in its canonical form, empty where nothing is certain."""
    found = _FORM.fullmatch(text)
    if found is None:
        return ""
    number, suffix = Fraction(found[1]), found[2]
    if suffix in _BINARY[1:]:
        number *= 1024 ** _BINARY.index(suffix)
        if number >= 1024:
            return _scaled(number, 1024, _BINARY) if number.denominator == 1 else ""
    else:
        number *= Fraction(1000) ** (_DECIMAL.index(suffix) - 3)
    return _scaled(number * 1000**3, 1000, _DECIMAL)


def _scaled(number: Fraction, base: int, suffixes: tuple[str, ...]) -> str:
    """The number, in units of the first suffix, with the largest one that leaves it whole."""
    if number == 0:
        return "0"
    whole = number.numerator
    if number.denominator != 1:
        return ""
    place = 0
    while whole % base == 0 and place < len(suffixes) - 1:
        whole, place = whole // base, place + 1
    return f"{whole}{suffixes[place]}"
