"""Semantic versions and the ranges that Flux understands.

Source: Masterminds/semver v3 (constraints.go), fluxcd/pkg version.ParseVersion: a tag is a
version if it is a strict one, with or without a `v` before it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, total_ordering
from typing import Any

_NUMBER = r"(0|[1-9][0-9]*)"
_LABEL = r"[0-9A-Za-z-]+"
_VERSION = re.compile(
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-({_LABEL}(?:\.{_LABEL})*))?(?:\+({_LABEL}(?:\.{_LABEL})*))?"
)
_PART = r"[0-9|xX*]+"
_PARTIAL = (
    rf"v?({_PART})(\.{_PART})?(\.{_PART})?"
    rf"(-{_LABEL}(?:\.{_LABEL})*)?(\+{_LABEL}(?:\.{_LABEL})*)?"
)
_PLAIN = re.sub(r"\((?!\?)", "(?:", _PARTIAL)
_OPERATOR = r"=>|>=|=<|<=|!=|~>|=|>|<|~|\^|"
_ONE = rf"\s*({_OPERATOR})\s*{_PARTIAL}\s*"
_GROUP = rf"\s*(?:{_OPERATOR})\s*{_PLAIN}\s*(?:(?:\s+|,\s*)(?:{_OPERATOR})\s*{_PLAIN}\s*)*"
_FIND = rf"(?:{_OPERATOR})\s*{_PLAIN}"
_HYPHEN = rf"\s*(?P<low>{_PLAIN})\s+-\s+(?P<high>{_PLAIN})\s*"

_LONGEST = 1024  # characters of a range


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A version; equal and ordered by precedence, so build metadata does not count."""

    core: tuple[int, int, int]
    prerelease: str = ""
    text: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> "Version":
        """The version written as `text`.  Raises ValueError if it is no strict version."""
        match = _VERSION.fullmatch(text)
        prerelease = (match and match[4]) or ""
        numbers = [part for part in prerelease.split(".") if part.isdigit()]
        if not match or any(part != "0" and part.startswith("0") for part in numbers):
            raise ValueError(f"{text!r} is not a semantic version (MAJOR.MINOR.PATCH)")
        return cls((int(match[1]), int(match[2]), int(match[3])), prerelease, text)

    def _key(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        parts = self.prerelease.split(".") if self.prerelease else []
        labels = ((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts)
        return (self.core, not self.prerelease, tuple(labels))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key() == other._key()

    def __lt__(self, other: "Version") -> bool:
        return self._key() < other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition: operator and version.

    given: how many of MAJOR, MINOR, PATCH the text names; the others stand for any.
    """

    operator: str
    version: Version
    given: int

    def holds(self, version: Version) -> bool:
        """True if `version` meets the condition; whether it is a pre-release is asked before."""
        if self.operator in {"", "="}:
            return self._tilde(version) if self.given < 3 else version == self.version
        if self.operator == "!=":
            return not Comparison("=", self.version, self.given).holds(version)
        if self.operator in {"~", "~>"}:
            return self._tilde(version)
        if self.operator == "^":
            return self._caret(version)
        return self._ordered(version)

    def _ordered(self, version: Version) -> bool:
        if self.operator == "<":
            return version < self.version
        if self.operator in {">=", "=>"}:
            return version >= self.version
        if self.given == 3:
            above = version > self.version
        else:  # >1.2 means above all of 1.2.x; `*` names no part, and nothing is above it
            named = max(self.given, 1)
            above = version.core[:named] > self.version.core[:named]
            if self.given == 0:
                above = version > self.version
        return above if self.operator == ">" else not above

    def _tilde(self, version: Version) -> bool:
        if version < self.version:
            return False
        if self.given == 0 or (self.given == 3 and self.version.core == (0, 0, 0)):
            return True
        named = min(self.given, 2)
        return version.core[:named] == self.version.core[:named]

    def _caret(self, version: Version) -> bool:
        if version < self.version:
            return False
        if self.given == 0:
            return True
        major, minor, _ = self.version.core
        if major > 0 or self.given == 1:
            return version.core[0] == major
        if minor > 0 or self.given == 2:
            return version.core[:2] == self.version.core[:2]
        return version.core == self.version.core


class Constraint:
    """A range such as `>=1.2 <2 || 3.x`; a blank between conditions means and."""

    def __init__(self, text: str) -> None:
        """Raises ValueError if `text` is no range."""
        if len(text) > _LONGEST:  # else it would hold everybody up for minutes
            raise ValueError(f"improper constraint: it has more than {_LONGEST} characters")
        self.text = text
        rewritten = _linear(_HYPHEN).sub(_hyphen, text)
        self._groups = [_group(part, text) for part in rewritten.split("||")]

    def __repr__(self) -> str:
        return f"Constraint({self.text!r})"

    def holds(self, version: Version) -> bool:
        """True if `version` lies in the range; pre-releases only where the range names one."""
        return any(
            (not version.prerelease or any(item.version.prerelease for item in group))
            and all(item.holds(version) for item in group)
            for group in self._groups
        )

    def newest(self, texts: Iterable[str]) -> list[str]:
        """Of the texts that are versions in the range, those of highest precedence."""
        best: Version | None = None
        found: list[str] = []
        for text in texts:
            try:
                version = Version.parse(text)
                is_older = best is not None and version < best
            except ValueError:  # no version, or with a number of more than 4300 digits
                continue
            if is_older or not self.holds(version):
                continue
            found = [*found, text] if version == best else [text]
            best = version
        return found


@cache
def _linear(pattern: str) -> Any:
    """The expression by re2, as a range is a user's text: `re` would take years for many blanks."""
    import re2  # here: 3 MB that only a range needs

    return re2.compile(pattern)


def _hyphen(match: Any) -> str:
    """`1.2 - 1.4` as conditions."""
    return f">={match['low']}, <={match['high']} "


def _group(text: str, whole: str) -> list[Comparison]:
    if not text.strip():
        return [Comparison("", Version((0, 0, 0)), 0)]
    if not _linear(_GROUP).fullmatch(text):
        raise ValueError(f"improper constraint: {whole!r}: expected e.g. '>=1.2.0 <2.0.0', '1.x'")
    return [_comparison(found, whole) for found in _linear(_FIND).findall(text)]


def _comparison(text: str, whole: str) -> Comparison:
    match = _linear(_ONE).fullmatch(text)
    if match is None:
        raise ValueError(f"improper constraint: {whole!r}")
    operator, *parts = match.groups()[:4]
    numbers: list[int] = []
    for part in parts:
        digits = (part or "").removeprefix(".")
        if not digits.isdigit():
            if digits not in {"", "x", "X", "*"}:
                raise ValueError(f"improper constraint: {whole!r}: {digits!r} is no number")
            break
        numbers.append(int(digits))
    core = (*numbers, 0, 0, 0)
    prerelease = (match[5] or "").removeprefix("-")
    return Comparison(operator, Version((core[0], core[1], core[2]), prerelease), len(numbers))
