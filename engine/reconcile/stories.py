"""The kinds that are reconciled here, and how: a Story each."""

from collections.abc import Mapping
from typing import Any

from engine.api.kustomize import Kustomization
from engine.api.notification import Receiver
from engine.api.source import GitRepository
from engine.objects.ref import Object
from engine.reconcile import (
    deletion,
    git_outcome,
    git_repository,
    kustomization,
    receiver,
    telling,
)
from engine.reconcile.lifecycle import Story
from engine.reconcile.reaching import reached

_SALVAGED = {
    "deletionPolicy": ("MirrorPrune", "Delete", "WaitForTermination", "Orphan"),
    "serviceAccountName": (),
}  # {text field of the spec that a deletion obeys: its values, () = any}


def _own_retry(ks: Kustomization) -> float:
    return ks.retry_interval


def salvaged_kustomization(obj: Object) -> Object:
    """What the deletion of a malformed Kustomization needs: policy and identity.

    A field that is itself malformed counts as absent, `prune` then as false: nothing is deleted
    that nobody asked to be deleted.
    """
    spec = obj.get("spec") if isinstance(obj.get("spec"), Mapping) else {}
    kept: dict[str, Any] = {
        "interval": "1h",
        "prune": (spec or {}).get("prune") is True,
        "suspend": (spec or {}).get("suspend") is True,
        "sourceRef": {"kind": "GitRepository", "name": "unknown"},
    }
    for name, values in _SALVAGED.items():
        value = (spec or {}).get(name)
        if isinstance(value, str) and (not values or value in values):
            kept[name] = value
    if (spec or {}).get("kubeConfig"):  # its objects are in another cluster: never look here
        kept["kubeConfig"] = _kubeconfig((spec or {})["kubeConfig"])
    return {**_header(obj), "spec": kept}


def _kubeconfig(config: Any) -> Object:
    """The same if it names something, else one that leads nowhere."""
    for name in ("secretRef", "configMapRef"):
        named = config.get(name) if isinstance(config, Mapping) else None
        if isinstance(named, Mapping) and isinstance(named.get("name"), str):
            key = named.get("key")
            return {name: {"name": named["name"], **({"key": key} if isinstance(key, str) else {})}}
    return {"secretRef": {"name": "unknown"}}


def salvaged_source(obj: Object) -> Object:
    """What the deletion of a malformed GitRepository needs: its name."""
    return {**_header(obj), "spec": {"url": "https://unknown", "interval": "1h"}}


def salvaged_receiver(obj: Object) -> Object:
    """What the deletion of a malformed Receiver needs: its name."""
    return {**_header(obj), "spec": {"type": "generic", "resources": []}}


def _header(obj: Object) -> dict[str, Any]:
    names = ("name", "namespace", "uid", "generation", "resourceVersion")
    metadata = {name: obj["metadata"][name] for name in names if name in obj["metadata"]}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}


def _growing(_: GitRepository | Receiver) -> None:
    return None


KUSTOMIZATION = Story(
    group="kustomize.toolkit.fluxcd.io",
    version="v1",
    kind="Kustomization",
    model=Kustomization,
    controller="kustomize-controller",
    manager="gotk-kustomize-controller",
    reconcile=reached(kustomization.reconcile),
    finalize=reached(deletion.finalize),
    retry_after=_own_retry,
    close=telling.close,
    salvage=salvaged_kustomization,
)

GIT_REPOSITORY = Story(
    group="source.toolkit.fluxcd.io",
    version="v1",
    kind="GitRepository",
    model=GitRepository,
    controller="source-controller",
    manager="source-controller",
    reconcile=git_repository.reconcile,
    finalize=git_repository.finalize,
    retry_after=_growing,
    close=git_outcome.close,
    salvage=salvaged_source,
)

RECEIVER = Story(
    group="notification.toolkit.fluxcd.io",
    version="v1",
    kind="Receiver",
    model=Receiver,
    controller="notification-controller",
    manager="notification-controller",
    reconcile=receiver.reconcile,
    finalize=receiver.finalize,
    retry_after=_growing,
    close=receiver.close,
    salvage=salvaged_receiver,
)
