"""What is wrong with how a repository keeps a secret: where, why, and what mends it."""

import shlex
from dataclasses import dataclass

from engine.plugin import Severity

__all__ = ["Flaw", "Severity", "quoted"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that was found; it quotes no value."""

    severity: Severity
    rule: str
    """Names the kind of flaw, for who filters: `plain-text`, `not-decrypted` ..."""
    file: str
    """From the root; "" if it is about no file."""
    line: int
    """0: not known."""
    what: str
    fix: str = ""
    """A command or a change, "" if there is nothing to mend."""

    @property
    def place(self) -> str:
        """`file:line`, as far as known."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file


def quoted(*words: str) -> str:
    """A command line that a shell reads as these words."""
    return shlex.join(words)
