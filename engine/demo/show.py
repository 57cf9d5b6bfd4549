"""Shows what happens: lines into pipes and files, and below them a live table on a terminal."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from engine.demo.fleet import KUSTOMIZATIONS
from engine.demo.news import Line, Tone, awaited, shortened
from engine.demo.world import ready_of
from engine.objects.ref import Object
from engine.runtime import Clock

if TYPE_CHECKING:
    from rich.live import Live
    from rich.padding import Padding
    from rich.table import Table

_ABOUT = 18  # characters: the width of the column that says who or what
_COLOURS = {Tone.GOOD: "green", Tone.BAD: "red", Tone.PLAIN: ""}
_WAITS = "waits"
_READY = {"True": "green", "False": "red", "Unknown": "yellow", _WAITS: "yellow"}
_WIDE = 100  # columns of a terminal on which a revision and a message have room
_READING = 1.2  # seconds for which a person on a terminal may look at how a step ended


class Show(Protocol):
    """Where the story is told."""

    def title(self, text: str) -> None:
        """A step begins."""
        ...

    def tell(self, line: Line) -> None:
        """Something happened."""
        ...

    def state(self, kustomizations: Mapping[str, Object]) -> None:
        """How the Kustomizations, by name, are now."""
        ...

    def text(self, text: str) -> None:
        """Something beside the story, in lines of its own."""
        ...

    async def pause(self) -> None:
        """Leaves time to read, if a person does."""
        ...


class Lines:
    """Plain lines, each with the seconds since the start."""

    def __init__(self, clock: Clock, out: TextIO) -> None:
        self._clock, self._out = clock, out
        self._began = clock.monotonic()

    def title(self, text: str) -> None:
        """A step begins."""
        self.text(f"\n{text}")

    def tell(self, line: Line) -> None:
        """Something happened."""
        self.text(self._line(line))

    def state(self, kustomizations: Mapping[str, Object]) -> None:
        """Nothing: each change is told in a line of its own."""

    def text(self, text: str) -> None:
        """Something beside the story, in lines of its own."""
        print(text, file=self._out, flush=True)

    async def pause(self) -> None:
        """Nothing: nobody looks."""

    def _line(self, line: Line) -> str:
        seconds = self._clock.monotonic() - self._began
        mark = "!" if line.tone is Tone.BAD else " "
        return f"{seconds:8.3f} {mark} {line.about:{_ABOUT}} {line.text}"


class Screen(Lines):
    """The same in colours on a terminal, and how each Kustomization is, kept up to date."""

    def __init__(self, clock: Clock, live: "Live") -> None:
        super().__init__(clock, sys.stdout)
        self._live = live

    def title(self, text: str) -> None:
        """A step begins."""
        self._print(f"\n{text}", "bold")

    def tell(self, line: Line) -> None:
        """Something happened."""
        self._print(self._line(line), _COLOURS[line.tone])

    def state(self, kustomizations: Mapping[str, Object]) -> None:
        """How the Kustomizations, by name, are now."""
        table = table_of(kustomizations, wide=self._live.console.width >= _WIDE)
        self._live.update(_spaced(table), refresh=True)

    def text(self, text: str) -> None:
        """Something beside the story, in lines of its own; what is indented stays one line."""
        for line in text.split("\n"):
            self._print(line, "", soft_wrap=line.startswith(" "))

    async def pause(self) -> None:
        """Leaves time to read."""
        await self._clock.sleep(_READING)

    def _print(self, text: str, style: str, *, soft_wrap: bool = True) -> None:
        """soft_wrap: long lines are left to the terminal, so that they can be copied."""
        from rich.text import Text

        self._live.console.print(Text(text, style), soft_wrap=soft_wrap)


@contextmanager
def showing(clock: Clock, *, plain: bool) -> Iterator[Show]:
    """A Show on standard output; plain: lines even on a terminal."""
    if plain or not sys.stdout.isatty():
        yield Lines(clock, sys.stdout)
        return
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        screen = Screen(clock, live)
        screen.state({})
        yield screen


def _spaced(table: "Table") -> "Padding":
    """The table with an empty line above it."""
    from rich.padding import Padding

    return Padding(table, (1, 0, 0, 0))


def table_of(kustomizations: Mapping[str, Object], *, wide: bool) -> "Table":
    """A line for each Kustomization; wide: with its revision, which its message mostly names too.

    Never more lines than that: what is higher than the terminal could not be kept up to date.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    for name in ("KUSTOMIZATION", "READY", *(("REVISION",) if wide else ())):
        table.add_column(name, no_wrap=True)
    table.add_column("MESSAGE", no_wrap=True, overflow="ellipsis", ratio=1)  # the rest of the width
    for name in KUSTOMIZATIONS:
        status, revision, message = cells_of(kustomizations.get(name) or {})
        colour = _READY.get(status, "")
        table.add_row(name, Text(status, colour), *((revision,) if wide else ()), Text(message))
    return table


def cells_of(kustomization: Object) -> tuple[str, str, str]:
    """Status and revision and message, as they stand in the table."""
    ready = ready_of(kustomization)
    revision = shortened((kustomization.get("status") or {}).get("lastAppliedRevision") or "")
    if thing := awaited(ready):
        return _WAITS, revision, f"for {thing}"
    return ready.get("status", "-"), revision, shortened(ready.get("message", ""))


def columns(rows: Sequence[Sequence[str]]) -> str:
    """The rows as text, aligned; all columns but the first are numbers and stand to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *right]).rstrip())
    return "\n".join(lines)
