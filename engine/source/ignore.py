"""Which files of a source do not belong to its artifact: `.sourceignore` and `spec.ignore`.

The syntax is gitignore's, the matching is Flux's (go-git 5): the last pattern that matches
decides, and a file below an excluded folder can be taken back in, which Git does not allow.
Source: flux-behaviour 3.2, fluxcd/pkg sourceignore, go-git plumbing/format/gitignore.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

FILE_NAME = ".sourceignore"
VCS = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
_EXTENSIONS = (
    *("*.jpg", "*.jpeg", "*.gif", "*.png"),
    *("*.wmv", "*.flv", "*.tar.gz", "*.zip"),
)
_CI = (
    *(".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml"),
    *("cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml"),
)
_EXTRA = ("**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml")
DEFAULTS = (*_EXTENSIONS, *_CI, *_EXTRA)


@dataclass(frozen=True, slots=True)
class Segment:
    """The part of a pattern between two slashes."""

    text: str
    _regex: re.Pattern[str] | None = field(compare=False, repr=False)

    @classmethod
    def of(cls, text: str) -> "Segment":
        """The segment; one that cannot be read matches nothing, as in Go."""
        if not set(text) & set("*?[\\"):
            return cls(text, None)
        return cls(text, re.compile(_regex_of(text), re.DOTALL))

    def matches(self, name: str) -> bool:
        """True if a file or folder of that name is meant."""
        if self._regex is None:
            return name == self.text
        return self._regex.fullmatch(name) is not None


_NOTHING = r"(?!)"


def _regex_of(text: str) -> str:
    r"""Go's filepath.Match as a regular expression: `*`, `?`, `[a-z]`, `[^a]` and `\\`.

    Each `*` ends for good where what follows it stands first, which is enough; were other ends
    tried too, one pattern such as `*a*a*a*a*a*a*b` would hold the interpreter for hours.
    """
    parts: list[str] = []  # of what stands between two stars, one character each
    pieces = [parts]
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            parts = []
            pieces.append(parts)
        elif char == "?":
            parts.append(".")
        elif char == "\\":
            if at == len(text):
                return _NOTHING
            parts.append(re.escape(text[at]))
            at += 1
        elif char == "[":
            group, at = _group(text, at)
            if not group:
                return _NOTHING
            parts.append(group)
        else:
            parts.append(re.escape(char))
    head, *others = ("".join(piece) for piece in pieces)
    if not others:
        return head
    middle = "".join(f"(?>.*?{piece})" for piece in others[:-1] if piece)
    return f"{head}{middle}.*{others[-1]}"


def _group(text: str, at: int) -> tuple[str, int]:
    """The group that starts behind a `[`, and where it ends; "" if it cannot be read."""
    negated = text[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while at < len(text) and (text[at] != "]" or not ranges):
        low, at = _group_char(text, at)
        high = low
        if low and text[at : at + 1] == "-":
            high, at = _group_char(text, at + 1)
        if not low or not high:
            return "", at
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")
    if at >= len(text):
        return "", at
    inside = "".join(ranges)
    if not inside:
        return ("." if negated else _NOTHING), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _group_char(text: str, at: int) -> tuple[str, int]:
    """One character of a group; "" where Go calls the pattern malformed."""
    if at >= len(text) or text[at] in "-]":
        return "", at
    if text[at] == "\\":
        at += 1
    return text[at : at + 1], at + 1


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of an ignore file; scope: the folder that it stands in, as path parts."""

    line: str
    scope: tuple[str, ...]
    is_negated: bool
    folders_only: bool
    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, line: str, scope: tuple[str, ...] = ()) -> "Pattern":
        """The pattern of a line that is neither empty nor a comment."""
        text = line.removeprefix("!")
        if not text.endswith("\\ "):
            text = text.rstrip(" ")
        folders_only = text.endswith("/")
        text = text.removesuffix("/")
        segments = tuple(Segment.of(part) for part in text.split("/"))
        return cls(line, scope, line.startswith("!"), folders_only, segments)

    def matches(self, path: Sequence[str], is_folder: bool) -> bool:
        """True if the pattern speaks about the file or folder at `path`, or a folder above it."""
        if len(path) <= len(self.scope) or tuple(path[: len(self.scope)]) != self.scope:
            return False
        below = path[len(self.scope) :]
        if len(self.segments) == 1:
            return self._matches_name(below, is_folder)
        return self._matches_path(below, is_folder)

    def _matches_name(self, path: Sequence[str], is_folder: bool) -> bool:
        segment = self.segments[0]
        last = len(path) - 1
        for number, name in enumerate(path):
            if segment.matches(name):
                return is_folder or not self.folders_only or number < last
        return False

    def _matches_path(self, path: Sequence[str], is_folder: bool) -> bool:
        """Walk pattern and path together; a pattern used up on a folder covers all below it."""
        matched = crosses = False
        last = len(self.segments) - 1
        for number, segment in enumerate(self.segments):
            if not segment.text:
                crosses = False
                continue
            if segment.text == "**":
                if number == last:
                    break
                crosses = True
                continue
            if "**" in segment.text or not path:
                return False
            found = self._first(segment, path) if crosses else int(segment.matches(path[0]))
            if not found and not crosses:
                return False
            matched = bool(found) and (crosses or len(path) > 1 or number == last)
            path = path[found:] if found else ()
            crosses = False
        return matched and not (self.folders_only and not is_folder and not path)

    @staticmethod
    def _first(segment: Segment, path: Sequence[str]) -> int:
        """How many names the first match behind `**` takes; 0 if none matches."""
        return next((n for n, name in enumerate(path, start=1) if segment.matches(name)), 0)


class Rules:
    """All patterns that hold for one source, in order."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        """patterns: later ones win."""
        self._patterns = tuple(reversed(tuple(patterns)))
        text = "\0".join(f"{'/'.join(item.scope)}\n{item.line}" for item in self._patterns)
        self.key = hashlib.sha256(text.encode()).hexdigest()
        """Equal exactly if the rules are."""
        self.takes_back = any(item.is_negated for item in self._patterns)
        """False: all that lies below an ignored folder is ignored as well."""

    def ignores(self, path: Sequence[str], is_folder: bool) -> bool:
        """True if the file or folder at `path` (its names from the root) is left out."""
        for pattern in self._patterns:
            if pattern.matches(path, is_folder):
                return not pattern.is_negated
        return False


def read_patterns(text: str, scope: tuple[str, ...] = ()) -> list[Pattern]:
    """The patterns of an ignore file that stands in the folder `scope`."""
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return [
        Pattern.parse(line, scope) for line in lines if line.strip() and not line.startswith("#")
    ]


def rules(
    files: Iterable[tuple[tuple[str, ...], str]],
    spec_ignore: str | None,
    also: Iterable[Pattern] = (),
) -> Rules:
    """The rules of a source.

    files: (folder, text) of each `.sourceignore`, outer before inner.  The default sets hold only
    if there is no pattern at all.   also: rules that somebody adds, whatever else holds.
    """
    own = [pattern for scope, text in files for pattern in read_patterns(text, scope)]
    own += read_patterns(spec_ignore or "")
    base = VCS if own else (*VCS, *DEFAULTS)
    return Rules([*(Pattern.parse(line) for line in base), *own, *also])
