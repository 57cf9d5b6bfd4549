"""Stored objects in the form that a client accepts: whole, metadata only, or as a Table.

Encoded forms are kept with the record, so that many readers cost one encoding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from engine.apiserver.http.media import Form
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.kinds.versions import shown
from engine.apiserver.operations.reading import Listed
from engine.apiserver.operations.watching import View
from engine.apiserver.printing.table import Table
from engine.apiserver.storage.store import Record
from engine.objects.ref import Object

_META = "meta.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Forms:
    """How one resource is answered in one form."""

    resource: Resource
    form: Form
    include: str  # of a Table: None, Metadata or Object
    now: float  # seconds since the epoch, for ages

    def one(self, record: Record) -> bytes:
        """A single object."""
        if self.form is Form.TABLE:
            return orjson.dumps(self._table([record]))
        return self._encoded(record)

    def answer(self, obj: Object, revision: int = 0) -> bytes:
        """An object that is not in the store: of a dry run, or deleted."""
        return self.one(Record(_NOWHERE, obj, revision))

    def page(self, listed: Listed) -> bytes:
        """A list."""
        if self.form is Form.TABLE:
            return orjson.dumps(self._table(listed.records, listed.metadata()))
        kind = self.resource.list_kind
        api_version = self.resource.api_version
        if self.form is Form.METADATA:
            kind, api_version = "PartialObjectMetadataList", _META
        items = b",".join(map(self._item, listed.records))
        return b'{"kind":"%s","apiVersion":"%s","metadata":%s,"items":[%s]}' % (
            kind.encode(),
            api_version.encode(),
            orjson.dumps(listed.metadata()),
            items,
        )

    def view(self) -> View:
        """The form of watch events."""
        name = f"{self.form}/{self.resource.api_version}"
        if self.form is Form.TABLE:
            return View("", _TableRows(self).encode, self._bookmark)
        return View(name, self._encoded, self._bookmark)

    def _item(self, record: Record) -> bytes:
        """An item of a list: one of a built-in kind does not say its kind."""
        if self.form is Form.METADATA or self.resource.custom:
            return self._encoded(record)
        resource = self.resource
        return record.encoded(
            f"{resource.api_version} item", lambda obj: untyped(shown(obj, resource))
        )

    def _encoded(self, record: Record) -> bytes:
        if self.form is Form.METADATA:
            return record.encoded("metadata", partial)
        resource = self.resource
        return record.encoded(resource.api_version, lambda obj: shown(obj, resource))

    def _table(
        self, records: Sequence[Record], metadata: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        table = Table(self.resource, self.include, self.now)
        objects = [shown(record.obj, self.resource) for record in records]
        if metadata is None:
            revision = records[0].obj["metadata"].get("resourceVersion", "")
            metadata = {"resourceVersion": revision}
        return table.of(objects, metadata)

    def _bookmark(self, revision: int, annotations: dict[str, str]) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "resourceVersion": str(revision),
            "creationTimestamp": None,
        }
        if annotations:
            metadata["annotations"] = annotations
        kind, api_version = self.resource.kind, self.resource.api_version
        if self.form is Form.TABLE:
            empty = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
            return Table(self.resource, "Object", self.now).of_bookmark(empty)
        if self.form is Form.METADATA:
            kind, api_version = "PartialObjectMetadata", _META
        obj: dict[str, Any] = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
        return obj


@dataclass(slots=True)
class _TableRows:
    """Rows of a watch; only the first tells the columns."""

    forms: Forms
    begun: bool = False

    def encode(self, record: Record) -> bytes:
        table = self.forms._table([record])  # noqa: SLF001 - one class in two parts
        if self.begun:
            table["columnDefinitions"] = None
        self.begun = True
        return orjson.dumps(table)


def untyped(obj: Object) -> dict[str, Any]:
    """The object without kind and version, as built-in kinds stand in lists."""
    return {name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}


def partial(obj: Object) -> dict[str, Any]:
    """The metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}


_NOWHERE: Any = None  # the key of a record that is in no store
