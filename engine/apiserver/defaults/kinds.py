"""Values that Kubernetes gives to absent fields of its own kinds.

In: an object as a dict of the caller's own, which is filled in.  Applying an object that was read
from the server changes nothing.
Source: kubernetes pkg/apis/*/v1/defaults.go.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from engine.apiserver.defaults.pods import Fields, fill
from engine.apiserver.defaults.workloads import WORKLOADS, spec_of


def fill_defaults(obj: Fields, key: str) -> None:
    """Fill in the defaults of a built-in kind; key: `deployments.apps`."""
    function = _FUNCTIONS.get(key)
    if function is not None:
        function(obj)


def _service(obj: Fields) -> None:
    spec = spec_of(obj)
    fill(spec, {"sessionAffinity": "None", "type": "ClusterIP"})
    if spec["sessionAffinity"] == "ClientIP":
        fill(spec, {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}})
    for port in spec.get("ports") or ():
        fill(port, {"protocol": "TCP"})
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        fill(spec, {"externalTrafficPolicy": "Cluster"})
    if spec["type"] != "ExternalName":
        fill(spec, {"internalTrafficPolicy": "Cluster"})
    if spec["type"] == "LoadBalancer":
        fill(spec, {"allocateLoadBalancerNodePorts": True})


def _secret(obj: Fields) -> None:
    fill(obj, {"type": "Opaque"})
    text = obj.pop("stringData", None) or {}
    if text:
        encoded = {name: b64encode(str(each).encode()).decode() for name, each in text.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _claim(obj: Fields) -> None:
    fill(spec_of(obj), {"volumeMode": "Filesystem"})


def _volume(obj: Fields) -> None:
    fill(spec_of(obj), {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"})


def _network_policy(obj: Fields) -> None:
    spec = spec_of(obj)
    fill(spec, {"podSelector": {}})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            fill(port, {"protocol": "TCP"})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _scaler(obj: Fields) -> None:
    spec = spec_of(obj)
    fill(spec, {"minReplicas": 1})
    if obj.get("apiVersion") == "autoscaling/v1":
        fill(spec, {"targetCPUUtilizationPercentage": 80})
    elif not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _binding(obj: Fields) -> None:
    group = "rbac.authorization.k8s.io"
    if isinstance(obj.get("roleRef"), dict) and not obj["roleRef"].get("apiGroup"):
        obj["roleRef"]["apiGroup"] = group
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = group


def _storage_class(obj: Fields) -> None:
    fill(obj, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def _priority_class(obj: Fields) -> None:
    fill(obj, {"preemptionPolicy": "PreemptLowerPriority", "value": 0})


def _definition(obj: Fields) -> None:
    spec = spec_of(obj)
    names = spec.get("names")
    if isinstance(names, dict):
        kind = names.get("kind") or ""
        fill(names, {"singular": kind.lower(), "listKind": f"{kind}List"})
    fill(spec, {"conversion": {}})
    fill(spec["conversion"], {"strategy": "None"})


def _webhooks(obj: Fields) -> None:
    for hook in obj.get("webhooks") or ():
        fill(
            hook,
            {
                "failurePolicy": "Fail",
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {},
                "timeoutSeconds": 10,
            },
        )
        if obj["kind"] == "MutatingWebhookConfiguration":
            fill(hook, {"reinvocationPolicy": "Never"})
        for rule in hook.get("rules") or ():
            fill(rule, {"scope": "*"})
        service = (hook.get("clientConfig") or {}).get("service")
        if isinstance(service, dict):
            fill(service, {"port": 443})


def _api_service(obj: Fields) -> None:
    if isinstance(spec_of(obj).get("service"), dict):
        fill(obj["spec"]["service"], {"port": 443})


def _limit_range(obj: Fields) -> None:
    for item in spec_of(obj).get("limits") or ():
        if item.get("type") != "Container":
            continue
        limits = {**(item.get("max") or {}), **(item.get("default") or {})}
        requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
        item.update({"default": limits} if limits else {})
        item.update({"defaultRequest": requests} if requests else {})


def _endpoint_slice(obj: Fields) -> None:
    for endpoint in obj.get("endpoints") or ():
        fill(endpoint, {"conditions": {}})
    for port in obj.get("ports") or ():
        fill(port, {"name": "", "protocol": "TCP"})


def _endpoints(obj: Fields) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            fill(port, {"protocol": "TCP"})


def _namespace(obj: Fields) -> None:
    labels: dict[str, Any] = obj["metadata"].get("labels") or {}
    name = obj["metadata"].get("name")
    if name:
        obj["metadata"]["labels"] = {**labels, "kubernetes.io/metadata.name": name}


def _policy(obj: Fields) -> None:
    fill(spec_of(obj), {"failurePolicy": "Fail"})
    constraints = obj["spec"].get("matchConstraints")
    if isinstance(constraints, dict):
        empty: Fields = {}
        fill(
            constraints,
            {"matchPolicy": "Equivalent", "namespaceSelector": empty, "objectSelector": empty},
        )
        for rule in constraints.get("resourceRules") or ():
            fill(rule, {"scope": "*"})


def _event(obj: Fields) -> None:
    core = obj.get("apiVersion") == "v1"
    fill(obj, {"source" if core else "deprecatedSource": {}})
    obj.setdefault("eventTime", None)
    if core:
        fill(obj, {"reportingComponent": "", "reportingInstance": ""})


_FUNCTIONS: dict[str, Callable[[Fields], None]] = {
    **WORKLOADS,
    "apiservices.apiregistration.k8s.io": _api_service,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
    "endpoints": _endpoints,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "events": _event,
    "horizontalpodautoscalers.autoscaling": _scaler,
    "limitranges": _limit_range,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "namespaces": _namespace,
    "networkpolicies.networking.k8s.io": _network_policy,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "priorityclasses.scheduling.k8s.io": _priority_class,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "secrets": _secret,
    "services": _service,
    "storageclasses.storage.k8s.io": _storage_class,
    "validatingadmissionpolicies.admissionregistration.k8s.io": _policy,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
}
