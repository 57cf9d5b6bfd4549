"""Bring objects into the form in which the API server keeps them, so that they compare equal.

Source: fluxcd/pkg ssa/normalize and ssa/utils (certificates of definitions).
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from engine.objects.ref import Object

_TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("v1", "Pod"): ("spec",),
    ("apps/v1", "Deployment"): ("spec", "template", "spec"),
    ("apps/v1", "StatefulSet"): ("spec", "template", "spec"),
    ("apps/v1", "DaemonSet"): ("spec", "template", "spec"),
    ("apps/v1", "ReplicaSet"): ("spec", "template", "spec"),
    ("batch/v1", "Job"): ("spec", "template", "spec"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where a kind keeps its pod spec."""
_RBAC = "rbac.authorization.k8s.io/v1"
_WEBHOOK = ("spec", "conversion", "webhook", "clientConfig")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s+(\S[^-]*)-----END CERTIFICATE-----")
_DER = b"\x30"  # how a certificate begins: a sequence


def normalised(obj: Object) -> Object:
    """The object with the protocol of ports, `data` for `stringData`, without what is not wanted.

    Roles and ClusterRoles stay as they are.
    """
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if version == _RBAC and kind in ("Role", "ClusterRole"):
        return obj
    result = _without_status(obj)
    if kind == "CustomResourceDefinition" and str(version).startswith("apiextensions.k8s.io/"):
        return _at(result, _WEBHOOK, _with_certificates)
    if (version, kind) == ("v1", "Secret"):
        return _with_data(result)
    if (version, kind) == ("v1", "Service"):
        return _at(result, ("spec",), _with_ports)
    pod = _TEMPLATES.get((str(version), str(kind)))
    return _at(result, pod, _with_container_ports) if pod else result


def _without_status(obj: Object) -> Object:
    """A CRD keeps its status, which tells whether it is served."""
    is_crd = obj.get("kind") == "CustomResourceDefinition" and str(
        obj.get("apiVersion")
    ).startswith("apiextensions.k8s.io/")
    result = {key: value for key, value in obj.items() if key != "status" or is_crd}
    metadata = obj.get("metadata")
    if isinstance(metadata, Mapping) and "creationTimestamp" in metadata:
        result["metadata"] = {k: v for k, v in metadata.items() if k != "creationTimestamp"}
    return result


def _with_certificates(webhook: Object) -> Object:
    """Without `caBundle` if it holds no certificate: the API server refuses that since 1.31.

    Definitions come with `Cg==` there, for whoever brings the real one into the cluster.
    """
    bundle = webhook.get("caBundle")
    if not isinstance(bundle, str) or not bundle or _holds_certificate(bundle):
        return webhook
    return {key: value for key, value in webhook.items() if key != "caBundle"}


def _holds_certificate(bundle: str) -> bool:
    try:
        blocks = _CERTIFICATE.findall(b64decode(bundle))
        return any(b64decode(block).startswith(_DER) for block in blocks)
    except (binascii.Error, ValueError):
        return False


def _at(node: Object, path: tuple[str, ...], change: Callable[[Object], Object]) -> Object:
    """The node with the map at the path changed, if there is one."""
    if not path:
        return change(node)
    below = node.get(path[0])
    return {**node, path[0]: _at(below, path[1:], change)} if isinstance(below, Mapping) else node


def _with_container_ports(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = pod.get("containers")
    if not isinstance(containers, list):
        return pod
    changed = [_with_ports(c) if isinstance(c, Mapping) else c for c in containers]
    return {**pod, "containers": changed}


def _with_ports(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    """TCP for every port that names no protocol."""
    ports = holder.get("ports")
    if not isinstance(ports, list):
        return holder
    return {**holder, "ports": [_with_protocol(port) for port in ports]}


def _with_protocol(port: Any) -> Any:
    is_open = isinstance(port, Mapping) and not port.get("protocol")
    return {**port, "protocol": "TCP"} if is_open else port


def _with_data(secret: Object) -> Object:
    texts = secret.get("stringData")
    if not isinstance(texts, Mapping) or not all(isinstance(v, str) for v in texts.values()):
        return secret
    encoded = {key: b64encode(value.encode()).decode() for key, value in texts.items()}
    result = {key: value for key, value in secret.items() if key != "stringData"}
    return {**result, "data": {**(secret.get("data") or {}), **encoded}} if encoded else result
