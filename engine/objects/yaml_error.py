"""What is wrong with a manifest and where, in the words of the parser."""

import codecs

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
