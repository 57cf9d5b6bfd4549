"""The metadata that every object has: filled in, kept over updates, validated.

Source: apiserver registry/rest (BeforeCreate, BeforeUpdate), apimachinery api/validation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.apiserver.errors import Cause, bad_request, forbidden, invalid_value, required
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.state import State
from engine.apiserver.validation.formats import (
    label_faults,
    label_value_faults,
    path_segment_faults,
    qualified_name_faults,
    subdomain_faults,
)
from engine.objects.ref import Object

_ANNOTATIONS_BYTES = 256 * 1024  # Source: TotalAnnotationSizeLimitB
_IDENTITY = ("name", "namespace", "uid", "creationTimestamp", "selfLink")
_DELETION = ("deletionTimestamp", "deletionGracePeriodSeconds")
_RBAC = "rbac.authorization.k8s.io"


def new_metadata(obj: Object, resource: Resource, namespace: str, state: State) -> dict[str, Any]:
    """Metadata of an object that is created: name, uid, time, generation 1."""
    metadata = dict(obj["metadata"])
    _check_namespace(metadata, resource, namespace)
    for name in (*_DELETION, "selfLink", "resourceVersion", "uid"):
        metadata.pop(name, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = f"{metadata['generateName'][:58]}{state.new_suffix()}"
    if resource.namespaced:
        metadata["namespace"] = namespace
    metadata["uid"] = state.new_uid()
    metadata["creationTimestamp"] = state.now()
    metadata.pop("generation", None)
    return metadata


def kept_metadata(new: Object, old: Object, resource: Resource) -> dict[str, Any]:
    """Metadata of an object that is replaced: what a client may not change stays as it was."""
    before, metadata = old["metadata"], dict(new["metadata"])
    _check_namespace(metadata, resource, before.get("namespace", ""))
    for name in (*_IDENTITY, *_DELETION, "generation"):
        given = metadata.get(name)
        if name == "uid" and given and given != before["uid"]:
            continue  # refused by the precondition or by validation
        metadata.pop(name, None)
        if name in before:
            metadata[name] = before[name]
    metadata["resourceVersion"] = before["resourceVersion"]
    return metadata


def _check_namespace(metadata: Mapping[str, Any], resource: Resource, namespace: str) -> None:
    wanted = namespace if resource.namespaced else ""
    if metadata.get("namespace") not in (None, "", wanted):
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def name_faults(name: str, resource: Resource) -> Sequence[str]:
    """What is wrong with an object's name, by the rule of its kind."""
    if resource.group == _RBAC:
        return path_segment_faults(name)
    if resource.key in ("namespaces", "services"):
        return label_faults(name)
    return subdomain_faults(name)


def check_metadata(obj: Object, resource: Resource) -> Iterator[Cause]:
    """What is wrong with metadata as such."""
    metadata = obj["metadata"]
    name = metadata.get("name")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    else:
        for fault in name_faults(name, resource):
            yield invalid_value("metadata.name", name, fault)
    yield from check_labels(metadata.get("labels"), "metadata.labels")
    yield from _check_annotations(metadata.get("annotations") or {})
    yield from _check_owners(metadata.get("ownerReferences") or ())
    yield from _check_finalizers(metadata.get("finalizers") or (), custom=resource.custom)


def check_labels(labels: Mapping[str, Any] | None, path: str) -> Iterator[Cause]:
    """What is wrong with keys and values of labels."""
    for key, value in (labels or {}).items():
        for fault in qualified_name_faults(key):
            yield invalid_value(path, key, fault)
        for fault in label_value_faults(str(value)):
            yield invalid_value(path, value, fault)


def _check_annotations(annotations: Mapping[str, Any]) -> Iterator[Cause]:
    path, size = "metadata.annotations", 0
    for key, value in annotations.items():
        for fault in qualified_name_faults(key.lower()):
            yield invalid_value(path, key, fault)
        size += len(key.encode()) + len(str(value).encode())
    if size > _ANNOTATIONS_BYTES:
        text = f"Too long: may not be more than {_ANNOTATIONS_BYTES} bytes"
        yield Cause(path, "FieldValueTooLong", text)


def _check_owners(owners: Sequence[Mapping[str, Any]]) -> Iterator[Cause]:
    controllers = [each for each in owners if each.get("controller")]
    for owner in owners:
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                yield invalid_value(f"metadata.ownerReferences.{name}", "", "must not be empty")
    if len(controllers) > 1:
        first, second = controllers[:2]
        yield invalid_value(
            "metadata.ownerReferences",
            list(owners),
            f'Only one reference can have Controller set to true. Found "true" in references for'
            f" {first['kind']}/{first['name']} and {second['kind']}/{second['name']}",
        )


_STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")


def _check_finalizers(finalizers: Sequence[str], *, custom: bool) -> Iterator[Cause]:
    """A CRD's objects may have a finalizer of any name, as Flux's own shows."""
    for i, finalizer in enumerate(finalizers):
        for fault in qualified_name_faults(finalizer):
            yield invalid_value("metadata.finalizers", finalizer, fault)
        if not custom and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid_value(f"metadata.finalizers[{i}]", finalizer, text)


def check_metadata_update(new: Object, old: Object) -> Iterator[Cause]:
    """What an update may not do to metadata."""
    before, after = old["metadata"], new["metadata"]
    if after.get("uid") != before.get("uid"):
        yield invalid_value("metadata.uid", after.get("uid"), "field is immutable")
    if before.get("deletionTimestamp"):
        added = set(after.get("finalizers") or ()) - set(before.get("finalizers") or ())
        if added:
            names = ", ".join(f'"{name}"' for name in sorted(added))
            yield forbidden(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, found new"
                f" finalizers []string{{{names}}}",
            )
