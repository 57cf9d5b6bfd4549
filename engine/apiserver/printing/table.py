"""Objects as the rows that kubectl prints.

Source: metav1 Table; apiextensions registry/customresource/tableconvertor for CRDs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.apiserver.kinds.resources import Column, Resource
from engine.apiserver.printing.ages import age_of, duration
from engine.apiserver.printing.cells import NAME, Heading, PrinterColumn
from engine.apiserver.printing.columns import COLUMNS
from engine.apiserver.printing.jsonpath import find
from engine.objects.ref import Object

_META = "meta.k8s.io/v1"
_CREATED = "CreationTimestamp is a timestamp representing the server time of creation."


@dataclass(frozen=True, slots=True)
class Table:
    """Makes Tables of one resource.  include: None, Metadata or Object; now: for ages."""

    resource: Resource
    include: str
    now: float

    def of(self, objects: Sequence[Object], metadata: dict[str, Any]) -> dict[str, Any]:
        """A Table of these objects, with the metadata of their list."""
        columns = self._columns()
        return {
            "kind": "Table",
            "apiVersion": _META,
            "metadata": metadata,
            "columnDefinitions": [_definition(each.heading) for each in columns],
            "rows": [self._row(obj, columns) for obj in objects],
        }

    def of_bookmark(self, obj: Object) -> dict[str, Any]:
        """A Table whose only row carries a bookmark's metadata."""
        table = self.of((), {"resourceVersion": obj["metadata"]["resourceVersion"]})
        return {**table, "rows": [{"cells": [""] * len(self._columns()), "object": obj}]}

    def _row(self, obj: Object, columns: Sequence[PrinterColumn]) -> dict[str, Any]:
        row: dict[str, Any] = {"cells": [each.cell(obj, self.now) for each in columns]}
        if self.include == "Object":
            row["object"] = obj
        elif self.include != "None":
            metadata = obj["metadata"]
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": _META,
                "metadata": metadata,
            }
        return row

    def _columns(self) -> Sequence[PrinterColumn]:
        if self.resource.custom:
            return _of_definition(self.resource.columns)
        return COLUMNS.get(self.resource.key, _PLAIN)


def _definition(heading: Heading) -> dict[str, Any]:
    return {
        "name": heading.name,
        "type": heading.type,
        "format": heading.format,
        "description": heading.description,
        "priority": heading.priority,
    }


_PLAIN: Sequence[PrinterColumn] = (
    NAME,
    PrinterColumn(
        Heading("Created At", "date", description=_CREATED),
        lambda obj, _: obj["metadata"].get("creationTimestamp"),
    ),
)
_ONLY_AGE = (Column("Age", "date", ".metadata.creationTimestamp", _CREATED),)


def _of_definition(columns: Sequence[Column]) -> list[PrinterColumn]:
    return [NAME, *map(_custom, columns or _ONLY_AGE)]


def _custom(column: Column) -> PrinterColumn:
    heading = Heading(column.name, column.type, column.format, column.description, column.priority)
    return PrinterColumn(heading, lambda obj, now: _cell(obj, column, now))


def _cell(obj: Object, column: Column, now: float) -> Any:
    try:
        found = find(obj, column.path)
    except ValueError:
        return ""
    if not found or found[0] is None:
        return None
    value = found[0]
    if column.type == "date":
        is_age = column.path == ".metadata.creationTimestamp"
        return age_of(value, now) if is_age else duration(value, now)
    return value if column.type in ("integer", "number", "boolean") else _joined(value)


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(_joined(each) for each in value)}]"
    if isinstance(value, dict):
        pairs = (f"{name}:{_joined(each)}" for name, each in sorted(value.items()))
        return f"map[{' '.join(pairs)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
