"""Objects in one line."""

from typing import Any

from engine.objects.ref import Object, Ref
from engine.plan.policy import Owner, labelled

OWNER = Owner("app", "flux")


def made(kind: str, name: str, namespace: str = "ns", /, **rest: Any) -> dict[str, Any]:
    """An object; `labels`, `annotations`, `uid` and the like go into its metadata."""
    api_version = rest.pop("api_version", "v1")
    keys = ("labels", "annotations", "uid", "resourceVersion", "finalizers", "managedFields")
    metadata: dict[str, Any] = {"name": name, **({"namespace": namespace} if namespace else {})}
    metadata |= {key: rest.pop(key) for key in keys if key in rest}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def config(name: str, /, **rest: Any) -> dict[str, Any]:
    """A ConfigMap of namespace `ns`."""
    return made("ConfigMap", name, **rest)


def owned(obj: Object, owner: Owner = OWNER) -> dict[str, Any]:
    """The object with its owner's labels."""
    return labelled(obj, owner)


def by_ref(*objects: Object) -> dict[Ref, Object]:
    """A live view."""
    return {Ref.of(obj): obj for obj in objects}


def marked(obj: Object, **annotations: str) -> dict[str, Any]:
    """The object with annotations of Flux's group: `ssa`, `prune`, `reconcile`, `force`."""
    marks = {f"kustomize.toolkit.fluxcd.io/{key}": value for key, value in annotations.items()}
    return {**obj, "metadata": {**obj["metadata"], "annotations": marks}}


def widget(name: str, group: str, **spec: Any) -> dict[str, Any]:
    """An object of the kind that `definition` defines."""
    return {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def definition(group: str) -> dict[str, Any]:
    """The definition of Widgets in that group; they may have any fields."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
