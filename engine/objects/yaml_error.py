"""What is wrong with a manifest and where, in the words of the parser."""

import codecs
import re

import yaml
from yaml.reader import ReaderError


class ManifestError(ValueError):
    """A file that cannot be read as Kubernetes reads manifests; str() is `file:line: problem`."""

    def __init__(self, file: str, line: int, problem: str, column: int = 0) -> None:
        """Keep them.  The line and the column count from 1; column 0: not known."""
        super().__init__(file, line, problem, column)
        self.file = file
        self.line = line
        self.problem = problem
        self.column = column

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


_CONFLICT = re.compile(r"^(?:<{7}|>{7}|={7})(?: .*)?$", re.MULTILINE)
"""What Git leaves in a file that two commits have changed."""
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_INDENTED = "; is it indented as the lines around it?"
_HINTS = {
    "mapping values are not allowed in this context": (
        "; is it indented as the lines around it, and is text with ': ' in quotes?"
    ),
    "did not find expected key": _INDENTED,
    "did not find expected '-' indicator": _INDENTED,
    "could not find expected ':'": " after it",
}
"""What to look at, by the parser's words."""


def translated(error: yaml.YAMLError | UnicodeError, file: str) -> ManifestError:
    """The parser's error as ours."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        if mark is None:
            return ManifestError(file, 1, problem)
        return ManifestError(file, mark.line + 1, problem, mark.column + 1)
    if isinstance(error, ReaderError):
        return ManifestError(file, 1, f"byte {error.position}: {error.reason}")
    return ManifestError(file, 1, f"not UTF-8 text: {error}")


def explained(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """(the line, from 1; what is wrong there and what to look at) of a text that is no YAML."""
    if found := _CONFLICT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        return line, f"{found[0][:7]!r} is left of a conflict: the merge is not finished"
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"character {_code(error.character)} is not allowed"
    mark = getattr(error, "problem_mark", None)
    column = mark.column if mark else 0
    line, problem = mark.line + 1 if mark else 1, str(getattr(error, "problem", None) or error)
    lines = text.split("\n")
    if problem == "found character that cannot start any token" and line <= len(lines):
        return line, f"{problem}: {_unquoted(lines[line - 1][column:][:1])}"
    start = getattr(error, "context_mark", None)
    if start and start.line + 1 < line and _opens(error):
        line = start.line + 1
    if problem == "found unexpected end of stream" and _opens(error):
        problem = "the quote that opens here is never closed"
    return line, problem + _HINTS.get(problem, "")


def undecodable(content: bytes, error: UnicodeDecodeError) -> tuple[int, str]:
    """(the line, what is wrong) of a file that is not UTF-8."""
    if content.startswith(_UTF_16):
        return 1, "it is UTF-16: save it as UTF-8"
    line = content.count(b"\n", 0, error.start) + 1
    return line, f"not UTF-8 at byte {error.start}: save it as UTF-8"


def _opens(error: yaml.YAMLError) -> bool:
    """Whether what is wrong began where something was opened."""
    return getattr(error, "context", None) in (
        "while scanning a quoted scalar",
        "while scanning a simple key",
    )


def _unquoted(character: str) -> str:
    if character == "\t":
        return "a tab; YAML is indented with spaces"
    return f"text that begins with {character!r} needs quotes"


def _code(character: object) -> str:
    code = character if isinstance(character, int) else ord(str(character)[:1] or "\0")
    return f"U+{code:04X}"


def mended(text: bytes | str, error: yaml.YAMLError | UnicodeError) -> bytes | None:
    """The text made readable where Kubernetes reads it and libyaml does not, None elsewhere.

    In `[a:, b]` and `{a:}` Go's parsers take `a:` for a string; it gets quotes here.
    """
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem != "found unexpected ':'":
        return None
    start, colon = error.context_mark, error.problem_mark
    if start is None or colon is None:
        return None
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    # What comes later need not be UTF-8: the parser will say so when it gets there.
    content = data.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape")
    scalar, rest = content[start.index : colon.index + 1], content[colon.index + 1 :]
    if not scalar.endswith(":") or not rest.startswith((",", "[", "]", "{", "}")):
        return None
    quoted = scalar.replace("'", "''")
    return f"{content[: start.index]}'{quoted}'{rest}".encode(errors="surrogateescape")
