"""Deletes what lost its owner, and carries out foreground and orphan deletions.

Source: kubernetes pkg/controller/garbagecollector.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.apiserver.operations.deleting import FOREGROUND, ORPHAN, Deleting
from engine.apiserver.operations.options import DeleteOptions
from engine.apiserver.operations.writing import is_finished
from engine.apiserver.state import State
from engine.apiserver.storage.store import Change, Key, Record
from engine.objects.ref import Object


class GarbageController:
    """Follows owner references.  An index by the owner's uid makes each change cheap."""

    def __init__(self, state: State, deleting: Deleting) -> None:
        """Index what is there."""
        self._state = state
        self._deleting = deleting
        self._dependents: dict[str, dict[Key, None]] = {}
        for name in state.store.resources():
            for record in state.store.records(name):
                self._index(record, None)

    def react(self, change: Change) -> None:
        """Owners or dependents came, changed or went."""
        record = change.record
        self._index(record if change.type != "DELETED" else None, change.previous)
        if change.type == "DELETED":
            uid = record.obj["metadata"]["uid"]
            for dependent in self._of(uid):
                self._judge(dependent)
            self._finish_foreground(record.obj)
            return
        metadata = record.obj["metadata"]
        owners = metadata.get("ownerReferences")
        before = change.previous.obj["metadata"].get("ownerReferences") if change.previous else None
        if owners and owners != before:
            self._judge(record)
        finalizers = metadata.get("finalizers") or ()
        if "deletionTimestamp" in metadata and ORPHAN in finalizers:
            self._orphan(record)
        elif "deletionTimestamp" in metadata and FOREGROUND in finalizers:
            self._delete_dependents(record)

    def _index(self, new: Record | None, old: Record | None) -> None:
        if old is not None:
            for uid in _owner_uids(old.obj):
                self._dependents.get(uid, {}).pop(old.key, None)
                if not self._dependents.get(uid):
                    self._dependents.pop(uid, None)
        if new is not None:
            for uid in _owner_uids(new.obj):
                self._dependents.setdefault(uid, {})[new.key] = None

    def _of(self, uid: str) -> Iterator[Record]:
        for key in tuple(self._dependents.get(uid, ())):
            record = self._state.store.get(key)
            if record is not None:
                yield record

    def _judge(self, record: Record) -> None:
        """Delete an object none of whose owners exist; forget owners that do not."""
        record = self._state.store.get(record.key) or record
        owners = record.obj["metadata"].get("ownerReferences") or ()
        living = [owner for owner in owners if self._exists(owner, record.key.namespace)]
        if not owners or len(living) == len(owners):
            return
        if living:
            self._rewrite(record, living)
        else:
            self._delete(record)

    def _exists(self, owner: Mapping[str, Any], namespace: str) -> bool:
        group, _, version = owner["apiVersion"].rpartition("/")
        resource = self._state.resources.of_kind(group, version, owner["kind"])
        if resource is None:
            resource = self._state.resources.of_kind(group, "", owner["kind"])
        if resource is None:
            return True  # nobody can tell; the real controller waits as well
        where = namespace if resource.namespaced else ""
        found = self._state.store.get(Key(resource.key, where, owner["name"]))
        return found is not None and found.obj["metadata"]["uid"] == owner["uid"]

    def _delete(self, record: Record, propagation: str = "") -> None:
        resource = self._state.resources.of_key(record.key.resource)
        if resource is not None and self._state.store.get(record.key) is record:
            self._deleting.deleted(record, resource, DeleteOptions(propagation=propagation))

    def _orphan(self, owner: Record) -> None:
        uid = owner.obj["metadata"]["uid"]
        for record in self._of(uid):
            references = record.obj["metadata"].get("ownerReferences") or ()
            self._rewrite(record, [each for each in references if each["uid"] != uid])
        self._release(owner.key, ORPHAN)

    def _delete_dependents(self, owner: Record) -> None:
        uid = owner.obj["metadata"]["uid"]
        for record in tuple(self._of(uid)):
            if "deletionTimestamp" not in record.obj["metadata"]:
                has_own = any(self._of(record.obj["metadata"]["uid"]))
                self._delete(record, "Foreground" if has_own else "")
        if not any(_blocks(record.obj, uid) for record in self._of(uid)):
            self._release(owner.key, FOREGROUND)

    def _finish_foreground(self, gone: Object) -> None:
        """A dependent is gone: its owners may go as well."""
        namespace = gone["metadata"].get("namespace", "")
        for owner in gone["metadata"].get("ownerReferences") or ():
            group, _, version = owner["apiVersion"].rpartition("/")
            resource = self._state.resources.of_kind(group, version, owner["kind"])
            if resource is None:
                continue
            where = namespace if resource.namespaced else ""
            record = self._state.store.get(Key(resource.key, where, owner["name"]))
            if record is None or FOREGROUND not in (record.obj["metadata"].get("finalizers") or ()):
                continue
            self._delete_dependents(record)

    def _release(self, key: Key, finalizer: str) -> None:
        record = self._state.store.get(key)
        if record is None:
            return
        finalizers = record.obj["metadata"].get("finalizers") or ()
        kept = [name for name in finalizers if name != finalizer]
        metadata = {**record.obj["metadata"], "finalizers": kept}
        if not kept:
            del metadata["finalizers"]
        obj = {**record.obj, "metadata": metadata}
        if is_finished(obj):
            self._state.store.delete(key)
        else:
            self._state.store.put(key, obj)

    def _rewrite(self, record: Record, owners: list[Any]) -> None:
        metadata = {**record.obj["metadata"], "ownerReferences": owners}
        if not owners:
            del metadata["ownerReferences"]
        self._state.store.put(record.key, {**record.obj, "metadata": metadata})


def _owner_uids(obj: Object) -> Iterator[str]:
    for owner in obj["metadata"].get("ownerReferences") or ():
        yield owner["uid"]


def _blocks(obj: Object, uid: str) -> bool:
    owners = obj["metadata"].get("ownerReferences") or ()
    return any(owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in owners)
