"""What Kubernetes refuses in objects of its own kinds: missing, wrong and immutable fields.

A part of the real rules: those that people meet, in the server's words.
Source: kubernetes pkg/apis/*/validation.
"""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.apiserver.errors import (
    Cause,
    forbidden,
    invalid_value,
    required,
    unsupported_value,
)
from engine.apiserver.validation.formats import config_key_faults, json_object_fault
from engine.apiserver.validation.metadata import check_labels
from engine.apiserver.validation.pod_rules import check_pod, check_template
from engine.objects.ref import Object

Rule = Callable[[Object], Iterator[Cause]]


def check_kind(obj: Object, key: str) -> Iterator[Cause]:
    """What is wrong with a new or changed object of a built-in kind; key: `deployments.apps`."""
    rule = _RULES.get(key)
    return rule(obj) if rule else iter(())


def _workload(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if isinstance(spec.get("replicas"), int) and spec["replicas"] < 0:
        text = "must be greater than or equal to 0"
        yield invalid_value("spec.replicas", spec["replicas"], text)
    selector = spec.get("selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    wanted = (selector or {}).get("matchLabels") or {}
    if selector is None:
        yield required("spec.selector")
    elif not wanted and not selector.get("matchExpressions"):
        text = f"empty selector is invalid for {obj['kind'].lower()}"
        yield invalid_value("spec.selector", selector, text)
    if selector is None or any((labels or {}).get(k) != v for k, v in wanted.items()):
        text = "`selector` does not match template `labels`"
        yield invalid_value("spec.template.metadata.labels", labels, text)
    yield from check_template(spec.get("template"), "spec.template", restart=("Always",))


def _job(obj: Object) -> Iterator[Cause]:
    template = (obj.get("spec") or {}).get("template")
    yield from check_template(template, "spec.template", restart=("OnFailure", "Never"))


def _cron_job(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if not spec.get("schedule"):
        yield required("spec.schedule")
    template = ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template")
    path = "spec.jobTemplate.spec.template"
    yield from check_template(template, path, restart=("OnFailure", "Never"))


def _pod(obj: Object) -> Iterator[Cause]:
    yield from check_pod(obj.get("spec") or {}, "spec")


def _secret(obj: Object) -> Iterator[Cause]:
    data, kind = obj.get("data") or {}, obj.get("type", "")
    for name in data:
        yield from (invalid_value(f"data[{name}]", name, why) for why in config_key_faults(name))
    if sum(map(_decoded_size, data.values())) > _MOST_BYTES:
        yield _too_long("data")
    content = _SECRETS.get(kind)
    if content is not None:
        yield from content(obj, data)


def _account_token(obj: Object, _: Mapping[str, Any]) -> Iterator[Cause]:
    name = "kubernetes.io/service-account.name"
    if not (obj["metadata"].get("annotations") or {}).get(name):
        yield required(f"metadata.annotations[{name}]")


def _basic_auth(_: Object, data: Mapping[str, Any]) -> Iterator[Cause]:
    names = ("username", "password")
    if not any(name in data for name in names):
        yield from (required(f"data[{name}]") for name in names)


def _ssh_auth(_: Object, data: Mapping[str, Any]) -> Iterator[Cause]:
    if not data.get("ssh-privatekey"):
        yield required("data[ssh-privatekey]")


def _tls(_: Object, data: Mapping[str, Any]) -> Iterator[Cause]:
    yield from (required(f"data[{name}]") for name in ("tls.crt", "tls.key") if name not in data)


def _registries(name: str) -> Callable[[Object, Mapping[str, Any]], Iterator[Cause]]:
    """Access to registries is one JSON object, at this name."""

    def check(_: Object, data: Mapping[str, Any]) -> Iterator[Cause]:
        if name not in data:
            yield required(f"data[{name}]")
            return
        fault = json_object_fault(b64decode(data[name]))
        if fault:
            yield invalid_value(f"data[{name}]", "<secret contents redacted>", fault)

    return check


_SECRETS: Mapping[str, Callable[[Object, Mapping[str, Any]], Iterator[Cause]]] = {
    "kubernetes.io/basic-auth": _basic_auth,
    "kubernetes.io/dockercfg": _registries(".dockercfg"),
    "kubernetes.io/dockerconfigjson": _registries(".dockerconfigjson"),
    "kubernetes.io/service-account-token": _account_token,
    "kubernetes.io/ssh-auth": _ssh_auth,
    "kubernetes.io/tls": _tls,
}


def _config_map(obj: Object) -> Iterator[Cause]:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for path, fields in (("data", data), ("binaryData", binary)):
        for name in fields:
            faults = config_key_faults(name)
            yield from (invalid_value(f"{path}[{name}]", name, why) for why in faults)
            if path == "data" and name in binary:
                yield invalid_value(f"data[{name}]", name, "duplicate of key present in binaryData")
    size = sum(len(each.encode()) for each in data.values())
    if size + sum(map(_decoded_size, binary.values())) > _MOST_BYTES:
        yield _too_long("[]")


_MOST_BYTES = 1024 * 1024  # Source: core.MaxSecretSize


def _decoded_size(text: str) -> int:
    """How many bytes a base64 text stands for; line breaks in it count too much."""
    return len(text) // 4 * 3 - text.count("=", -2)


def _too_long(path: str) -> Cause:
    return Cause(path, "FieldValueTooLong", f"Too long: may not be more than {_MOST_BYTES} bytes")


def _service(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    allowed = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    kind = spec.get("type")
    if kind not in allowed:
        yield unsupported_value("spec.type", kind, allowed)
    ports = spec.get("ports") or ()
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    for i, port in enumerate(ports):
        number = port.get("port")
        if not isinstance(number, int) or not 0 < number < 65536:
            text = "must be between 1 and 65535, inclusive"
            yield invalid_value(f"spec.ports[{i}].port", number or 0, text)
        if len(ports) > 1 and not port.get("name"):
            yield required(f"spec.ports[{i}].name")
    yield from check_labels(spec.get("selector"), "spec.selector")


def _claim(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if not spec.get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    if not ((spec.get("resources") or {}).get("requests") or {}).get("storage"):
        yield required("spec.resources[storage]")


def _ingress(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        yield invalid_value("spec", None, "either `defaultBackend` or `rules` must be specified")
    for i, rule in enumerate(spec.get("rules") or ()):
        http = rule.get("http")
        for j, path in enumerate((http or {}).get("paths") or ()):
            at = f"spec.rules[{i}].http.paths[{j}]"
            if not path.get("pathType"):
                yield required(f"{at}.pathType", "pathType must be specified")
            if path.get("backend") is None:
                yield required(f"{at}.backend")


def _binding(obj: Object) -> Iterator[Cause]:
    ref: Mapping[str, Any] = obj.get("roleRef") or {}
    kinds = ("ClusterRole",) if obj["kind"] == "ClusterRoleBinding" else ("ClusterRole", "Role")
    if ref.get("kind") not in kinds:
        yield unsupported_value("roleRef.kind", ref.get("kind") or "", kinds)
    if not ref.get("name"):
        yield required("roleRef.name")
    for i, subject in enumerate(obj.get("subjects") or ()):
        if not subject.get("name"):
            yield required(f"subjects[{i}].name")
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            yield required(f"subjects[{i}].namespace")


def _role(obj: Object) -> Iterator[Cause]:
    for i, rule in enumerate(obj.get("rules") or ()):
        if not rule.get("verbs"):
            yield required(f"rules[{i}].verbs", "verbs must contain at least one value")


def _scaler(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    target = spec.get("scaleTargetRef") or {}
    for name in ("kind", "name"):
        if not target.get(name):
            yield required(f"spec.scaleTargetRef.{name}")
    most, least = spec.get("maxReplicas") or 0, spec.get("minReplicas") or 1
    if most < 1:
        yield invalid_value("spec.maxReplicas", most, "must be greater than 0")
    elif most < least:
        text = "must be greater than or equal to `minReplicas`"
        yield invalid_value("spec.maxReplicas", most, text)


def _namespace(obj: Object) -> Iterator[Cause]:
    if (obj.get("metadata") or {}).get("namespace"):
        yield forbidden("metadata.namespace", "not allowed on this type")


def _storage_class(obj: Object) -> Iterator[Cause]:
    if not obj.get("provisioner"):
        yield required("provisioner")


_RULES: dict[str, Rule] = {
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "clusterroles.rbac.authorization.k8s.io": _role,
    "configmaps": _config_map,
    "cronjobs.batch": _cron_job,
    "daemonsets.apps": _workload,
    "deployments.apps": _workload,
    "horizontalpodautoscalers.autoscaling": _scaler,
    "ingresses.networking.k8s.io": _ingress,
    "jobs.batch": _job,
    "namespaces": _namespace,
    "persistentvolumeclaims": _claim,
    "pods": _pod,
    "replicasets.apps": _workload,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "roles.rbac.authorization.k8s.io": _role,
    "secrets": _secret,
    "services": _service,
    "statefulsets.apps": _workload,
    "storageclasses.storage.k8s.io": _storage_class,
}
