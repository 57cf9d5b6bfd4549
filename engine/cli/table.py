"""Tables: aligned as kubectl's into pipes and files, coloured and folded on a terminal."""

import sys
from collections.abc import Sequence

import click

_GAP = "   "
_COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column but the last, which is never padded."""
    return [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]


def line_of(row: Sequence[str], widths: Sequence[int]) -> str:
    """One row; later rows may be wider than what `widths` was made from."""
    padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
    return _GAP.join([*padded, row[-1]]).rstrip()


def write(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints the table.  names: of the columns; none: no line of names."""
    if sys.stdout.isatty():
        _write_rich(names, rows)
        return
    everything = [*([names] if names else []), *rows]
    widths = widths_of(everything) if everything else []
    for row in everything:
        click.echo(line_of(row, widths))


def _write_rich(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=bool(names), header_style="", pad_edge=False)
    table.padding = (0, len(_GAP), 0, 0)
    for index in range(len(rows[0]) if rows else len(names)):
        is_last = index == len(names) - 1
        table.add_column(names[index] if names else "", no_wrap=not is_last, overflow="fold")
    ready = names.index("READY") if "READY" in names else -1
    for row in rows:
        styled = [Text(cell) for cell in row]
        if ready >= 0:
            styled[ready].stylize(_COLOURS.get(row[ready], ""))
        table.add_row(*styled)
    Console().print(table)
