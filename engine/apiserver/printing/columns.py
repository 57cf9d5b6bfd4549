"""The columns of built-in kinds, as kubectl prints them.

Source: kubernetes pkg/printers/internalversion.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.apiserver.printing.ages import age_of
from engine.apiserver.printing.cells import (
    AGE,
    NAME,
    NONE,
    Heading,
    PrinterColumn,
    at,
    column,
    count,
    flag,
    labels_text,
    number,
    selector,
    value,
)
from engine.apiserver.printing.workload_columns import WORKLOADS
from engine.objects.ref import Object


def _external(obj: Object, _: float) -> str:
    spec = obj.get("spec") or {}
    given = ",".join(spec.get("externalIPs") or ())
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec.get("type") != "LoadBalancer":
        return given or NONE
    points = value(obj, "status", "loadBalancer", "ingress") or ()
    found = [str(each.get("ip") or each.get("hostname") or "") for each in points]
    return ",".join(filter(None, (*found, given))) or "<pending>"


def _service_ports(obj: Object, _: float) -> str:
    texts = []
    for port in value(obj, "spec", "ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port.get('port')}{node}/{port.get('protocol')}")
    return ",".join(texts) or NONE


def _event_seen(obj: Object, now: float) -> str:
    last = value(obj, "series", "lastObservedTime") or obj.get("lastTimestamp")
    return age_of(last or obj.get("firstTimestamp") or obj.get("eventTime"), now)


def _event_object(obj: Object, _: float) -> str:
    target: Mapping[str, Any] = obj.get("involvedObject") or obj.get("regarding") or {}
    kind, name = str(target.get("kind", "")).lower(), target.get("name")
    return f"{kind}/{name}" if name else kind


def _event_source(obj: Object, _: float) -> str:
    source = obj.get("source") or {}
    parts = (source.get("component") or obj.get("reportingComponent"), source.get("host"))
    return ", ".join(filter(None, parts))


def _event_first(obj: Object, now: float) -> str:
    return age_of(obj.get("firstTimestamp") or obj.get("eventTime"), now)


def _event_count(obj: Object, _: float) -> int:
    return int(value(obj, "series", "count") or obj.get("count") or 1)


def _message(obj: Object, _: float) -> str:
    return str(obj.get("message") or obj.get("note") or "").strip()


def _hosts(obj: Object, _: float) -> str:
    hosts = [rule["host"] for rule in value(obj, "spec", "rules") or () if rule.get("host")]
    return ",".join(hosts[:3]) + (f" + {len(hosts) - 3} more..." if len(hosts) > 3 else "") or "*"


def _addresses(obj: Object, _: float) -> str:
    points = value(obj, "status", "loadBalancer", "ingress") or ()
    return ",".join(str(each.get("ip") or each.get("hostname") or "") for each in points)


def _role(obj: Object, _: float) -> str:
    reference = obj.get("roleRef") or {}
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"


def _subjects(kind: str) -> Any:
    def cell(obj: Object, _: float) -> str:
        found = (each for each in obj.get("subjects") or () if each.get("kind") == kind)
        if kind == "ServiceAccount":
            return ", ".join(f"{each.get('namespace', '')}/{each['name']}" for each in found)
        return ", ".join(each["name"] for each in found)

    return cell


def _modes(*path: str) -> Any:
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX"}

    def cell(obj: Object, _: float) -> str:
        modes = value(obj, *path) or ()
        return ",".join(short.get(mode, "RWOP") for mode in modes)

    return cell


def _claim(obj: Object, _: float) -> str:
    reference = value(obj, "spec", "claimRef")
    return f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else ""


def _node_status(obj: Object, _: float) -> str:
    status = "Unknown"
    for each in value(obj, "status", "conditions") or ():
        if each.get("type") == "Ready":
            status = "Ready" if each.get("status") == "True" else "NotReady"
    return f"{status},SchedulingDisabled" if value(obj, "spec", "unschedulable") else status


def _node_roles(obj: Object, _: float) -> str:
    prefix = "node-role.kubernetes.io/"
    names = [
        name.removeprefix(prefix)
        for name in obj["metadata"].get("labels") or {}
        if name.startswith(prefix)
    ]
    return ",".join(sorted(filter(None, names))) or NONE


def _scale_target(obj: Object, _: float) -> str:
    target = value(obj, "spec", "scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _data(obj: Object, _: float) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


def _quota(kind: str) -> Any:
    def cell(obj: Object, _: float) -> str:
        hard = value(obj, "status", "hard") or value(obj, "spec", "hard") or {}
        used = value(obj, "status", "used") or {}
        return ", ".join(
            f"{name}: {used.get(name, 0)}/{most}"
            for name, most in sorted(hard.items())
            if name.startswith("limits.") is (kind == "limits")
        )

    return cell


def _webhooks(obj: Object, _: float) -> int:
    return len(obj.get("webhooks") or ())


_BINDING = (
    NAME,
    column("Role", _role),
    AGE,
    column("Users", _subjects("User"), wide=True),
    column("Groups", _subjects("Group"), wide=True),
    column("ServiceAccounts", _subjects("ServiceAccount"), wide=True),
)
_EVENT = (
    column("Last Seen", _event_seen),
    column("Type", at("type")),
    column("Reason", at("reason")),
    column("Object", _event_object),
    column("Subobject", at("involvedObject", "fieldPath"), wide=True),
    column("Source", _event_source, wide=True),
    column("Message", _message),
    column("First Seen", _event_first, wide=True),
    column("Count", _event_count, wide=True),
    PrinterColumn(Heading("Name", format="name", priority=1), NAME.cell),
)
_CLASS = "storageclasses.storage.k8s.io"

COLUMNS: dict[str, Sequence[PrinterColumn]] = {
    **WORKLOADS,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "configmaps": (NAME, column("Data", _data), AGE),
    "endpointslices.discovery.k8s.io": (
        NAME,
        column("AddressType", at("addressType")),
        column(
            "Ports",
            lambda obj, _: (
                ",".join(str(p.get("port")) for p in obj.get("ports") or ()) or "<unset>"
            ),
        ),
        column(
            "Endpoints",
            lambda obj, _: (
                ",".join(
                    a for each in obj.get("endpoints") or () for a in each.get("addresses") or ()
                )
                or "<unset>"
            ),
        ),
        AGE,
    ),
    "events": _EVENT,
    "horizontalpodautoscalers.autoscaling": (
        NAME,
        column("Reference", _scale_target),
        column("Targets", lambda _obj, _now: NONE),
        column("MinPods", at("spec", "minReplicas", default="<unset>")),
        column("MaxPods", at("spec", "maxReplicas")),
        column("Replicas", number("status", "currentReplicas")),
        AGE,
    ),
    "ingressclasses.networking.k8s.io": (
        NAME,
        column("Controller", at("spec", "controller")),
        column("Parameters", lambda _obj, _now: NONE),
        AGE,
    ),
    "ingresses.networking.k8s.io": (
        NAME,
        column("Class", at("spec", "ingressClassName", default=NONE)),
        column("Hosts", _hosts),
        column("Address", _addresses),
        column("Ports", lambda obj, _: "80, 443" if value(obj, "spec", "tls") else "80"),
        AGE,
    ),
    "leases.coordination.k8s.io": (NAME, column("Holder", at("spec", "holderIdentity")), AGE),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": (
        NAME,
        column("Webhooks", _webhooks, "integer"),
        AGE,
    ),
    "namespaces": (NAME, column("Status", at("status", "phase")), AGE),
    "networkpolicies.networking.k8s.io": (
        NAME,
        column("Pod-Selector", selector("spec", "podSelector")),
        AGE,
    ),
    "nodes": (
        NAME,
        column("Status", _node_status),
        column("Roles", _node_roles),
        AGE,
        column("Version", at("status", "nodeInfo", "kubeletVersion")),
    ),
    "persistentvolumeclaims": (
        NAME,
        column("Status", at("status", "phase")),
        column("Volume", at("spec", "volumeName")),
        column("Capacity", at("status", "capacity", "storage")),
        column("Access Modes", _modes("status", "accessModes")),
        column("StorageClass", at("spec", "storageClassName")),
        column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default="<unset>")),
        AGE,
        column("VolumeMode", at("spec", "volumeMode"), wide=True),
    ),
    "persistentvolumes": (
        NAME,
        column("Capacity", at("spec", "capacity", "storage")),
        column("Access Modes", _modes("spec", "accessModes")),
        column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy")),
        column("Status", at("status", "phase")),
        column("Claim", _claim),
        column("StorageClass", at("spec", "storageClassName")),
        column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default="<unset>")),
        column("Reason", at("status", "reason")),
        AGE,
        column("VolumeMode", at("spec", "volumeMode"), wide=True),
    ),
    "poddisruptionbudgets.policy": (
        NAME,
        column("Min Available", at("spec", "minAvailable", default="N/A")),
        column("Max Unavailable", at("spec", "maxUnavailable", default="N/A")),
        column("Allowed Disruptions", number("status", "disruptionsAllowed"), "integer"),
        AGE,
    ),
    "priorityclasses.scheduling.k8s.io": (
        NAME,
        column("Value", number("value"), "integer"),
        column("Global-Default", flag("globalDefault"), "boolean"),
        AGE,
        column("PreemptionPolicy", at("preemptionPolicy")),
    ),
    "resourcequotas": (
        NAME,
        column("Request", _quota("requests")),
        column("Limit", _quota("limits")),
        AGE,
    ),
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "secrets": (NAME, column("Type", at("type")), column("Data", count("data")), AGE),
    "serviceaccounts": (NAME, AGE),
    "services": (
        NAME,
        column("Type", at("spec", "type")),
        column("Cluster-IP", at("spec", "clusterIP", default=NONE)),
        column("External-IP", _external),
        column("Port(s)", _service_ports),
        AGE,
        column("Selector", lambda obj, _: labels_text(value(obj, "spec", "selector")), wide=True),
    ),
    _CLASS: (
        NAME,
        column("Provisioner", at("provisioner")),
        column("ReclaimPolicy", at("reclaimPolicy")),
        column("VolumeBindingMode", at("volumeBindingMode")),
        column("AllowVolumeExpansion", flag("allowVolumeExpansion")),
        AGE,
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": (
        NAME,
        column("Webhooks", _webhooks, "integer"),
        AGE,
    ),
}
