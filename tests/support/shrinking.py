"""Make a repository on which two builders differ as small as it can be."""

from collections.abc import Callable
from dataclasses import replace

from tests.support.oracle import Case


def smallest(case: Case, differs: Callable[[Case], bool]) -> Case:
    """A part of the case that still differs: no file and no line of it can be left out.

    differs: true for the case; asked of each candidate.
    """
    before = None
    while before != case.files:
        before = case.files
        for name in sorted(case.files):
            fewer = {other: text for other, text in case.files.items() if other != name}
            if differs(candidate := replace(case, files=fewer)):
                case = candidate
            else:
                case = _fewer_lines(case, name, differs)
    return case


def _fewer_lines(case: Case, name: str, differs: Callable[[Case], bool]) -> Case:
    """The case with as few lines of one file as will do: first halves are tried, lines last."""
    lines = case.files[name].split(b"\n")
    size = max(1, len(lines) // 2)
    while size:
        at = 0
        while at < len(lines):
            fewer = lines[:at] + lines[at + size :]
            candidate = replace(case, files={**case.files, name: b"\n".join(fewer)})
            if differs(candidate):
                case, lines = candidate, fewer
            else:
                at += size
        size //= 2
    return case
