from typing import Any

import pytest

from engine.objects.kstatus import Status, health
from tests.unit.apiserver.conftest import Client

LABELS = {"app": "web"}
POD = {"containers": [{"name": "c", "image": "nginx:1"}]}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": POD}
WORKLOAD = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
JOB = {"template": {"spec": {**POD, "restartPolicy": "Never"}}}
SPECS: dict[str, dict[str, Any]] = {
    "/api/v1/namespaces/default/persistentvolumeclaims": CLAIM,
    "/api/v1/namespaces/default/pods": POD,
    "/api/v1/namespaces/default/services": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    "/apis/apps/v1/namespaces/default/daemonsets": WORKLOAD,
    "/apis/apps/v1/namespaces/default/deployments": {**WORKLOAD, "replicas": 2},
    "/apis/apps/v1/namespaces/default/replicasets": WORKLOAD,
    "/apis/apps/v1/namespaces/default/statefulsets": {**WORKLOAD, "replicas": 0},
    "/apis/batch/v1/namespaces/default/jobs": JOB,
    "/apis/policy/v1/namespaces/default/poddisruptionbudgets": {"minAvailable": 1},
}


@pytest.mark.parametrize("path", SPECS)
def test_a_workload_becomes_current_on_paper(busy_client: Client, path: str) -> None:
    code, made = busy_client.create(path, {"metadata": {"name": "w"}, "spec": SPECS[path]})
    assert code == 201, made

    live = busy_client.get(f"{path}/w")

    assert health(live, 0.0).status is Status.CURRENT


def test_a_workload_that_changes_is_observed_again(busy_client: Client) -> None:
    path = "/apis/apps/v1/namespaces/default/deployments"
    busy_client.create(path, {"metadata": {"name": "w"}, "spec": WORKLOAD})

    busy_client.merge(f"{path}/w", {"spec": {"replicas": 7}})

    status = busy_client.get(f"{path}/w")["status"]
    assert (status["observedGeneration"], status["availableReplicas"]) == (2, 7)


def test_without_workloads_nothing_becomes_ready(client: Client) -> None:
    path = "/apis/apps/v1/namespaces/default/deployments"
    client.create(path, {"metadata": {"name": "w"}, "spec": WORKLOAD})

    assert client.get(f"{path}/w")["status"] == {}


def test_a_claim_that_nobody_uses_can_be_deleted(busy_client: Client) -> None:
    path = "/api/v1/namespaces/default/persistentvolumeclaims"
    busy_client.create(path, {"metadata": {"name": "w"}, "spec": CLAIM})

    busy_client.delete(f"{path}/w")

    assert busy_client.send("GET", f"{path}/w")[0] == 404
