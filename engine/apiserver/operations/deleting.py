"""Deleting objects: at once, or when their finalizers are gone.

Source: apiserver registry/generic (Delete, BeforeDelete, deletionFinalizersForGarbageCollection).
"""

from dataclasses import dataclass
from typing import Any

from engine.apiserver.errors import conflict, not_found
from engine.apiserver.kinds.definitions import CLEANUP, with_terminating
from engine.apiserver.kinds.definitions import KEY as DEFINITIONS
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.operations.namespaces import IMMORTAL, immortal
from engine.apiserver.operations.options import DeleteOptions
from engine.apiserver.operations.preconditions import Target
from engine.apiserver.operations.preparing import has_generation
from engine.apiserver.operations.reading import Selection
from engine.apiserver.operations.writing import is_finished
from engine.apiserver.state import State
from engine.apiserver.storage.store import Record
from engine.objects.ref import Object

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_POLICY_FINALIZERS = {"Foreground": FOREGROUND, "Orphan": ORPHAN}

# Kinds whose deletion is answered with the object, not with a Status.
_ANSWERED_WITH_OBJECT = frozenset(
    {
        "namespaces",
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "serviceaccounts",
        "services",
        "resourcequotas",
        "podtemplates",
    }
)


@dataclass(slots=True)
class Deleting:
    """Deletions in one server's state."""

    state: State

    def delete(self, target: Target, options: DeleteOptions) -> Object:
        """Begin or finish a deletion; the answer's body.  Raises Refused (403, 404, 409)."""
        resource = target.resource
        record = self.state.store.get(target.key)
        if record is None:
            raise not_found(resource.plural, resource.group, target.name)
        if resource.key == "namespaces" and target.name in IMMORTAL:
            raise immortal(target.name)
        self._check_preconditions(target, record, options)
        obj, finished = self.deleted(record, resource, options)
        if finished and resource.key not in _ANSWERED_WITH_OBJECT:
            return _success(resource, record.obj)
        return obj

    def delete_all(self, wanted: Selection, options: DeleteOptions) -> list[Object]:
        """Delete every selected object; all of them, as they are now."""
        answers = []
        for record in self.state.store.records(wanted.resource.key, wanted.namespace):
            if wanted.has(record.obj) and self.state.store.get(record.key) is record:
                obj, _ = self.deleted(record, wanted.resource, options)
                answers.append(obj)
        return answers

    def deleted(
        self, record: Record, resource: Resource, options: DeleteOptions
    ) -> tuple[Object, bool]:
        """The object after the deletion was asked for, and whether it is gone."""
        obj = self._marked(record.obj, resource, options)
        if is_finished(obj):
            if not options.dry_run:
                obj = self.state.store.delete(record.key).obj
            return obj, True
        if obj != record.obj and not options.dry_run:
            obj = self.state.store.put(record.key, obj).obj
        return obj, False

    def finalized(self, target: Target, obj: Object) -> Object:
        """Store an object whose finalizers were written, or end its deletion."""
        if is_finished(obj):
            return self.state.store.delete(target.key).obj
        return self.state.store.put(target.key, obj).obj

    def _marked(self, old: Object, resource: Resource, options: DeleteOptions) -> Object:
        metadata: dict[str, Any] = dict(old["metadata"])
        finalizers = _finalizers(metadata.get("finalizers") or [], options.propagation)
        begins = "deletionTimestamp" not in metadata
        if resource.key == DEFINITIONS and begins and CLEANUP not in finalizers:
            finalizers = [*finalizers, CLEANUP]
        metadata.pop("finalizers", None)
        if finalizers:
            metadata["finalizers"] = finalizers
        if not begins:
            return {**old, "metadata": metadata}
        metadata["deletionTimestamp"] = self.state.now()
        metadata["deletionGracePeriodSeconds"] = 0
        if resource.key == "namespaces":
            del metadata["deletionGracePeriodSeconds"]
        if has_generation(resource) and metadata.get("generation"):
            metadata["generation"] += 1
        obj: dict[str, Any] = {**old, "metadata": metadata}
        if resource.key == "namespaces":
            obj["status"] = {**(old.get("status") or {}), "phase": "Terminating"}
        if resource.key == DEFINITIONS:
            obj = with_terminating(obj, self.state.now())
        return obj

    def _check_preconditions(self, target: Target, record: Record, options: DeleteOptions) -> None:
        live, resource = record.obj["metadata"], target.resource
        for name, field, wanted, why in (
            ("UID", "uid", options.uid, "deleted and then recreated"),
            ("ResourceVersion", "resourceVersion", options.revision, "modified"),
        ):
            if wanted and wanted != live[field]:
                text = (
                    f"the {name} in the precondition ({wanted}) does not match the {name} in record"
                    f" ({live[field]}). The object might have been {why}"
                )
                raise conflict(resource.kind, resource.group, target.name, text)


def _finalizers(given: list[str], propagation: str) -> list[str]:
    if not propagation:
        return given
    kept = [name for name in given if name not in (FOREGROUND, ORPHAN)]
    wanted = _POLICY_FINALIZERS.get(propagation)
    return [*kept, wanted] if wanted else kept


def _success(resource: Resource, obj: Object) -> dict[str, Any]:
    details = {
        "name": obj["metadata"]["name"],
        "group": resource.group,
        "kind": resource.plural,
        "uid": obj["metadata"]["uid"],
    }
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {name: value for name, value in details.items() if value},
    }
