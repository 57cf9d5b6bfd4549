"""Fields that may not change once an object exists.

Source: kubernetes pkg/apis/*/validation (ValidateUpdate).
"""

from collections.abc import Callable, Iterator
from typing import Any

from engine.apiserver.errors import Cause, forbidden, invalid_value
from engine.apiserver.validation.pod_rules import check_pod_update
from engine.objects.ref import Object

IMMUTABLE = "field is immutable"


def check_change(new: Object, old: Object, key: str) -> Iterator[Cause]:
    """What a change does to fields of a built-in kind that may not change."""
    rule = _RULES.get(key)
    return rule(new, old) if rule else iter(())


def _at(obj: Object, path: str) -> Any:
    value: Any = obj
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _fixed(*paths: str) -> Callable[[Object, Object], Iterator[Cause]]:
    def check(new: Object, old: Object) -> Iterator[Cause]:
        for path in paths:
            if (_at(new, path) or None) != (_at(old, path) or None):
                yield invalid_value(path, _at(new, path), IMMUTABLE)

    return check


_STATEFUL = (
    "ordinals",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
    "replicas",
    "revisionHistoryLimit",
    "template",
    "updateStrategy",
)


def _stateful_set(new: Object, old: Object) -> Iterator[Cause]:
    after, before = (
        {name: value for name, value in each["spec"].items() if name not in _STATEFUL}
        for each in (new, old)
    )
    if after != before:
        yield forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template',"
            " 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and"
            " 'minReadySeconds' are forbidden",
        )


def _data(new: Object, old: Object) -> Iterator[Cause]:
    if new.get("type") != old.get("type"):
        yield invalid_value("type", new.get("type"), IMMUTABLE)
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield forbidden("immutable", "field is immutable when `immutable` is set")
    for name in ("data", "binaryData"):
        if (new.get(name) or {}) != (old.get(name) or {}):
            yield forbidden(name, "field is immutable when `immutable` is set")


def _service(new: Object, old: Object) -> Iterator[Cause]:
    after, before = new["spec"], old["spec"]
    if "ExternalName" in (after.get("type"), before.get("type")):
        return
    address = before.get("clusterIP")
    if address and after.get("clusterIP") != address:
        why = "may not change once set"
        yield invalid_value("spec.clusterIPs[0]", after.get("clusterIPs") or [], why)


def _claim(new: Object, old: Object) -> Iterator[Cause]:
    after, before = dict(new["spec"]), dict(old["spec"])
    for spec in (after, before):
        resources = dict(spec.pop("resources", None) or {})
        resources.pop("requests", None)
        spec["resources"] = resources
        spec.pop("volumeAttributesClassName", None)
    if not before.get("volumeName"):
        before.pop("volumeName", None)
        after.pop("volumeName", None)
    if after != before:
        yield forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and"
            " volumeAttributesClassName for bound claims",
        )


def _role_ref(new: Object, old: Object) -> Iterator[Cause]:
    if new.get("roleRef") != old.get("roleRef"):
        yield invalid_value("roleRef", new.get("roleRef"), "cannot change roleRef")


def _storage_class(new: Object, old: Object) -> Iterator[Cause]:
    for name in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        if (new.get(name) or None) != (old.get(name) or None):
            if name == "parameters":
                yield forbidden(name, "updates to parameters are forbidden.")
            elif name == "provisioner":
                yield forbidden(name, "updates to provisioner are forbidden.")
            else:
                yield invalid_value(name, new.get(name), IMMUTABLE)


def _job(new: Object, old: Object) -> Iterator[Cause]:
    yield from _fixed("spec.completions", "spec.selector")(new, old)
    if new["spec"].get("template") != old["spec"].get("template"):
        yield invalid_value("spec.template", new["spec"].get("template"), IMMUTABLE)
    yield from _fixed("spec.completionMode")(new, old)


_RULES: dict[str, Callable[[Object, Object], Iterator[Cause]]] = {
    "clusterrolebindings.rbac.authorization.k8s.io": _role_ref,
    "configmaps": _data,
    "customresourcedefinitions.apiextensions.k8s.io": _fixed(
        "spec.group", "spec.names.plural", "spec.names.kind", "spec.scope"
    ),
    "daemonsets.apps": _fixed("spec.selector"),
    "deployments.apps": _fixed("spec.selector"),
    "ingressclasses.networking.k8s.io": _fixed("spec.controller"),
    "jobs.batch": _job,
    "persistentvolumeclaims": _claim,
    "pods": check_pod_update,
    "priorityclasses.scheduling.k8s.io": _fixed("value", "preemptionPolicy"),
    "replicasets.apps": _fixed("spec.selector"),
    "rolebindings.rbac.authorization.k8s.io": _role_ref,
    "secrets": _data,
    "services": _service,
    "statefulsets.apps": _stateful_set,
    "storageclasses.storage.k8s.io": _storage_class,
}
