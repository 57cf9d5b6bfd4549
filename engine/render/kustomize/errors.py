"""What a kustomization can be wrong about, and what a build may lack."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias, TypeVar

from engine.render.decrypt_keys import SealedKey

MAX_PROBLEMS = 20
"""How many problems of one build a message lists: enough to work on, short enough for a status."""
MAX_LINE = 2_000
"""Characters of one problem: a chain of a dozen kustomizations has fewer."""
MAX_TEXT = 8 * 1024 * 1024
"""Characters of one text that replacements, vars or prefixes make; objects may have 1.5 MiB."""
_LONGEST = 255
"""Characters of a name that is compared with others: what file systems take."""
_COMPARED = 1_000
"""With how many names a name is compared."""


Entry: TypeAlias = tuple[str | int, ...]
"""The path of a field in a kustomization: `("patches", 2, "target")`."""

T = TypeVar("T")


class KustomizeError(ValueError):
    """A build that cannot be finished; the text says what, where and why."""


class EntryError(KustomizeError):
    """What is wrong with entries of one file, which is not named; `str` has one a line."""

    def __init__(self, found: Iterable[tuple[Entry, str]]) -> None:
        """found: (where in the file, what) of each."""
        self.found = tuple(found)
        super().__init__("\n".join(f"{called(e)}: {text}" if e else text for e, text in self.found))


class at:  # noqa: N801 (a verb: `with at("patches", 0):`)
    """What goes wrong inside of the block is wrong with this entry of the kustomization."""

    __slots__ = ("_entry",)

    def __init__(self, *entry: str | int) -> None:
        self._entry = entry

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, KustomizeError) and not isinstance(error, LocatedError):
            raise EntryError(_found(self._entry, error)) from error


def collected(makers: Iterable[tuple[Entry, Callable[[], T]]]) -> list[T]:
    """What each of them makes.  Raises EntryError with all that goes wrong, not only the first."""
    made: list[T] = []
    found: list[tuple[Entry, str]] = []
    for entry, make in makers:
        try:
            made.append(make())
        except KustomizeError as error:
            found += _found(entry, error)
    if found:
        raise EntryError(found)
    return made


def _found(entry: Entry, error: KustomizeError) -> Iterable[tuple[Entry, str]]:
    if isinstance(error, EntryError):
        return [((*entry, *path), text) for path, text in error.found]
    return [(entry, str(error))]


def called(entry: Entry) -> str:
    """`patches[2].target`."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in entry)
    return "".join(parts).removeprefix(".")


def nearest(name: str, names: Iterable[str], say: str = "; there is {!r}") -> str:
    """What to add to an error about a name that is not there: the one that comes nearest, or ""."""
    if len(name) > _LONGEST:  # comparing takes the product of lengths
        return ""
    known = islice((each for each in names if len(each) <= _LONGEST), _COMPARED)
    near = difflib.get_close_matches(name, list(known), 1)
    return say.format(near[0]) if near else ""


class LocatedError(KustomizeError):
    """Problems each of which says where it is; `str` has one a line."""

    def __init__(self, problems: Iterable[str]) -> None:
        """problems: all that were found, not only the first."""
        self.problems = tuple(problems)
        super().__init__(listed(self.problems))


def listed(problems: Iterable[str]) -> str:
    """The first problems, one a line, each once."""
    lines = list(dict.fromkeys(problems))
    more = ["and more like these"] if len(lines) > MAX_PROBLEMS else []
    return "\n".join([*map(_cut, lines[:MAX_PROBLEMS]), *more])


def _cut(line: str) -> str:
    """The line without its middle if it is very long."""
    if len(line) <= MAX_LINE:
        return line
    return f"{line[: MAX_LINE // 2]} [...] {line[-MAX_LINE // 2 :]}"


def bounded(text: str) -> str:
    """The text.  Raises KustomizeError if replacing made it longer than any cluster takes."""
    check_length(len(text))
    return text


def check_length(length: int) -> None:
    """Raises KustomizeError for the length of a text that no cluster would take."""
    if length > MAX_TEXT:
        raise KustomizeError(f"a text becomes longer than {MAX_TEXT:,} characters")


@dataclass(frozen=True, slots=True)
class Needs:
    """What the caller must fetch before the build is tried again.

    bases: URLs of Git repositories, as the kustomization writes them.
    files: http(s) URLs of single files.
    data_keys: of encrypted files and objects.
    """

    bases: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    data_keys: frozenset[SealedKey] = frozenset()

    def __bool__(self) -> bool:
        """True if anything is lacking."""
        return bool(self.bases or self.files or self.data_keys)

    def __or__(self, other: "Needs") -> "Needs":
        """What either lacks."""
        return Needs(
            self.bases | other.bases, self.files | other.files, self.data_keys | other.data_keys
        )


class Lacking(Exception):  # noqa: N818 (a request, not an error: the caller fetches and tries again)
    """The build stopped because it needs something that only I/O can bring."""

    def __init__(self, needs: Needs) -> None:
        """needs: everything that was found lacking, not only the first."""
        sealed = (f"the data key of {key.where}" for key in needs.data_keys)
        super().__init__(", ".join(sorted((*needs.bases, *needs.files, *sealed))))
        self.needs = needs

    def __reduce__(self) -> "tuple[type[Lacking], tuple[Needs]]":
        """It crosses from a builder process."""
        return (Lacking, (self.needs,))
