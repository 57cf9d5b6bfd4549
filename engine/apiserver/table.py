"""Objects as the rows that kubectl prints.

Source: metav1 Table; apiextensions registry/customresource/tableconvertor for CRDs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.apiserver.ages import age_of, duration
from engine.apiserver.columns import COLUMNS, Cells, Heading
from engine.apiserver.jsonpath import find
from engine.apiserver.resources import Column, Resource
from engine.objects.ref import Object

_META = "meta.k8s.io/v1"
_NAME = "Name must be unique within a namespace. Is required when creating resources."
_CREATED = "CreationTimestamp is a timestamp representing the server time of creation."


@dataclass(frozen=True, slots=True)
class Table:
    """Makes Tables of one resource.  include: None, Metadata or Object; now: for ages."""

    resource: Resource
    include: str
    now: float

    def of(self, objects: Sequence[Object], metadata: dict[str, Any]) -> dict[str, Any]:
        """A Table of these objects, with the metadata of their list."""
        headings, cells = self._layout()
        return {
            "kind": "Table",
            "apiVersion": _META,
            "metadata": metadata,
            "columnDefinitions": [_definition(heading) for heading in headings],
            "rows": [self._row(obj, cells) for obj in objects],
        }

    def of_bookmark(self, obj: Object) -> dict[str, Any]:
        """A Table whose only row carries a bookmark's metadata."""
        headings, _ = self._layout()
        table = self.of((), {"resourceVersion": obj["metadata"]["resourceVersion"]})
        return {**table, "rows": [{"cells": [""] * len(headings), "object": obj}]}

    def _row(self, obj: Object, cells: Cells) -> dict[str, Any]:
        row: dict[str, Any] = {"cells": cells(obj, self.now)}
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

    def _layout(self) -> tuple[Sequence[Heading], Cells]:
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


_NAME_HEADING = Heading("Name", format="name", description=_NAME)
_CREATED_HEADING = Heading("Created At", "date", description=_CREATED)
_AGE_HEADING = Heading("Age", "date", description=_CREATED)


def _plain(obj: Object, _: float) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


_PLAIN: tuple[Sequence[Heading], Cells] = ((_NAME_HEADING, _CREATED_HEADING), _plain)


def _of_definition(columns: Sequence[Column]) -> tuple[Sequence[Heading], Cells]:
    if not columns:
        columns = (Column("Age", "date", ".metadata.creationTimestamp", _CREATED),)
    headings = [
        _NAME_HEADING,
        *(Heading(c.name, c.type, c.format, c.description, c.priority) for c in columns),
    ]

    def cells(obj: Object, now: float) -> list[Any]:
        name = obj["metadata"]["name"]
        return [name, *(_cell(obj, column, now) for column in columns)]

    return headings, cells


def _cell(obj: Object, column: Column, now: float) -> Any:
    try:
        found = find(obj, column.path)
    except ValueError:
        return ""
    if not found or found[0] is None:
        return None
    value = found[0]
    if column.type == "date":
        if column.path == ".metadata.creationTimestamp":
            return age_of(value, now)
        return duration(value, now)
    if column.type in ("integer", "number", "boolean"):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else _joined(value)


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(_joined(each) for each in value)}]"
    if isinstance(value, dict):
        pairs = (f"{name}:{_joined(each)}" for name, each in sorted(value.items()))
        return f"map[{' '.join(pairs)}]"
    return str(value)
