"""What is wrong with an encrypted file, and where; never what it holds."""

from typing import Final

_LONGEST: Final = 1000
_LONGEST_PATH: Final = 200
"""Characters of a text and of a field's path: names of a hostile file may have megabytes."""


class SopsError(ValueError):
    """A text that is no valid SOPS file, was tampered with, or cannot be decrypted as asked.

    It quotes names of fields, never a value.
    """

    def __init__(self, problem: str, *, line: int = 0, path: str = "", source: str = "") -> None:
        """Keep them.  line: from 1, 0 = not known.  path: of the field, as `data.password`.

        source: encrypted text that stands on that line, for whoever can search the file.
        """
        super().__init__(problem, line, path)
        self.problem = _legible(problem, _LONGEST)
        self.line = line
        self.path = _legible(path, _LONGEST_PATH)
        self.source = source

    def __str__(self) -> str:
        return self.located("")

    def located(self, file: str) -> str:
        """The text as `file:line: field: problem`; what is not known is left out."""
        place = f"{file}:{self.line}" if file and self.line else file
        if self.line and not file:
            place = f"line {self.line}"
        return ": ".join(part for part in (place, self.path, self.problem) if part)


def _legible(text: str, longest: int) -> str:
    """The text without what is no UTF-8, cut in its middle if it is too long."""
    text = text.encode(errors="replace").decode()
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}...{text[-half:]}"
