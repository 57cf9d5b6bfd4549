"""Set the namespace of everything that has one, and where it is referred to.

Source: kustomize api/filters/namespace.
"""

from dataclasses import dataclass
from typing import Any

from engine.render.kustomize.config.specs import Specs
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.books import FROM_HELM
from engine.render.kustomize.model.fields import FieldSpec, change_field, selected
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import described, text_of

DEFAULT_ONLY, ALL_ACCOUNTS, NONE = "defaultOnly", "allServiceAccounts", "none"
_BINDINGS = ("RoleBinding", "ClusterRoleBinding")


@dataclass(frozen=True, slots=True)
class NamespaceChange:
    """The namespace to set.

    unset_only: only where there is none yet.  subjects: which subjects of role bindings get it:
    those called "default", all service accounts, or none.
    """

    namespace: str
    unset_only: bool = False
    subjects: str = DEFAULT_ONLY

    def __call__(self, old: Any) -> Any:
        """The new value of a namespace field."""
        if isinstance(old, (dict, list)):
            raise KustomizeError(f"namespace field specs must target scalars, got {described(old)}")
        is_kept = self.unset_only and old is not None and text_of(old) != ""
        return old if is_kept else self.namespace


def set_namespace(resources: ResMap, change: NamespaceChange, specs: Specs) -> None:
    """Set it on every resource.  Raises KustomizeError if two then have the same id."""
    if change.subjects not in (DEFAULT_ONLY, ALL_ACCOUNTS, NONE):
        raise KustomizeError(
            f"invalid value {change.subjects!r} for setRoleBindingSubjects: "
            f"must be one of {DEFAULT_ONLY!r}, {NONE!r} or {ALL_ACCOUNTS!r}"
        )
    if not change.namespace:
        return
    for resource in resources:
        if resource.annotations.get(FROM_HELM) == "true":
            continue
        resource.remember_id()
        set_on_resource(resource, change, specs)
    try:
        resources.check_ids()
    except KustomizeError as error:
        raise KustomizeError(f"namespace transformation produces {error}") from error


def set_on_resource(resource: Resource, change: NamespaceChange, specs: Specs) -> None:
    """Set it on one resource: its metadata, role binding subjects and `specs`."""
    if not resource.id.is_cluster:
        change_field(resource, "metadata/namespace", change, str)
    is_binding = resource.kind in _BINDINGS
    if is_binding:
        _set_subjects(resource, change)
    for spec in selected(specs, resource.gvk):
        if not _is_special(spec, resource, is_binding=is_binding):
            change_field(resource, spec.path, change, str if spec.create else None)


def _is_special(spec: FieldSpec, resource: Resource, *, is_binding: bool) -> bool:
    """True for fields that are seen to apart, whatever the configuration says."""
    if spec.path == "metadata/namespace":
        return True
    if spec.path == "metadata/name" and resource.gvk.api_version != "v1":
        return True
    is_subjects = spec.path == "subjects/namespace" and spec.gvk.kind in _BINDINGS
    return is_binding and is_subjects


def _set_subjects(resource: Resource, change: NamespaceChange) -> None:
    subjects = resource.obj.get("subjects")
    if change.subjects == NONE or subjects is None:
        return
    if not isinstance(subjects, list):
        raise KustomizeError(f"subjects of {resource.id} must be a list, got {described(subjects)}")
    is_all = change.subjects == ALL_ACCOUNTS
    field, wanted = ("kind", "ServiceAccount") if is_all else ("name", "default")
    for subject in subjects:
        if subject is not None and not isinstance(subject, dict):
            raise KustomizeError(
                f"a subject of {resource.id} must be a map, got {described(subject)}"
            )
        if subject is not None and text_of(subject.get(field, "")) == wanted:
            subject["namespace"] = change(subject.get("namespace"))
