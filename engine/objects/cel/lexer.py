"""The words of an expression.  Source: cel-spec langdef.md, "Lexical syntax"."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from engine.objects.cel.errors import TextError
from engine.objects.cel.values import INT_MAX, INT_MIN, UINT_MAX, Uint

KEYWORDS: Final = frozenset({"false", "in", "null", "true"})
RESERVED: Final = frozenset(
    {"as", "break", "const", "continue", "else", "for", "function", "if", "import", "let"}
    | {"loop", "package", "namespace", "return", "var", "void", "while"}
)

_TOKEN = re.compile(
    r"(?P<blank>(?:[\t\n\f\r ]|//[^\n]*)+)"
    r"|(?P<string>[rRbB]{0,2}(?:'''|\"\"\"|'|\"))"
    r"|(?P<float>(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+"
    r"|\.[0-9]+(?:[eE][+-]?[0-9]+)?))"
    r"|(?P<int>(?:0x[0-9a-fA-F]+|[0-9]+)[uU]?)"
    r"|(?P<word>[_a-zA-Z][_a-zA-Z0-9]*)"
    r"|`(?P<quoted>[a-zA-Z0-9_.\-/ ]+)`"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:,.(){}\[\]])"
)
_ESCAPE = re.compile(
    r"\\(?:(?P<one>[abfnrtv\\'\"`?])|[xX](?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})"
    r"|U(?P<U>[0-9a-fA-F]{8})|(?P<o>[0-3][0-7]{2})|(?P<bad>.|$))",
    re.DOTALL,
)
_ONE = dict(zip("abfnrtv\\'\"`?", "\a\b\f\n\r\t\v\\'\"`?", strict=True))
_SURROGATES: Final = range(0xD800, 0xE000)
_DIGITS = 20  # of the longest whole number; more would only cost time to read


@dataclass(frozen=True, slots=True)
class Token:
    """kind: "sign", "word", "quoted", "literal" or "end"; value: its text or meaning."""

    kind: str
    value: Any
    at: int


def tokens(text: str) -> list[Token]:
    """All words, the last of kind "end".  Raises TextError."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise TextError(f"Syntax error: token recognition error at: {text[at]!r}", text, at)
        start, at, kind = at, match.end(), str(match.lastgroup)
        if kind == "blank":
            continue
        if kind == "string":
            value, at = _string(text, start, match["string"])
            found.append(Token("literal", value, start))
        elif kind in ("int", "float"):
            found.append(Token("literal", _number(match[kind], kind, text, start), start))
        else:
            found.append(Token(kind, match[kind], start))
    return [*found, Token("end", "<EOF>", len(text))]


def _number(digits: str, kind: str, text: str, at: int) -> float | int:
    if kind == "float":
        return float(digits)
    is_unsigned = digits[-1] in "uU"
    plain = digits.rstrip("uU")
    if len(plain.lstrip("0x")) <= _DIGITS:
        value = int(plain, 16 if plain.startswith("0x") else 10)
        # One more than the largest: it may stand behind a minus.
        if value <= (UINT_MAX if is_unsigned else -INT_MIN):
            return Uint(value) if is_unsigned else value
    raise TextError(f"invalid {'uint' if is_unsigned else 'int'} literal", text, at)


def _string(text: str, start: int, opening: str) -> tuple[str | bytes, int]:
    """The value of a string or bytes literal, and the offset behind it."""
    prefix, quote = opening.lower().rstrip("'\""), opening.lstrip("rRbB")
    if prefix not in ("", "r", "b", "rb", "br"):
        raise TextError(f"Syntax error: no such prefix of a string: {prefix!r}", text, start)
    is_raw, is_bytes = "r" in prefix, "b" in prefix
    at = begin = start + len(opening)
    while not text.startswith(quote, at):
        if at >= len(text) or (len(quote) == 1 and text[at] == "\n"):
            raise TextError("Syntax error: the string does not end", text, start)
        at += 2 if text[at] == "\\" and not is_raw else 1
    body = text[begin:at]
    if not is_bytes:
        return (body if is_raw else _unescaped(body, text, begin)), at + len(quote)
    return (body.encode() if is_raw else _bytes(body, text, begin)), at + len(quote)


def _unescaped(body: str, text: str, begin: int) -> str:
    return _ESCAPE.sub(_expander(text, begin, chr), body)


def _bytes(body: str, text: str, begin: int) -> bytes:
    """In bytes, escapes by two hexadecimal or three octal digits are bytes, not characters."""
    parts: list[bytes] = []
    last = 0
    expand = _expander(text, begin, chr)
    for match in _ESCAPE.finditer(body):
        parts.append(body[last : match.start()].encode())
        octet = match["x"] or match["o"]
        if octet:
            parts.append(bytes([int(octet, 16 if match["x"] else 8)]))
        else:
            parts.append(expand(match).encode())
        last = match.end()
    return b"".join([*parts, body[last:].encode()])


def _expander(text: str, begin: int, character: Callable[[int], str]) -> Callable[[Any], str]:
    def expand(match: re.Match[str]) -> str:
        if match["one"]:
            return _ONE[match["one"]]
        digits = match["x"] or match["u"] or match["U"]
        if digits or match["o"]:
            code = int(digits, 16) if digits else int(match["o"], 8)
            if code <= 0x10FFFF and code not in _SURROGATES:
                return character(code)
        raise TextError(f"Syntax error: bad escape {match[0]!r}", text, begin + match.start())

    return expand


def is_int(value: int) -> bool:
    """Whether it fits a signed number of 64 bits."""
    return INT_MIN <= value <= INT_MAX
