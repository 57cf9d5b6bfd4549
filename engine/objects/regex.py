"""Regular expressions of users, as Go reads them: RE2, whose time is linear in the text.

Python's own engine backtracks: `(a+)+c` in the repository of one tenant would hold the interpreter,
and with it every other tenant, for ever (the class of CVE-2022-24878).
"""

from typing import Protocol


class Expression(Protocol):
    """A compiled expression."""

    def search(self, text: str) -> object | None:
        """Something if the expression matches anywhere in the text."""

    def fullmatch(self, text: str) -> object | None:
        """Something if the expression matches the whole text."""


class InvalidExpression(ValueError):  # noqa: N818 - it is the expression that is invalid
    """A text that is no regular expression."""


def compiled(text: str) -> Expression:
    """The expression.  Raises InvalidExpression."""
    import re2  # here: 3 MB of each process, most of which never meet an expression

    options = re2.Options()
    options.log_errors = False  # they are reported where the text comes from
    try:
        expression: Expression = re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        shown = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise InvalidExpression(f"{text!r} is not a regular expression: {shown}") from error
    return expression
