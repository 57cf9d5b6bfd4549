"""What can be wrong with an expression: its text, or what it meets when it is evaluated."""


class CelError(ValueError):
    """An expression that has no value; the text says why, and shows where if it is the text."""


class TextError(CelError):
    """A text that is no expression, or one that could never be evaluated."""

    def __init__(self, problem: str, text: str, at: int) -> None:
        """at: offset in the text.  Shown as cel-go shows it, with a mark under the place."""
        where, mark = place(text, at)
        super().__init__(f"ERROR: <input>:{where}: {problem}{mark}")


class EvaluationError(CelError):
    """An operation without a value, as `1 / 0`; `true || 1 / 0 > 0` has one all the same."""

    at: int | None = None
    """Offset in the text of what has no value; None until it is known."""

    def shown(self, text: str) -> str:
        """The message, with a mark under the place."""
        if self.at is None:
            return str(self)
        where, mark = place(text, self.at)
        return f"{self} at {where}{mark}"


def place(text: str, at: int) -> tuple[str, str]:
    """Of an offset: `line:column`, and two lines that quote the line and mark the column."""
    before = text[:at]
    line, column = before.count("\n"), at - (before.rfind("\n") + 1)
    quoted = text.split("\n")[line]
    cut = max(0, column - _SHOWN // 2)
    mark = f"\n | {quoted[cut : cut + _SHOWN]}\n | {'.' * (column - cut)}^"
    return f"{line + 1}:{column + 1}", mark


class CostError(CelError):
    """An evaluation that takes too long."""


_SHOWN = 160  # characters of a line that a message quotes
