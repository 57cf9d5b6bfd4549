"""What a kustomization can be wrong about, and what a build may lack."""

from collections.abc import Iterable
from dataclasses import dataclass

MAX_PROBLEMS = 20
"""How many problems of one build a message lists: enough to work on, short enough for a status."""


class KustomizeError(ValueError):
    """A build that cannot be finished; the text says what, where and why."""


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
    return "\n".join([*lines[:MAX_PROBLEMS], *more])


@dataclass(frozen=True, slots=True)
class Needs:
    """What the caller must fetch before the build is tried again.

    bases: URLs of Git repositories, as the kustomization writes them.
    files: http(s) URLs of single files.
    """

    bases: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """True if anything is lacking."""
        return bool(self.bases or self.files)


class Lacking(Exception):  # noqa: N818 (a request, not an error: the caller fetches and tries again)
    """The build stopped because it needs something that only I/O can bring."""

    def __init__(self, needs: Needs) -> None:
        """needs: everything that was found lacking, not only the first."""
        super().__init__(", ".join(sorted(needs.bases | needs.files)))
        self.needs = needs

    def __reduce__(self) -> "tuple[type[Lacking], tuple[Needs]]":
        """It crosses from a builder process."""
        return (Lacking, (self.needs,))
