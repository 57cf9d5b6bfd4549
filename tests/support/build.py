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
