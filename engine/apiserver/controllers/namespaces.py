"""Empties a namespace that is being deleted, then lets it go; gives each its first objects.

Source: kubernetes pkg/controller/namespace, serviceaccount, rootcacertpublisher.
"""

from dataclasses import dataclass

from engine.apiserver.errors import Refused
from engine.apiserver.operations.deleting import Deleting
from engine.apiserver.operations.options import DeleteOptions, WriteOptions
from engine.apiserver.operations.preconditions import Target
from engine.apiserver.operations.writing import Writing, is_finished
from engine.apiserver.state import State
from engine.apiserver.storage.store import Change, Key

_ROOT_CA = "kube-root-ca.crt"
_CONTROLLER = WriteOptions(manager="kube-controller-manager")


@dataclass(slots=True)
class NamespaceController:
    """Follows namespaces and what is in those that go."""

    state: State
    writing: Writing
    deleting: Deleting

    def react(self, change: Change) -> None:
        """A namespace came or goes, or something in one that goes is gone."""
        key = change.record.key
        if key.resource != "namespaces":
            if key.namespace and change.type == "DELETED":
                self._finish(key.namespace)
            return
        if change.type == "DELETED":
            return
        if "deletionTimestamp" in change.record.obj["metadata"]:
            self._empty(key.name)
            self._finish(key.name)
        elif change.type == "ADDED":
            self._furnish(key.name)

    def _furnish(self, namespace: str) -> None:
        account = {"metadata": {"name": "default"}}
        certificate = {"metadata": {"name": _ROOT_CA}, "data": {"ca.crt": ""}}
        for plural, body in (("serviceaccounts", account), ("configmaps", certificate)):
            resource = self.state.resource(plural)
            target = Target(resource, namespace, "")
            try:
                self.writing.create(target, body, _CONTROLLER)
            except Refused:
                continue  # it is there already, or the namespace is gone again

    def _empty(self, namespace: str) -> None:
        store = self.state.store
        for name in store.resources():
            resource = self.state.resources.of_key(name)
            if resource is None or not resource.namespaced:
                continue
            for record in store.records(name, namespace):
                if store.get(record.key) is record:
                    self.deleting.deleted(record, resource, DeleteOptions(propagation="Background"))

    def _finish(self, namespace: str) -> None:
        store = self.state.store
        record = store.get(Key("namespaces", "", namespace))
        if record is None or "deletionTimestamp" not in record.obj["metadata"]:
            return
        if any(store.holds(name, namespace) for name in store.resources()):
            return
        spec = dict(record.obj.get("spec") or {})
        finalizers = [each for each in spec.get("finalizers") or () if each != "kubernetes"]
        spec["finalizers"] = finalizers
        obj = {**record.obj, "spec": spec if finalizers else {}}
        if is_finished(obj):
            store.delete(record.key)
        elif obj != record.obj:
            store.put(record.key, obj)
