"""Values that Kubernetes gives to absent fields of its own kinds.

In: an object as a dict of the caller's own, which is filled in.  Applying an object that was read
from the server changes nothing.
Source: kubernetes pkg/apis/*/v1/defaults.go.
"""

from collections.abc import Callable
from typing import Any

from engine.apiserver.pod_defaults import Fields, containers, fill, fill_pod, fill_requests


def fill_defaults(obj: Fields, key: str) -> None:
    """Fill in the defaults of a built-in kind; key: `deployments.apps`."""
    function = _FUNCTIONS.get(key)
    if function is not None:
        function(obj)


def _spec(obj: Fields) -> Fields:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        spec = obj["spec"] = {}
    return spec


def _template(spec: Fields) -> None:
    template = spec.get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        fill_pod(template["spec"])


def _pod(obj: Fields) -> None:
    spec = _spec(obj)
    fill_pod(spec)
    fill(spec, {"enableServiceLinks": True})
    for container in containers(spec):
        fill_requests(container["resources"])


def _deployment(obj: Fields) -> None:
    spec = _spec(obj)
    fill(
        spec,
        {"replicas": 1, "strategy": {}, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    )
    fill(spec["strategy"], {"type": "RollingUpdate"})
    if spec["strategy"]["type"] == "RollingUpdate":
        fill(spec["strategy"], {"rollingUpdate": {}})
        fill(spec["strategy"]["rollingUpdate"], {"maxUnavailable": "25%", "maxSurge": "25%"})
    _template(spec)


def _stateful_set(obj: Fields) -> None:
    spec = _spec(obj)
    keep = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    fill(
        spec,
        {
            "replicas": 1,
            "podManagementPolicy": "OrderedReady",
            "updateStrategy": {},
            "revisionHistoryLimit": 10,
            "persistentVolumeClaimRetentionPolicy": keep,
        },
    )
    fill(spec["persistentVolumeClaimRetentionPolicy"], keep)
    fill(spec["updateStrategy"], {"type": "RollingUpdate"})
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], {"rollingUpdate": {}})
        fill(spec["updateStrategy"]["rollingUpdate"], {"partition": 0})
    _template(spec)
    for claim in spec.get("volumeClaimTemplates") or ():
        fill(claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
        _claim(claim)
        fill(claim, {"status": {"phase": "Pending"}})


def _daemon_set(obj: Fields) -> None:
    spec = _spec(obj)
    fill(spec, {"updateStrategy": {}, "revisionHistoryLimit": 10})
    fill(spec["updateStrategy"], {"type": "RollingUpdate"})
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], {"rollingUpdate": {}})
        fill(spec["updateStrategy"]["rollingUpdate"], {"maxUnavailable": 1, "maxSurge": 0})
    _template(spec)


def _replica_set(obj: Fields) -> None:
    fill(_spec(obj), {"replicas": 1})
    _template(obj["spec"])


def _replication_controller(obj: Fields) -> None:
    spec = _spec(obj)
    fill(spec, {"replicas": 1})
    _template(spec)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        fill(spec, {"selector": dict(labels)})
        fill(obj["metadata"], {"labels": dict(labels)})


def _job_spec(spec: Fields) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    fill(
        spec,
        {
            "parallelism": 1,
            "completionMode": "NonIndexed",
            "suspend": False,
            "podReplacementPolicy": "Failed"
            if spec.get("podFailurePolicy")
            else "TerminatingOrFailed",
            "manualSelector": None,
        },
    )
    if spec["manualSelector"] is None:
        del spec["manualSelector"]
    fill(spec, {"backoffLimit": 2**31 - 1 if spec.get("backoffLimitPerIndex") else 6})
    _template(spec)


def _job(obj: Fields) -> None:
    _job_spec(_spec(obj))


def _cron_job(obj: Fields) -> None:
    spec = _spec(obj)
    fill(
        spec,
        {
            "concurrencyPolicy": "Allow",
            "suspend": False,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
        },
    )
    _template((spec.get("jobTemplate") or {}).get("spec") or {})


def _service(obj: Fields) -> None:
    spec = _spec(obj)
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


def _claim(obj: Fields) -> None:
    fill(_spec(obj), {"volumeMode": "Filesystem"})


def _volume(obj: Fields) -> None:
    fill(_spec(obj), {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"})


def _network_policy(obj: Fields) -> None:
    spec = _spec(obj)
    fill(spec, {"podSelector": {}})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            fill(port, {"protocol": "TCP"})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _scaler(obj: Fields) -> None:
    fill(_spec(obj), {"minReplicas": 1})


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
    spec = _spec(obj)
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
    if isinstance(_spec(obj).get("service"), dict):
        fill(obj["spec"]["service"], {"port": 443})


def _endpoint_slice(obj: Fields) -> None:
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
    fill(_spec(obj), {"failurePolicy": "Fail"})
    constraints = obj["spec"].get("matchConstraints")
    if isinstance(constraints, dict):
        empty: Fields = {}
        fill(
            constraints,
            {"matchPolicy": "Equivalent", "namespaceSelector": empty, "objectSelector": empty},
        )
        for rule in constraints.get("resourceRules") or ():
            fill(rule, {"scope": "*"})


_FUNCTIONS: dict[str, Callable[[Fields], None]] = {
    "apiservices.apiregistration.k8s.io": _api_service,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "cronjobs.batch": _cron_job,
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
    "daemonsets.apps": _daemon_set,
    "deployments.apps": _deployment,
    "endpoints": _endpoints,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "horizontalpodautoscalers.autoscaling": _scaler,
    "jobs.batch": _job,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "namespaces": _namespace,
    "networkpolicies.networking.k8s.io": _network_policy,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "pods": _pod,
    "podtemplates": _template,
    "priorityclasses.scheduling.k8s.io": _priority_class,
    "replicasets.apps": _replica_set,
    "replicationcontrollers": _replication_controller,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "secrets": _secret,
    "services": _service,
    "statefulsets.apps": _stateful_set,
    "storageclasses.storage.k8s.io": _storage_class,
    "validatingadmissionpolicies.admissionregistration.k8s.io": _policy,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
}
