"""Cells that several kinds have: names, ages, values at paths, containers, selectors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.apiserver.printing.ages import age_of
from engine.objects import labels
from engine.objects.ref import Object

Cell = Callable[[Object, float], Any]
"""One cell of an object's row; the number is now, in seconds since the epoch."""

NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Heading:
    """One column of a Table; priority above 0: shown by `-o wide` only."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A heading and what stands below it."""

    heading: Heading
    cell: Cell


def column(name: str, cell: Cell, kind: str = "string", *, wide: bool = False) -> PrinterColumn:
    """A column; wide: for `-o wide` only."""
    return PrinterColumn(Heading(name, kind, priority=int(wide)), cell)


def value(obj: Any, *path: str) -> Any:
    """The value at a path, or None."""
    for step in path:
        obj = obj.get(step) if isinstance(obj, Mapping) else None
    return obj


def at(*path: str, default: Any = "") -> Cell:
    """The value at a path, or the default where it is absent or empty."""
    return lambda obj, _: value(obj, *path) or default


def number(*path: str) -> Cell:
    """The whole number at a path, or 0."""
    return at(*path, default=0)


def flag(*path: str, default: bool = False) -> Cell:
    """The truth at a path."""

    def cell(obj: Object, _: float) -> bool:
        found = value(obj, *path)
        return default if found is None else bool(found)

    return cell


def count(*path: str) -> Cell:
    """How many items are at a path."""
    return lambda obj, _: len(value(obj, *path) or ())


def since(*path: str) -> Cell:
    """The time since a timestamp at a path."""
    return lambda obj, now: age_of(value(obj, *path), now)


def images(*path: str) -> Cell:
    """The images of the containers at a path."""
    return lambda obj, _: ",".join(each.get("image", "") for each in value(obj, *path) or ())


def container_names(*path: str) -> Cell:
    """The names of the containers at a path."""
    return lambda obj, _: ",".join(each.get("name", "") for each in value(obj, *path) or ())


def labels_text(labels: Mapping[str, Any] | None) -> str:
    """`a=b,c=d`, sorted."""
    return ",".join(f"{name}={each}" for name, each in sorted((labels or {}).items())) or NONE


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """A label selector as kubectl writes it, `<none>` if there is none or it selects all."""
    return labels.selector_text(selector or {}) or NONE


def selector(*path: str) -> Cell:
    """The label selector at a path."""
    return lambda obj, _: selector_text(value(obj, *path))


NAME = PrinterColumn(
    Heading(
        "Name",
        format="name",
        description="Name must be unique within a namespace. Is required when creating resources.",
    ),
    lambda obj, _: obj["metadata"]["name"],
)
AGE = column("Age", since("metadata", "creationTimestamp"))

_POD_SPEC = ("spec", "template", "spec", "containers")
CONTAINERS: Sequence[PrinterColumn] = (
    column("Containers", container_names(*_POD_SPEC), wide=True),
    column("Images", images(*_POD_SPEC), wide=True),
)
SELECTOR = column("Selector", selector("spec", "selector"), wide=True)
