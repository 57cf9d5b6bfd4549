"""The columns of built-in kinds, as kubectl prints them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.objects.ref import Object


@dataclass(frozen=True, slots=True)
class Heading:
    """One column of a Table; priority above 0: shown by `-o wide` only."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


Cells = Callable[[Object, float], list[Any]]
"""The cells of an object's row; the number is now, in seconds since the epoch."""

COLUMNS: dict[str, tuple[Sequence[Heading], Cells]] = {}
