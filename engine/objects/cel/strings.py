"""The functions of texts.  Source: cel-spec langdef.md; cel-go ext/strings.go and encoders.go."""

import base64
import binascii
from collections.abc import Callable, Sequence
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

from engine.objects.cel.errors import EvaluationError
from engine.objects.cel.values import Spend, type_of
from engine.objects.regex import Expression, InvalidExpression, compiled

_LONGEST_PATTERN: Final = 512  # characters of a regular expression


def matches(spend: Spend, text: str, pattern: str) -> bool:
    """Whether the expression (RE2) matches anywhere in the text."""
    if len(pattern) > _LONGEST_PATTERN:
        raise EvaluationError(f"a regular expression of more than {_LONGEST_PATTERN} characters")
    spend(len(pattern) + len(text) * (1 + len(pattern) // 16) // 16)
    try:
        return _compiled(pattern).search(text) is not None
    except InvalidExpression as error:
        raise EvaluationError(str(error)) from None


@lru_cache(maxsize=32)  # one may take 8 MiB
def _compiled(pattern: str) -> Expression:
    return compiled(pattern)


def _reading(run: Callable[..., Any]) -> Callable[..., Any]:
    """A function that goes over its text once."""

    def costed(spend: Spend, text: str, *args: Any) -> Any:
        spend(len(text) // 16)
        return run(text, *args)

    return costed


def _at(text: str, index: int, end: int) -> int:
    """The index, where it is one.  end: the largest that is."""
    if not 0 <= index <= end:
        raise EvaluationError(f"index out of range: {index}")
    return index


def _char_at(text: str, index: int) -> str:
    return text[_at(text, index, len(text)) : index + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    return text.find(part, _at(text, start, len(text)))


def _last_index_of(text: str, part: str, last: int | None = None) -> int:
    if last is None:
        return text.rfind(part)
    return text.rfind(part, 0, _at(text, last, len(text)) + len(part))


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else _at(text, end, len(text))
    return text[_at(text, start, end) : end]


def _replaced(spend: Spend, text: str, old: str, new: str, count: int = -1) -> str:
    spend(len(text) // 16)
    found = text.count(old) if count < 0 else min(count, text.count(old))
    spend(max(0, len(text) + found * (len(new) - len(old))) // 16)
    return text.replace(old, new, count)


def _split(spend: Spend, text: str, separator: str, count: int = -1) -> list[str]:
    spend(len(text) // 16 + (text.count(separator) if separator else len(text)))
    if count == 0:
        return []
    if separator:
        return text.split(separator, count - 1 if count > 0 else -1)
    if 0 < count < len(text):
        return [*text[: count - 1], text[count - 1 :]]
    return list(text)


def _joined(spend: Spend, items: Sequence[Any], separator: str = "") -> str:
    if any(type_of(each) != "string" for each in items):
        raise EvaluationError("no such overload: join of what is not a string")
    spend(len(items) + (sum(map(len, items)) + len(separator) * len(items)) // 16)
    return separator.join(items)


_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)
_UPPER: Final = str.maketrans(ascii_lowercase, ascii_uppercase)
_ESCAPES: Final = str.maketrans(
    dict(zip('\\"\n\r\t\a\b\f\v', (f"\\{each}" for each in '\\"nrtabfv'), strict=True))
)


def _lower_ascii(text: str) -> str:
    return text.translate(_LOWER)


def _upper_ascii(text: str) -> str:
    return text.translate(_UPPER)


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise EvaluationError("illegal base64 data") from None


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


Overloads = list[tuple[tuple[str, ...], str, Callable[..., Any]]]
_TEXT, _TEXTS, _AT = ("string",), ("string", "string"), ("string", "int")

MEMBERS: Final[dict[str, Overloads]] = {
    "startsWith": [(_TEXTS, "bool", _reading(str.startswith))],
    "endsWith": [(_TEXTS, "bool", _reading(str.endswith))],
    "contains": [(_TEXTS, "bool", _reading(str.__contains__))],
    "charAt": [(_AT, "string", _reading(_char_at))],
    "indexOf": [
        (_TEXTS, "int", _reading(_index_of)),
        ((*_TEXTS, "int"), "int", _reading(_index_of)),
    ],
    "lastIndexOf": [
        (_TEXTS, "int", _reading(_last_index_of)),
        ((*_TEXTS, "int"), "int", _reading(_last_index_of)),
    ],
    "lowerAscii": [(_TEXT, "string", _reading(_lower_ascii))],
    "upperAscii": [(_TEXT, "string", _reading(_upper_ascii))],
    "trim": [(_TEXT, "string", _reading(str.strip))],
    "reverse": [(_TEXT, "string", _reading(lambda text: text[::-1]))],
    "substring": [
        (_AT, "string", _reading(_substring)),
        ((*_AT, "int"), "string", _reading(_substring)),
    ],
    "replace": [
        ((*_TEXTS, "string"), "string", _replaced),
        ((*_TEXTS, "string", "int"), "string", _replaced),
    ],
    "split": [(_TEXTS, "list", _split), ((*_TEXTS, "int"), "list", _split)],
    "join": [(("list",), "string", _joined), (("list", "string"), "string", _joined)],
}

GLOBALS: Final[dict[str, Overloads]] = {
    "base64.decode": [(_TEXT, "bytes", _reading(_decoded))],
    "base64.encode": [(("bytes",), "string", _reading(_encoded))],
    "strings.quote": [(_TEXT, "string", _reading(_quoted))],
}
