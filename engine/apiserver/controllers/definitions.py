"""Serves the resources of CRDs, and empties those that are being deleted.

Source: apiextensions-apiserver controller/status, establish, finalizer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from engine.apiserver.errors import qualified
from engine.apiserver.kinds.definitions import (
    CLEANUP,
    KEY,
    is_established,
    resources_of,
    status_of,
)
from engine.apiserver.operations.deleting import Deleting
from engine.apiserver.operations.options import DeleteOptions, WriteOptions
from engine.apiserver.operations.preconditions import Target
from engine.apiserver.operations.writing import Writing, is_finished
from engine.apiserver.state import State
from engine.apiserver.storage.store import Change, Key, Record
from engine.objects.ref import Object

_SERVER = WriteOptions(manager="kube-apiserver")


@dataclass(slots=True)
class DefinitionController:
    """Follows CRDs.  gone: called with a resource's key when it is no longer served."""

    state: State
    writing: Writing
    deleting: Deleting
    gone: Callable[[str], None]

    def load(self) -> None:
        """Serve the CRDs that are stored already."""
        for record in self.state.store.records(KEY):
            if is_established(record.obj):
                self._serve(record.obj)

    def react(self, change: Change) -> None:
        """A CRD came, changed or goes; or the last object of one that goes is gone."""
        record = change.record
        if record.key.resource != KEY:
            if change.type == "DELETED" and "." in record.key.resource:
                self._finish(record.key.resource)
            return
        if change.type == "DELETED":
            self._withdraw(record.obj)
            return
        current = self.state.store.get(record.key)
        if current is not None and current.obj["metadata"]["uid"] == record.obj["metadata"]["uid"]:
            self._follow(current)

    def _follow(self, record: Record) -> None:
        obj = record.obj
        status = status_of(obj, self.state.resources, self.state.now())
        if status != obj.get("status"):
            target = Target(self.state.resource(KEY), "", record.key.name, "status")
            self.writing.patched(target, lambda live: {**live, "status": status}, _SERVER)
            record = self.state.store.get(record.key) or record
        if is_established(record.obj):
            self._serve(record.obj)
        if "deletionTimestamp" in record.obj["metadata"]:
            self._empty(record)

    def _serve(self, obj: Object) -> None:
        spec = obj["spec"]
        fresh = resources_of(obj)
        served = [each for each in self.state.resources if each.key == obj["metadata"]["name"]]
        if fresh == served:
            return
        self.state.resources.remove(spec["group"], spec["names"]["plural"])
        for resource in fresh:
            self.state.resources.add(resource)

    def _withdraw(self, obj: Object) -> None:
        spec = obj["spec"]
        self.state.resources.remove(spec["group"], spec["names"]["plural"])
        key = qualified(spec["names"]["plural"], spec["group"])
        self.gone(key)
        self.state.store.forget(key)

    def _empty(self, record: Record) -> None:
        store, name = self.state.store, record.key.name
        resource = self.state.resources.of_key(name)
        for each in store.records(name) if resource else ():
            if resource is not None and store.get(each.key) is each:
                self.deleting.deleted(each, resource, DeleteOptions())
        self._finish(name)

    def _finish(self, name: str) -> None:
        store = self.state.store
        record = store.get(Key(KEY, "", name))
        if record is None or "deletionTimestamp" not in record.obj["metadata"]:
            return
        finalizers = record.obj["metadata"].get("finalizers") or ()
        if CLEANUP not in finalizers or store.holds(name):
            return
        metadata = {**record.obj["metadata"], "finalizers": [f for f in finalizers if f != CLEANUP]}
        if not metadata["finalizers"]:
            del metadata["finalizers"]
        obj = {**record.obj, "metadata": metadata}
        if is_finished(obj):
            store.delete(record.key)
        else:
            store.put(record.key, obj)
