"""Kubernetes manifests: text to objects that know their file and lines, and back to text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.objects.json_read import read_json
from engine.objects.yaml_error import ManifestError
from engine.objects.yaml_read import Lines, Place, Reader
from engine.objects.yaml_write import dump

__all__ = ["Document", "ManifestError", "Path", "Positions", "dump", "load", "load_short", "parse"]

_SHORT = 64 * 1024  # bytes; reading them takes 0.2 s at the worst

Path = tuple[str | int, ...]
"""Keys and indexes from the document down to a field."""


class Positions(Mapping[Path, int]):
    """The 1-based line of every field of a document; the empty path is the document's own."""

    __slots__ = ("_first", "_lines")

    def __init__(self, first: int, lines: Lines | None) -> None:
        """first: the line of the document; lines: None for a scalar, or where unknown."""
        self._first = first
        self._lines = lines

    def __getitem__(self, path: Path) -> int:
        line, known = self.nearest(path)
        if known < len(path):
            raise KeyError(path)
        return line

    def __iter__(self) -> Iterator[Path]:
        yield ()
        yield from _paths((), self._lines)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def nearest(self, path: Path) -> tuple[int, int]:
        """The line of the deepest field on the way to `path`, and how deep that is."""
        line, lines = self._first, self._lines
        for depth, step in enumerate(path):
            try:
                place: Place = lines[step]  # type: ignore[index]  # caught below
            except (KeyError, IndexError, TypeError):
                return line, depth
            line, lines = place if isinstance(place, tuple) else (place, None)
        return line, len(path)


def _paths(above: Path, lines: Lines | None) -> Iterator[Path]:
    if lines is None:
        return
    for step, place in lines.items() if isinstance(lines, dict) else enumerate(lines):
        yield (path := (*above, step))
        if isinstance(place, tuple):
            yield from _paths(path, place[1])


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file.  Aliases share their value: never change `obj`."""

    obj: Any
    file: str
    line: int  #: the first line of the content, 1-based
    index: int  #: the number of the document in its file, from 0, empty ones counted
    positions: Positions

    def line_of(self, path: Path) -> int:
        """The line of the field, or of the nearest field above it that the file holds."""
        return self.positions.nearest(path)[0]


def parse(text: bytes, file: str, *, merge_overrides: bool = False) -> list[Document]:
    """The documents of a manifest file, empty ones left out; YAML, or JSON one after another.

    merge_overrides: keys may override what `<<` brings, as kustomize reads; the API server calls
    that a duplicate key.  Raises ManifestError with the line of the first thing that is wrong.
    """
    json_values = read_json(text)
    if json_values is not None:
        return [
            Document(obj, file, line, index, Positions(line, _lines_of_json(source, line)))
            for index, (obj, line, source) in enumerate(json_values)
        ]
    return [
        Document(obj, file, line, index, Positions(line, lines))
        for index, (obj, line, lines) in enumerate(Reader(text, file, merge_overrides).documents())
        if obj is not None
    ]


def load(text: str | bytes) -> Any:
    """The value of the first document, None if there is none; what follows is not read."""
    content = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if json_values := read_json(content):
        return json_values[0][0]
    return next((obj for obj, _, _ in Reader(content, "-").documents()), None)


def load_short(text: bytes) -> Any:
    """`load` of what a tenant's Secret holds.  Raises ManifestError, for more than 64 KiB too.

    The engine itself reads it, and nobody else has a turn meanwhile.
    """
    if len(text) > _SHORT:
        raise ManifestError("-", 1, f"it has more than {_SHORT // 1024} KiB")
    return load(text)


def _lines_of_json(source: str, line: int) -> Lines | None:
    """The lines inside a JSON value, read as YAML; None for the few texts that are not YAML."""
    try:
        _, _, lines = next(Reader("\n" * (line - 1) + source, "-").documents())
    except ManifestError:
        return None
    return lines
