"""What the operators of `${name...}` make of a value.

Lengths and offsets count bytes of the UTF-8 text; patterns are globs.
Source: fluxcd/pkg envsubst/funcs.go, envsubst/path/match.go.
"""

import re
from collections.abc import Callable, Mapping, Sequence

Operator = Callable[[str, Sequence[str]], str]

_INTEGER = re.compile(r"[+-]?[0-9]+")


MAX_LENGTH = 8 * 2**20
"""Characters that a text may have when its variables are replaced: etcd takes 1.5 MiB an object,
and `${x//a/${x//a/${x}}}` makes gigabytes of a few hundred."""


class OperatorError(ValueError):
    """Arguments with which an operator cannot work."""


def check_length(length: int) -> None:
    """Raises OperatorError if a text would become too long."""
    if length > MAX_LENGTH:
        raise OperatorError(f"the text would have more than {MAX_LENGTH:,} characters")


def default(value: str, arguments: Sequence[str]) -> str:
    """The arguments where the value is empty."""
    return value or "".join(arguments)


def length(value: str, _: Sequence[str]) -> str:
    """The number of bytes."""
    return str(len(value.encode()))


def substring(value: str, arguments: Sequence[str]) -> str:
    """From an offset on, which counts from the end if negative, as many bytes as asked.

    Arguments that are no integers give the value as it is.  Raises OperatorError for a negative
    length (which crashes the original).
    """
    if not all(_INTEGER.fullmatch(argument) for argument in arguments):
        return value
    data = value.encode()
    start, *size = map(int, arguments)
    if start < 0:
        start = max(0, len(data) + start)
    end = start + size[0] if size else len(data)
    if size and end < len(data) and end < start:
        raise OperatorError(f"negative length {arguments[1]} of a substring")
    return data[start:end].decode(errors="replace")


def upper(value: str, _: Sequence[str] = ()) -> str:
    """All in upper case, letter by letter."""
    return "".join(_single(character, character.upper()) for character in value)


def lower(value: str, _: Sequence[str] = ()) -> str:
    """All in lower case, letter by letter."""
    return "".join(_single(character, character.lower()) for character in value)


def upper_first(value: str, _: Sequence[str]) -> str:
    """The first letter in upper case."""
    return upper(value[:1]) + value[1:]


def lower_first(value: str, _: Sequence[str]) -> str:
    """The first letter in lower case."""
    return lower(value[:1]) + value[1:]


def _single(character: str, changed: str) -> str:
    """Go changes one letter into one letter: ß stays ß."""
    return changed if len(changed) == 1 else character


def replace_first(value: str, arguments: Sequence[str]) -> str:
    """The first occurrence of a text replaced, or removed."""
    return value.replace(arguments[0], "".join(arguments[1:]), 1)


def replace_all(value: str, arguments: Sequence[str]) -> str:
    """Every occurrence of a text replaced, or removed."""
    old, new = arguments[0], "".join(arguments[1:])
    check_length(len(value) + value.count(old) * (len(new) - len(old)))
    return value.replace(old, new)


def replace_prefix(value: str, arguments: Sequence[str]) -> str:
    """A text replaced where the value begins with it; nothing if there is no replacement."""
    if len(arguments) == 1 or not value.startswith(arguments[0]):
        return value
    return arguments[1] + value[len(arguments[0]) :]


def replace_suffix(value: str, arguments: Sequence[str]) -> str:
    """A text replaced where the value ends with it; nothing if there is no replacement."""
    if len(arguments) == 1 or not value.endswith(arguments[0]):
        return value
    return value[: len(value) - len(arguments[0])] + arguments[1]


def strip_shortest(value: str, pattern: str) -> str:
    """Without the shortest prefix, not empty, that the glob matches."""
    return next((value[n:] for n in range(1, len(value) + 1) if matches(pattern, value[:n])), value)


def strip_longest(value: str, pattern: str) -> str:
    """Without the longest prefix that the glob matches."""
    sizes = range(len(value), 0, -1)
    return next((value[n:] for n in sizes if matches(pattern, value[:n])), value)


def matches(pattern: str, name: str) -> bool:
    """True if the glob matches all of the name.  `*` matches `/` too; a bad glob nothing."""
    chunks = _chunks(pattern)
    if chunks is None:
        return False
    first, *rest = chunks
    if not _matches_at(first, name, 0):
        return False
    at = len(first)
    if not rest:
        return at == len(name)
    for chunk in rest[:-1]:
        spot = next((i for i in range(at, len(name) + 1) if _matches_at(chunk, name, i)), None)
        if spot is None:
            return False
        at = spot + len(chunk)
    last = len(name) - len(rest[-1])
    return last >= at and _matches_at(rest[-1], name, last)


Single = Callable[[str], bool]


def _matches_at(chunk: list[Single], name: str, at: int) -> bool:
    part = name[at : at + len(chunk)]
    return len(part) == len(chunk) and all(
        test(character) for test, character in zip(chunk, part, strict=True)
    )


def _chunks(pattern: str) -> list[list[Single]] | None:
    """Tests of single characters, split at `*`; None if the glob is malformed."""
    chunks: list[list[Single]] = [[]]
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            chunks.append([])
        elif character == "?":
            chunks[-1].append(lambda _: True)
        elif character == "[":
            end, test = _class(pattern, at)
            if test is None:
                return None
            chunks[-1].append(test)
            at = end
        else:
            if character == "\\":
                if at == len(pattern):
                    return None
                character = pattern[at]
                at += 1
            chunks[-1].append(character.__eq__)
    return chunks


def _class(pattern: str, at: int) -> tuple[int, Single | None]:
    """(where the class ends, its test); no test if it is malformed."""
    is_negated = pattern.startswith("^", at)
    at += is_negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern.startswith("]", at)):
        low, at = _class_member(pattern, at)
        high = low
        if low and pattern.startswith("-", at):
            high, at = _class_member(pattern, at + 1)
        if not low or not high:
            return at, None
        ranges.append((low, high))
    return at + 1, lambda c: any(low <= c <= high for low, high in ranges) is not is_negated


def _class_member(pattern: str, at: int) -> tuple[str, int]:
    """(the character, what follows); "" if there is none, or nothing follows."""
    if pattern[at : at + 1] in ("", "-", "]"):
        return "", at
    if pattern[at] == "\\":
        at += 1
    return (pattern[at], at + 1) if at + 1 < len(pattern) else ("", at)


def _suffix(strip: Callable[[str, str], str]) -> Operator:
    """The same from the end; the pattern is reversed letter by letter, as in the original."""
    return lambda value, arguments: strip(value[::-1], arguments[0][::-1])[::-1]


DEFAULTS = frozenset({"=", ":=", ":-", ":+", ":?"})
"""Operators that say what an unset variable reads as."""

OPERATORS: Mapping[str, Operator] = {
    "": default,
    **dict.fromkeys(DEFAULTS, default),
    "#length": length,
    ":": substring,
    "^": upper_first,
    "^^": upper,
    ",": lower_first,
    ",,": lower,
    "#": lambda value, arguments: strip_shortest(value, arguments[0]),
    "##": lambda value, arguments: strip_longest(value, arguments[0]),
    "%": _suffix(strip_shortest),
    "%%": _suffix(strip_longest),
    "/": replace_first,
    "//": replace_all,
    "/#": replace_prefix,
    "/%": replace_suffix,
    **dict.fromkeys((",^", "^,"), default),
}
