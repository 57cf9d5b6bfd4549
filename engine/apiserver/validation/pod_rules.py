"""What Kubernetes refuses in the spec of a pod.

Source: kubernetes pkg/apis/core/validation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.apiserver.errors import (
    Cause,
    duplicate,
    forbidden,
    invalid_value,
    required,
    unsupported_value,
)
from engine.apiserver.validation.formats import label_faults
from engine.apiserver.validation.metadata import check_labels
from engine.objects.ref import Object

_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def check_template(template: Any, path: str, restart: Sequence[str]) -> Iterator[Cause]:
    """What is wrong with a pod template; restart: the restart policies that its owner allows."""
    template = template or {}
    labels = (template.get("metadata") or {}).get("labels")
    yield from check_labels(labels, f"{path}.metadata.labels")
    spec = template.get("spec") or {}
    yield from check_pod(spec, f"{path}.spec")
    policy = spec.get("restartPolicy", "Always")
    if policy not in restart:
        where = f"{path}.spec.restartPolicy"
        if "Never" in restart:
            yield Cause(
                where,
                "FieldValueRequired",
                'Required value: valid values: "OnFailure", "Never"',
            )
        else:
            yield unsupported_value(where, policy, restart)


def check_pod(spec: Object, path: str) -> Iterator[Cause]:
    """What is wrong with a pod's spec."""
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    seen: set[Any] = set()
    for kind in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(kind) or ()):
            at, name = f"{path}.{kind}[{i}]", container.get("name")
            yield from _check_container(container, at, volumes)
            if name in seen:
                yield duplicate(f"{at}.name", name)
            seen.add(name)


def _check_container(container: Mapping[str, Any], at: str, volumes: set[Any]) -> Iterator[Cause]:
    name = container.get("name")
    if not name:
        yield required(f"{at}.name")
    else:
        yield from (invalid_value(f"{at}.name", name, why) for why in label_faults(name))
    if not container.get("image"):
        yield required(f"{at}.image")
    policy = container.get("imagePullPolicy")
    if policy is not None and policy not in _POLICIES:
        yield unsupported_value(f"{at}.imagePullPolicy", policy, _POLICIES)
    for i, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{at}.volumeMounts[{i}]"
        if not mount.get("mountPath"):
            yield required(f"{where}.mountPath")
        if mount.get("name") not in volumes:
            yield Cause(
                f"{where}.name",
                "FieldValueNotFound",
                f'Not found: "{mount.get("name", "")}"',
            )
    yield from _check_ports(container.get("ports") or (), at)
    yield from _check_environment(container.get("env") or (), at)


def _check_ports(ports: Sequence[Mapping[str, Any]], at: str) -> Iterator[Cause]:
    for i, port in enumerate(ports):
        number = port.get("containerPort")
        if number is None:
            yield required(f"{at}.ports[{i}].containerPort")
        elif not 0 < number < 65536:
            text = "must be between 1 and 65535, inclusive"
            yield invalid_value(f"{at}.ports[{i}].containerPort", number, text)
        if port.get("protocol") not in _PROTOCOLS:
            yield unsupported_value(f"{at}.ports[{i}].protocol", port.get("protocol"), _PROTOCOLS)


def _check_environment(variables: Sequence[Mapping[str, Any]], at: str) -> Iterator[Cause]:
    for i, variable in enumerate(variables):
        if not variable.get("name"):
            yield required(f"{at}.env[{i}].name")
        if variable.get("value") and variable.get("valueFrom"):
            text = "may not be specified when `value` is not empty"
            yield invalid_value(f"{at}.env[{i}].valueFrom", "", text)


_CHANGEABLE = ("image",)


def check_pod_update(new: Object, old: Object) -> Iterator[Cause]:
    """What may not change in a running pod: all but images and a few more."""
    if _frozen(new.get("spec") or {}) != _frozen(old.get("spec") or {}):
        yield forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only"
            " additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to"
            " be set to 1 if it was previously negative)",
        )


def _frozen(spec: Object) -> dict[str, Any]:
    left_out = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
    out = {name: value for name, value in spec.items() if name not in left_out}
    for kind in ("initContainers", "containers"):
        out[kind] = [
            {name: value for name, value in each.items() if name not in _CHANGEABLE}
            for each in spec.get(kind) or ()
        ]
    return out
