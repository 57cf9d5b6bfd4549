"""Namespaces: what must exist before objects, and what happens to content when one goes.

Source: apiserver admission/plugin/namespace/lifecycle, kubernetes namespace controller.
"""

from engine.apiserver.errors import Refused, denied, not_found
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.state import State
from engine.apiserver.storage.store import Key

IMMORTAL = ("default", "kube-system", "kube-public")
FIRST = ("default", "kube-node-lease", "kube-public", "kube-system")


def check_namespace(state: State, resource: Resource, namespace: str, name: str) -> None:
    """Return if an object may be created there.  Raises Refused (404, 403)."""
    if not resource.namespaced:
        return
    record = state.store.get(Key("namespaces", "", namespace))
    if record is None:
        raise not_found("namespaces", "", namespace)
    if "deletionTimestamp" in record.obj["metadata"]:
        refused = denied(
            resource.plural,
            resource.group,
            name,
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )
        details = refused.details or {}
        details["causes"] = [
            {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
        ]
        raise refused


def immortal(name: str) -> Refused:
    """403: this namespace stays."""
    return denied("namespaces", "", name, "this namespace may not be deleted")
