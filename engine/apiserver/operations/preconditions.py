"""Which object a write is meant for, and whether it is still that one.

Source: apiserver registry/generic (Update), endpoints/handlers/patch.go.
"""

from dataclasses import dataclass

from engine.apiserver.errors import conflict, invalid, invalid_value
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.storage.store import Key
from engine.objects.ref import Object


@dataclass(frozen=True, slots=True)
class Target:
    """The object that a request is about; namespace "" for cluster scope."""

    resource: Resource
    namespace: str
    name: str
    subresource: str = ""

    @property
    def key(self) -> Key:
        """Where it is kept."""
        return Key(self.resource.key, self.namespace, self.name)


# Built-in kinds of which a PUT must say what it replaces.
# Source: AllowUnconditionalUpdate of the strategies, as kube-apiserver 1.36.3 answers.
_CONDITIONAL = frozenset(
    {
        "apiservices.apiregistration.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "leases.coordination.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "poddisruptionbudgets.policy",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    }
)


def check_no_uid(target: Target, patch: Object) -> None:
    """Applying to an object that is gone does not make another.  Raises Refused (409)."""
    uid = (patch.get("metadata") or {}).get("uid")
    if uid:
        resource = target.resource
        why = (
            f"uid mismatch: the provided object specified uid {uid}, and no existing object was"
            " found"
        )
        raise conflict(resource.plural, resource.group, target.name, why)


def check_uid(target: Target, given: Object, live: Object | None) -> None:
    """A PUT may be meant for another object of the same name.  Raises Refused (409)."""
    uid, resource = given["metadata"].get("uid"), target.resource
    if not uid or live is None or uid == live["metadata"]["uid"]:
        return
    group = f"{resource.group}/" if resource.group else ""
    key = f"/registry/{group}{resource.plural}/{target.namespace}/{target.name}"
    why = (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0,"
        f" AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta:"
        f" {live['metadata']['uid']}"
    )
    raise conflict(resource.plural, resource.group, target.name, why)


def check_revision(target: Target, obj: Object, live: Object) -> None:
    """What was read may have changed since.  Raises Refused (409; 422 if it must be said)."""
    resource, revision = target.resource, obj["metadata"].get("resourceVersion")
    conditional = resource.custom or resource.key in _CONDITIONAL
    if not revision and conditional and not target.subresource:
        cause = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(resource.plural, resource.group, target.name, [cause])
    if revision and revision != live["metadata"]["resourceVersion"]:
        raise conflict(resource.plural, resource.group, target.name)
