"""What a kustomization can be wrong about, and what a build may lack."""

from dataclasses import dataclass


class KustomizeError(ValueError):
    """A build that cannot be finished; the text says what, where and why."""


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
