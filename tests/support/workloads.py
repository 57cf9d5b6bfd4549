"""Manifests of what runs pods, and what becomes of pods on the control plane that is alive."""

from collections.abc import Sequence
from typing import Any

import anyio

from engine.objects.ref import Object
from tests.support.fleet import Fleet

POLL = 0.05  # seconds between two looks
FATE = "lockstep.test/pod"
"""The annotation of a pod that tests/controlplane/stages.yaml obeys."""


def pods(name: str, fate: str = "", **spec: Any) -> dict[str, Any]:
    """A template; fate: `pending`, `crashing`, `failing`, or "" for pods that are ready at once."""
    metadata: dict[str, Any] = {"labels": {"app": name}}
    if fate:
        metadata["annotations"] = {FATE: fate}
    containers = [{"name": "app", "image": "example.test/app:1"}]
    return {"metadata": metadata, "spec": {"containers": containers, **spec}}


def deployment(name: str, template: Object, **spec: Any) -> dict[str, Any]:
    """A Deployment of two pods."""
    return _selecting("Deployment", name, template, replicas=2, **spec)


def stateful_set(name: str, template: Object) -> dict[str, Any]:
    """A StatefulSet of two pods that are started together."""
    policy = {"serviceName": name, "podManagementPolicy": "Parallel"}
    return _selecting("StatefulSet", name, template, replicas=2, **policy)


def daemon_set(name: str, template: Object) -> dict[str, Any]:
    """A DaemonSet."""
    return _selecting("DaemonSet", name, template)


def job(name: str, template: Object) -> dict[str, Any]:
    """A Job that is tried once."""
    of_pod = {**template["spec"], "restartPolicy": "Never"}
    spec = {"backoffLimit": 0, "template": {**template, "spec": of_pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def _selecting(kind: str, name: str, template: Object, **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": template["metadata"]["labels"]}
    wanted = {**spec, "selector": selector, "template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": wanted}


async def pods_of(fleet: Fleet, name: str, count: int) -> Sequence[Object]:
    """The pods of a workload, once there are that many, those that are being deleted left out."""
    resource = await fleet.resource("Pod")
    while True:
        listed = await fleet.client.list(resource, fleet.namespace, label_selector=f"app={name}")
        found = [pod for pod in listed.items if "deletionTimestamp" not in pod["metadata"]]
        if len(found) == count:
            return found
        await anyio.sleep(POLL)


async def release(fleet: Fleet, name: str, count: int) -> None:
    """Lets so many pending pods of a workload become ready."""
    freed = {"metadata": {"annotations": {FATE: None}}}
    for pod in await pods_of(fleet, name, count):
        await fleet.patch("Pod", pod["metadata"]["name"], freed)
