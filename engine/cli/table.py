"""Tables: aligned as kubectl's, and on a terminal with colours and folded messages."""

import shutil
import sys
import textwrap
from collections.abc import Sequence

import click

_GAP = "   "
_COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}
_LEAST = 24  # characters that a message needs to be folded: the terminal breaks what has fewer


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column but the last, which is never padded."""
    return [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]


def line_of(row: Sequence[str], widths: Sequence[int]) -> str:
    """One row; later rows may be wider than what `widths` was made from."""
    return _GAP.join([*_padded(row, widths), row[-1]]).rstrip()


def write(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints the table.  names: of the columns; none: no line of names."""
    everything = [*([names] if names else []), *rows]
    widths = widths_of(everything) if everything else []
    if not sys.stdout.isatty():
        for row in everything:
            click.echo(line_of(row, widths))
        return
    indent = sum(widths) + len(_GAP) * len(widths)
    room = shutil.get_terminal_size().columns - indent
    ready = names.index("READY") if "READY" in names else -1
    for row in everything:
        cells = _padded(row, widths)
        if ready >= 0 and row[ready] in _COLOURS:
            cells[ready] = click.style(cells[ready], fg=_COLOURS[row[ready]])
        click.echo(_GAP.join([*cells, _folded(row[-1], indent, room)]).rstrip())


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """All cells but the last."""
    return [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]


def _folded(message: str, indent: int, room: int) -> str:
    """The message, broken at blanks; a longer word, such as a path, stays whole to be copied."""
    if room < _LEAST:
        return message
    lines = textwrap.wrap(message, room, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)
