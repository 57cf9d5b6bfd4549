"""The scale subresource: replicas of a workload as autoscaling/v1 Scale.

Source: kubernetes pkg/registry/apps, apiextensions registry/customresource.
"""

from collections.abc import Mapping
from typing import Any

from engine.apiserver.errors import bad_request
from engine.apiserver.kinds.resources import Resource, ScalePaths
from engine.objects.ref import Object

_BUILTIN = ScalePaths(("spec", "replicas"), ("status", "replicas"), ())
_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object, resource: Resource) -> dict[str, Any]:
    """The Scale of a workload at the resource's version."""
    paths = resource.scale or _BUILTIN
    metadata = {name: value for name, value in obj["metadata"].items() if name in _KEPT}
    status: dict[str, Any] = {"replicas": _at(obj, paths.status_replicas) or 0}
    selector = _at(obj, paths.selector) if resource.scale else _selector(obj)
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": _at(obj, paths.spec_replicas) or 0},
        "status": status,
    }


def scaled(obj: Object, scale: Any, resource: Resource) -> dict[str, Any]:
    """The workload with the replicas and the preconditions of a Scale.  Raises Refused (400)."""
    replicas = (scale.get("spec") or {}).get("replicas", 0) if isinstance(scale, Mapping) else None
    if not isinstance(replicas, int):
        raise bad_request(f"spec.replicas of a Scale must be a whole number, not {replicas!r}")
    paths = resource.scale or _BUILTIN
    metadata = dict(obj["metadata"])
    for name in ("resourceVersion", "uid"):
        given = (scale.get("metadata") or {}).get(name)
        if given:
            metadata[name] = given
    out = _with(obj, paths.spec_replicas, replicas)
    return {**out, "metadata": metadata}


def _at(obj: Object, path: tuple[str, ...]) -> Any:
    value: Any = obj
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if path else None


def _with(obj: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    head, *rest = path
    inner = _with(obj.get(head) or {}, tuple(rest), value) if rest else value
    return {**obj, head: inner}


def _selector(obj: Object) -> str:
    selector = (obj.get("spec") or {}).get("selector") or {}
    labels = selector.get("matchLabels", selector)
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
