"""One object at several API versions: how it is kept and how it is shown."""

from collections.abc import Callable, Mapping
from typing import Any

from engine.apiserver.kinds.resources import Resource
from engine.objects.ref import Object


def shown(obj: Object, resource: Resource) -> Object:
    """A stored object at the resource's version."""
    if obj.get("apiVersion") == resource.api_version:
        return obj
    convert = _SHOWN.get((resource.api_version, resource.kind))
    return convert(obj) if convert else {**obj, "apiVersion": resource.api_version}


def kept(obj: Object, resource: Resource, old: Object | None = None) -> Object:
    """An object of the resource's version as the store keeps it.

    old: what the store has; what the version cannot say stays as it is there.
    """
    convert = _KEPT.get((resource.api_version, resource.kind))
    if convert:
        return convert(obj, old)
    version = resource.storage
    api_version = f"{resource.group}/{version}" if resource.group else version
    return obj if obj["apiVersion"] == api_version else {**obj, "apiVersion": api_version}


def _renamed(obj: Object, names: Mapping[str, str], api_version: str) -> dict[str, Any]:
    out = {names.get(name, name): value for name, value in obj.items()}
    return {**out, "apiVersion": api_version}


# From the names of core/v1 to those of events.k8s.io/v1.
_EVENT = {
    "involvedObject": "regarding",
    "message": "note",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "source": "deprecatedSource",
    "reportingComponent": "reportingController",
}


def _event_shown(obj: Object) -> dict[str, Any]:
    return _renamed(obj, _EVENT, "events.k8s.io/v1")


def _event_kept(obj: Object, _: Object | None) -> dict[str, Any]:
    return _renamed(obj, {new: old for old, new in _EVENT.items()}, "v1")


_CPU = "targetCPUUtilizationPercentage"
_STATUS_OF_1 = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")


def _is_cpu(metric: Mapping[str, Any]) -> bool:
    """Whether a metric is the one that autoscaling/v1 can say."""
    resource = metric.get("resource") or {}
    target = resource.get("target") or {}
    return resource.get("name") == "cpu" and target.get("type") == "Utilization"


def _scaler_shown(obj: Object) -> dict[str, Any]:
    spec = dict(obj.get("spec") or {})
    for metric in filter(_is_cpu, spec.pop("metrics", None) or ()):
        spec[_CPU] = metric["resource"]["target"].get("averageUtilization")
    spec.pop("behavior", None)
    out: dict[str, Any] = {**obj, "apiVersion": "autoscaling/v1", "spec": spec}
    if "status" in obj:
        status = obj["status"]
        out["status"] = {name: status[name] for name in _STATUS_OF_1 if name in status}
    return out


def _scaler_kept(obj: Object, old: Object | None) -> dict[str, Any]:
    before = old or {}
    spec, spec_before = dict(obj.get("spec") or {}), before.get("spec") or {}
    metrics = [each for each in spec_before.get("metrics") or () if not _is_cpu(each)]
    percentage = spec.pop(_CPU, None)
    if percentage is not None:
        target = {"type": "Utilization", "averageUtilization": percentage}
        metrics.insert(0, {"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        spec["metrics"] = metrics
    if "behavior" in spec_before:
        spec["behavior"] = spec_before["behavior"]
    out: dict[str, Any] = {**obj, "apiVersion": "autoscaling/v2", "spec": spec}
    if "status" in obj:
        out["status"] = {**(before.get("status") or {}), **obj["status"]}
    return out


_SHOWN: dict[tuple[str, str], Callable[[Object], dict[str, Any]]] = {
    ("events.k8s.io/v1", "Event"): _event_shown,
    ("autoscaling/v1", "HorizontalPodAutoscaler"): _scaler_shown,
}
_KEPT: dict[tuple[str, str], Callable[[Object, Object | None], dict[str, Any]]] = {
    ("events.k8s.io/v1", "Event"): _event_kept,
    ("autoscaling/v1", "HorizontalPodAutoscaler"): _scaler_kept,
}
