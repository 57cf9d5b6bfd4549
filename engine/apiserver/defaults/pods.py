"""Values that Kubernetes gives to absent fields of a pod.

In: a pod's spec as a dict of the caller's own, which is filled in.
Source: kubernetes pkg/apis/core/v1/defaults.go.
"""

from collections.abc import Iterator
from typing import Any

Fields = dict[str, Any]

FILE_MODE = 0o644
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


def fill(fields: Fields, defaults: Fields) -> None:
    """Add each of the defaults that is absent or null; nested defaults are not merged."""
    for name, value in defaults.items():
        if fields.get(name) is None:
            fields[name] = dict(value) if isinstance(value, dict) else value


def fill_pod(spec: Fields) -> None:
    """Defaults of a pod's spec."""
    fill(
        spec,
        {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "schedulerName": "default-scheduler",
        },
    )
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in containers(spec):
        _fill_container(container, bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or ():
        _fill_volume(volume)


def containers(spec: Fields) -> Iterator[Fields]:
    """All containers of a pod, in the order in which they start."""
    for name in _CONTAINER_LISTS:
        yield from spec.get(name) or ()


def pull_policy(image: str) -> str:
    """`Always` for an image that is tagged `latest` or not at all."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _fill_container(container: Fields, on_host: bool) -> None:
    fill(
        container,
        {
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": pull_policy(container.get("image") or ""),
            "resources": {},
        },
    )
    for port in container.get("ports") or ():
        fill(port, {"protocol": "TCP"})
        if on_host:
            fill(port, {"hostPort": port.get("containerPort")})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(name), dict):
            _fill_probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        _fill_http(hook)
    for variable in container.get("env") or ():
        _fill_field(variable.get("valueFrom") or {})


def fill_requests(resources: Fields) -> None:
    """What a pod (not its template) limits but does not request, it requests as well."""
    limits = resources.get("limits") or {}
    missing = {k: v for k, v in limits.items() if k not in (resources.get("requests") or {})}
    if missing:
        resources["requests"] = {**(resources.get("requests") or {}), **missing}


def _fill_probe(probe: Fields) -> None:
    fill(probe, _PROBE)
    _fill_http(probe)
    if isinstance(probe.get("grpc"), dict):
        fill(probe["grpc"], {"service": ""})


def _fill_http(action: Any) -> None:
    if isinstance(action, dict) and isinstance(action.get("httpGet"), dict):
        fill(action["httpGet"], {"path": "/", "scheme": "HTTP"})


def _fill_field(source: Fields) -> None:
    if isinstance(source.get("fieldRef"), dict):
        fill(source["fieldRef"], {"apiVersion": "v1"})
    if isinstance(source.get("resourceFieldRef"), dict):
        fill(source["resourceFieldRef"], {"divisor": "0"})


def _fill_volume(volume: Fields) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for name in ("configMap", "secret", "projected", "downwardAPI"):
        if isinstance(volume.get(name), dict):
            fill(volume[name], {"defaultMode": FILE_MODE})
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _fill_field(item)
    if isinstance(volume.get("hostPath"), dict):
        fill(volume["hostPath"], {"type": ""})
    for source in (volume.get("projected") or {}).get("sources") or ():
        if isinstance(source.get("serviceAccountToken"), dict):
            fill(source["serviceAccountToken"], {"expirationSeconds": 3600})
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _fill_field(item)
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}
    if isinstance(claim.get("spec"), dict):
        fill(claim["spec"], {"volumeMode": "Filesystem"})
