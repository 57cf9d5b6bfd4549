"""What a kind's strategy does to an object before it is validated: status, addresses, finalizers.

In: an object as a dict of the caller's own, which is changed.
Source: kubernetes pkg/registry/*/strategy.go, admission plugins of a default server.
"""

from collections.abc import Callable, Mapping
from typing import Any

from engine.apiserver.defaults.pods import Fields, fill
from engine.apiserver.errors import Refused
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.state import State
from engine.objects.ref import Object


def prepare_create(obj: Fields, resource: Resource, state: State) -> None:
    """Make a new object what its kind begins as."""
    if resource.has_status:
        obj.pop("status", None)
    if has_generation(resource):
        obj["metadata"]["generation"] = 1
    function = _CREATE.get(resource.key)
    if function is not None:
        function(obj, state)


def prepare_update(new: Fields, old: Object, resource: Resource, state: State) -> None:
    """Keep what a client may not change, and count a new generation if the spec did change."""
    if resource.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    function = _UPDATE.get(resource.key)
    if function is not None:
        function(new, old, state)
    if has_generation(resource):
        changed = _wanted_state(new, resource) != _wanted_state(old, resource)
        generation = old["metadata"].get("generation", 0)
        if changed or (_begins_deletion(new) and not _begins_deletion(old)):
            generation += 1
        if generation:
            new["metadata"]["generation"] = generation


def prepare_status(new: Fields, old: Object, resource: Resource) -> Fields:
    """The old object with the status of the new one, and its managedFields."""
    metadata = {**old["metadata"]}
    given: Mapping[str, Any] = new["metadata"]
    if "managedFields" in given:
        metadata["managedFields"] = given["managedFields"]
    if not resource.custom and "annotations" in given:
        metadata["annotations"] = given["annotations"]
    if resource.key == "nodes" and "labels" in given:
        metadata["labels"] = given["labels"]
    out = {**old, "metadata": metadata}
    out.pop("status", None)
    return {**out, "status": new["status"]} if "status" in new else out


def _wanted_state(obj: Object, resource: Resource) -> dict[str, Any]:
    """What a change of which counts as a new generation; of a Deployment annotations as well."""
    left_out = ("metadata", "status") if resource.has_status else ("metadata",)
    state = {name: value for name, value in obj.items() if name not in left_out}
    if resource.key == "deployments.apps":
        state["annotations"] = obj["metadata"].get("annotations") or {}
    return state


def _begins_deletion(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


_WITH_GENERATION = frozenset(
    {
        "cronjobs.batch",
        "csidrivers.storage.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "daemonsets.apps",
        "deployments.apps",
        "endpointslices.discovery.k8s.io",
        "flowschemas.flowcontrol.apiserver.k8s.io",
        "ingressclasses.networking.k8s.io",
        "ingresses.networking.k8s.io",
        "jobs.batch",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "networkpolicies.networking.k8s.io",
        "poddisruptionbudgets.policy",
        "pods",
        "priorityclasses.scheduling.k8s.io",
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        "replicasets.apps",
        "replicationcontrollers",
        "resourceclaims.resource.k8s.io",
        "statefulsets.apps",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    }
)


def has_generation(resource: Resource) -> bool:
    """Whether objects of this resource count generations."""
    return resource.custom or resource.key in _WITH_GENERATION


def _namespace(obj: Fields, _: State) -> None:
    spec = obj.setdefault("spec", {})
    if "kubernetes" not in (spec.get("finalizers") or ()):
        spec["finalizers"] = [*(spec.get("finalizers") or ()), "kubernetes"]
    obj["status"] = {"phase": "Active"}


def _namespace_update(new: Fields, old: Object, _: State) -> None:
    if "spec" in old:
        new["spec"] = old["spec"]


def _service(obj: Fields, state: State) -> None:
    spec = obj["spec"]
    obj["status"] = {"loadBalancer": {}}
    if spec.get("type") == "ExternalName":
        return
    if not spec.get("clusterIP"):
        spec["clusterIP"] = state.addresses.free_address(obj["metadata"].get("uid", ""))
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["clusterIP"] != "None" or spec.get("selector"):
        fill(spec, {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"})
    else:
        fill(spec, {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"})
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _give_node_ports(spec, state)


def _give_node_ports(spec: Fields, state: State) -> None:
    free = state.addresses.free_ports()
    for port in spec.get("ports") or ():
        if not port.get("nodePort"):
            port["nodePort"] = next(free, None)
        if port["nodePort"] is None:
            text = "failed to allocate a nodePort: range is full"
            raise Refused(500, "InternalError", f"Internal error occurred: {text}")


_ADDRESS_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def _service_update(new: Fields, old: Object, state: State) -> None:
    spec, before = new["spec"], old["spec"]
    if spec.get("type") == "ExternalName":
        return
    for name in _ADDRESS_FIELDS:
        if not spec.get(name) and name in before:
            spec[name] = before[name]
    if not spec.get("clusterIP"):
        status = new.get("status")
        _service(new, state)
        new["status"] = status or new["status"]
    ports = {(port.get("name"), port.get("port")): port for port in before.get("ports") or ()}
    if spec["type"] in ("NodePort", "LoadBalancer"):
        for port in spec.get("ports") or ():
            known = ports.get((port.get("name"), port.get("port")), {}).get("nodePort")
            if known and not port.get("nodePort"):
                port["nodePort"] = known
        _give_node_ports(spec, state)
    elif before.get("type") in ("NodePort", "LoadBalancer"):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)


def _pod(obj: Fields, _: State) -> None:
    obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    spec = obj["spec"]
    fill(spec, {"serviceAccountName": "default"})
    fill(spec, {"serviceAccount": spec["serviceAccountName"], "priority": 0})
    fill(spec, {"preemptionPolicy": "PreemptLowerPriority"})


def _job(obj: Fields, _: State) -> None:
    spec, metadata = obj["spec"], obj["metadata"]
    obj["status"] = {}
    if spec.get("manualSelector") or not isinstance(spec.get("template"), dict):
        return
    labels = {
        "batch.kubernetes.io/controller-uid": metadata["uid"],
        "batch.kubernetes.io/job-name": metadata["name"],
        "controller-uid": metadata["uid"],
        "job-name": metadata["name"],
    }
    template = spec["template"].setdefault("metadata", {})
    template["labels"] = {**(template.get("labels") or {}), **labels}
    if not metadata.get("labels"):
        metadata["labels"] = dict(template["labels"])
    name = "batch.kubernetes.io/controller-uid"
    selector = spec.setdefault("selector", {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), name: metadata["uid"]}


def _job_update(new: Fields, old: Object, _: State) -> None:
    # The generated selector and labels are not in what people apply again.
    spec, before = new["spec"], old["spec"]
    fill(spec, {"selector": before.get("selector")})
    given = (spec.get("template") or {}).get("metadata") or {}
    kept = (before["template"].get("metadata") or {}).get("labels") or {}
    generated = {name: value for name, value in kept.items() if name.endswith(("-uid", "job-name"))}
    if isinstance(spec.get("template"), dict) and generated:
        labels = {**generated, **(given.get("labels") or {})}
        spec["template"]["metadata"] = {**given, "labels": labels}


def _definition(obj: Fields, _: State) -> None:
    versions = (obj.get("spec") or {}).get("versions") or ()
    stored = [version["name"] for version in versions if version.get("storage")]
    names = {"kind": "", "plural": ""}
    obj["status"] = {"acceptedNames": names, "conditions": None, "storedVersions": stored}


def _phase(phase: str, finalizer: str) -> Callable[[Fields, State], None]:
    def prepare(obj: Fields, _: State) -> None:
        obj["status"] = {"phase": phase}
        finalizers = obj["metadata"].get("finalizers") or []
        if finalizer not in finalizers:
            obj["metadata"]["finalizers"] = [*finalizers, finalizer]

    return prepare


def _storage_claim(obj: Fields, state: State) -> None:
    _phase("Pending", "kubernetes.io/pvc-protection")(obj, state)
    if obj["spec"].get("storageClassName") is None:
        for record in state.store.records("storageclasses.storage.k8s.io"):
            notes = record.obj["metadata"].get("annotations") or {}
            if notes.get("storageclass.kubernetes.io/is-default-class") == "true":
                obj["spec"]["storageClassName"] = record.key.name


def _claim_update(new: Fields, old: Object, _: State) -> None:
    for name in ("volumeName", "storageClassName"):
        if not new["spec"].get(name) and name in old["spec"]:
            new["spec"][name] = old["spec"][name]


def _with_status(status: Mapping[str, Any]) -> Callable[[Fields, State], None]:
    def prepare(obj: Fields, _: State) -> None:
        obj["status"] = dict(status)

    return prepare


_CREATE: dict[str, Callable[[Fields, State], None]] = {
    "cronjobs.batch": _with_status({}),
    "daemonsets.apps": _with_status(
        {
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        }
    ),
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
    "deployments.apps": _with_status({}),
    "horizontalpodautoscalers.autoscaling": _with_status(
        {"currentMetrics": None, "desiredReplicas": 0}
    ),
    "ingresses.networking.k8s.io": _with_status({"loadBalancer": {}}),
    "jobs.batch": _job,
    "namespaces": _namespace,
    "persistentvolumeclaims": _storage_claim,
    "persistentvolumes": _phase("Pending", "kubernetes.io/pv-protection"),
    "poddisruptionbudgets.policy": _with_status(
        {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
    ),
    "pods": _pod,
    "replicasets.apps": _with_status({"replicas": 0}),
    "replicationcontrollers": _with_status({"replicas": 0}),
    "resourcequotas": _with_status({}),
    "services": _service,
    "statefulsets.apps": _with_status({"replicas": 0, "availableReplicas": 0}),
}
_UPDATE: dict[str, Callable[[Fields, Object, State], None]] = {
    "jobs.batch": _job_update,
    "namespaces": _namespace_update,
    "persistentvolumeclaims": _claim_update,
    "services": _service_update,
}
