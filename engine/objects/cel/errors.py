"""What can be wrong with an expression: its text, or what it meets when it is evaluated."""


class CelError(ValueError):
    """An expression that has no value; the text says why, and shows where if it is the text."""


class TextError(CelError):
    """A text that is no expression, or one that could never be evaluated."""

    def __init__(self, problem: str, text: str, at: int) -> None:
        """at: offset in the text.  Shown as cel-go shows it, with a mark under the place."""
        before = text[:at]
        line, column = before.count("\n"), at - (before.rfind("\n") + 1)
        shown = text.split("\n")[line]
        cut = max(0, column - _SHOWN // 2)
        marked = f"\n | {shown[cut : cut + _SHOWN]}\n | {'.' * (column - cut)}^"
        super().__init__(f"ERROR: <input>:{line + 1}:{column + 1}: {problem}{marked}")


class EvaluationError(CelError):
    """An operation without a value, as `1 / 0`; `true || 1 / 0 > 0` has one all the same."""


class CostError(CelError):
    """An evaluation that takes too long."""


_SHOWN = 160  # characters of a line that a message quotes
