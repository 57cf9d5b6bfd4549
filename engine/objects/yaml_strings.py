"""How a string is written in YAML: plain, quoted, or as a block, and where its lines fold.

Source: go-yaml v2 (`stringv`, `yaml_emitter_analyze_scalar` and the writers of the four styles).
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from engine.objects.scalars import NUMERIC, WORDS, resolve

_WIDTH: Final = 80
"""The column after which the next space folds the line."""

# Most strings: no character that could need a quote, and no space to fold at.
_HARMLESS = re.compile(r"[A-Za-z/$(][A-Za-z0-9_./@=$()+^-]*\Z")

_PRINTABLE = "\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd"
_SPECIAL = re.compile(f"[^\n\x20-\x7e{_PRINTABLE}]")
_ESCAPED = re.compile(f'["\\\\]|[^\x20-\x7e{_PRINTABLE}]')
_ESCAPES: Final = dict(
    zip('\0\a\b\t\n\v\f\r\x1b"\\\x85\u2028\u2029', '0abtnvfre"\\NLP', strict=True)
)

_NOT_PLAIN_START = re.compile(r"""[#,\[\]{}&*!|>'"%@` ]|[-?:](?: |\Z)|---|\.\.\.""")
_NOT_PLAIN = re.compile(r":(?: |\Z)| #| \Z")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z")
_CLOCK = r"(?:[01]?[0-9]|2[0-3]):[0-5]?[0-9]:[0-5]?[0-9](?:[.,][0-9]+)?"
_ZONE = r"(?:Z|[-+](?:[01][0-9]|2[0-4]):[0-5][0-9])"
_TIMESTAMP = re.compile(
    rf"([0-9]{{4}})-([0-9]{{1,2}})-([0-9]{{1,2}})(?:[Tt]{_CLOCK}{_ZONE}| {_CLOCK})?\Z"
)
_FOLD = re.compile(r"(?<! ) (?! )")
_FOLD_QUOTED = re.compile(r"(?<! ) ")


def is_harmless(text: str) -> bool:
    """Whether the string is sure to be written as it is, on one line; False proves nothing."""
    return _HARMLESS.match(text) is not None and text not in WORDS


def render(text: str, column: int | None, indent: int) -> str:
    """The string as YAML, without a newline at the end.

    column: where it starts, from 0; None for a key, which never folds nor is a block.
    indent: spaces before its further lines.
    """
    if is_harmless(text):
        return text
    has_special = _SPECIAL.search(text) is not None
    if "\n" in text:
        if column is not None and not has_special and " \n" not in text and text[-1] != " ":
            return _block(text, indent)
        return _double_quoted(text, column, indent)
    if has_special or is_typed(text):
        return _double_quoted(text, column, indent)
    if _NOT_PLAIN_START.match(text) or _NOT_PLAIN.search(text):
        return "'" + _fold(text.replace("'", "''"), column, indent, start=1) + "'"
    return _fold(text, column, indent, start=0)


def is_typed(text: str) -> bool:
    """Whether the text, unquoted, would be read as something else than a string."""
    if not text or text[0] not in NUMERIC:
        return text in WORDS
    if not isinstance(resolve(text), str):
        return True
    return _SEXAGESIMAL.match(text) is not None or _is_timestamp(text)


def _is_timestamp(text: str) -> bool:
    found = _TIMESTAMP.match(text)
    if not found:
        return False
    year, month, day = map(int, found.groups())
    try:
        date(year or 4, month, day)  # the year 0 is a leap year, and none of Python's
    except ValueError:
        return False
    return True


def _block(text: str, indent: int) -> str:
    """The literal style: `|`, its hints, and the lines indented."""
    body = text.removesuffix("\n")
    keep = "-" if body == text else "+" if body.endswith("\n") or not body else ""
    hint = "2" if text[0] in " \n" else ""
    margin = "\n" + " " * indent
    lines = "".join(margin + line if line else "\n" for line in body.split("\n"))
    return f"|{hint}{keep}{lines}"


def _double_quoted(text: str, column: int | None, indent: int) -> str:
    escaped = _ESCAPED.sub(_escape, text)
    return '"' + _fold(escaped, column, indent, start=1, pattern=_FOLD_QUOTED) + '"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if letter := _ESCAPES.get(character):
        return "\\" + letter
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _fold(
    text: str, column: int | None, indent: int, start: int, pattern: re.Pattern[str] = _FOLD
) -> str:
    """The text with a line break at the first space past the width, on every line.

    start: 1 after a quote, which never folds at the first or last character.
    """
    if column is None or column + start + len(text) <= _WIDTH or " " not in text:
        return text
    return ("\n" + " " * indent).join(_folded(text, column + start, indent, start, pattern))


def _folded(
    text: str, column: int, indent: int, start: int, pattern: re.Pattern[str]
) -> Iterator[str]:
    at, escape = 0, ""
    while True:
        # Go asks whether the column of the space is past the width.
        found = pattern.search(text, max(at + _WIDTH + 1 - column - len(escape), at, start))
        if not found or found.end() > len(text) - start:
            yield escape + text[at:]
            return
        yield escape + text[at : found.start()]
        at, column = found.end(), indent
        escape = "\\" if text[at : at + 1] == " " else ""
