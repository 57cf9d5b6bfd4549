"""Health of what runs pods, on the control plane on which pods run."""

import re
from typing import Any

import anyio
import pytest

from engine.api.duration import parse_duration
from engine.objects.ref import Object
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_checking, is_ready
from tests.support.workloads import (
    daemon_set,
    deployment,
    job,
    pods,
    pods_of,
    release,
    stateful_set,
)

pytestmark = [pytest.mark.alive, pytest.mark.real("pods run")]

# {kind: (manifest, how many pods, what its status says once they are ready)}
WORKLOADS: dict[str, tuple[dict[str, Any], int, dict[str, int]]] = {
    "Deployment": (deployment("web", pods("web", "pending")), 2, {"availableReplicas": 2}),
    "StatefulSet": (stateful_set("web", pods("web", "pending")), 2, {"availableReplicas": 2}),
    "DaemonSet": (daemon_set("web", pods("web", "pending")), 3, {"numberAvailable": 3}),
    "Job": (job("web", pods("web", "pending")), 1, {"succeeded": 1}),
}


@pytest.mark.parametrize("kind", WORKLOADS)
async def test_a_workload_is_waited_for_until_all_its_pods_are_ready(
    fleet: Fleet, kind: str
) -> None:
    manifest, count, wanted = WORKLOADS[kind]
    await fleet.app({"app/web.yaml": manifest}, wait=True, timeout="5m")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        await release(fleet, "web", count)
        ready = await fleet.until("Kustomization", "app", is_ready)
        live = await fleet.get(kind, "web")

    assert live is not None
    assert wanted.items() <= live["status"].items()
    assert condition_of(ready, "Healthy")["status"] == "True"


async def test_deployments_whose_pods_never_run_are_named_when_time_is_over(fleet: Fleet) -> None:
    nowhere = pods("unplaced", nodeSelector={"kubernetes.io/hostname": "nowhere"})
    manifests = [
        deployment("no-image", pods("no-image", "pending")),
        deployment("unplaced", nowhere),
        deployment("well", pods("well")),
    ]
    await fleet.app({"app/all.yaml": manifests}, wait=True, timeout="30s")  # Flux takes no less

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", has_reason("HealthCheckFailed"))

    said = condition_of(ks)["message"].removeprefix("health check failed after ")
    spent, _, listed = said.partition(": ")
    assert 30 <= parse_duration(spent) < 40  # it ends with the look that finds time over
    names = re.findall(r"Deployment/\S+ status: '\w+'", listed)
    wanted = [f"Deployment/{fleet.namespace}/{name}" for name in ("no-image", "unplaced")]
    assert listed.startswith("timeout waiting for: [")
    assert names == [f"{name} status: 'InProgress'" for name in wanted]
    assert "lastAppliedRevision" not in ks["status"]


# What will not get well by itself: {why: (manifest, what is said of it)}.
DOOMED: dict[str, tuple[dict[str, Any], str]] = {
    "a Job that fails": (job("web", pods("web", "failing")), "Job Failed. failed: 1/1"),
    "a StatefulSet whose pods crash": (
        stateful_set("web", pods("web", "crashing")),
        "N pods have failed",  # it is told of the first, and of the second if that is as fast
    ),
    "a Deployment beyond its deadline": (
        deployment("web", pods("web", "pending"), progressDeadlineSeconds=1),
        "Progress deadline exceeded",
    ),
}


@pytest.mark.parametrize("what", DOOMED)
async def test_what_cannot_become_healthy_fails_before_the_time_is_over(
    fleet: Fleet, what: str
) -> None:
    manifest, text = DOOMED[what]
    await fleet.app({"app/web.yaml": manifest}, wait=True, timeout="5m")

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", has_reason("HealthCheckFailed"))

    name = f"{manifest['kind']}/{fleet.namespace}/web"
    wanted = f"failed early due to stalled resources: [{name} status: 'Failed': {text}]"
    assert re.sub(r"\d pods", "N pods", condition_of(ks)["message"]).endswith(wanted)


async def test_a_named_check_waits_for_the_deployment_of_somebody_else(fleet: Fleet) -> None:
    await fleet.put(deployment("theirs", pods("theirs", "pending")))
    check = {"kind": "Deployment", "name": "theirs", "namespace": fleet.namespace}
    await fleet.app({"app/a.yaml": config_map("a")}, healthChecks=[check], timeout="5m")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        await release(fleet, "theirs", 2)
        await fleet.until("Kustomization", "app", is_ready)
        live = await fleet.get("Deployment", "theirs")

    assert live is not None
    assert live["status"]["availableReplicas"] == 2


async def test_a_pod_that_goes_away_after_success_does_not_unsay_ready(fleet: Fleet) -> None:
    manifest = deployment("web", pods("web", "pending"))
    await fleet.app({"app/web.yaml": manifest}, wait=True, timeout="5m")
    seen: set[str] = set()

    async def note() -> None:
        async for obj in fleet.news("Kustomization", "app"):
            seen.add(condition_of(obj or {})["status"])

    async with fleet.engine():
        await release(fleet, "web", 2)
        await fleet.until("Kustomization", "app", is_ready)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(note)
            gone = (await pods_of(fleet, "web", 2))[0]
            await fleet.delete("Pod", gone["metadata"]["name"])
            await fleet.until("Deployment", "web", lambda obj: available(obj) == 1)
            await release(fleet, "web", 2)
            await fleet.until("Deployment", "web", lambda obj: available(obj) == 2)
            tasks.cancel_scope.cancel()

    assert seen == {"True"}


def available(obj: Object) -> int:
    return int(obj.get("status", {}).get("availableReplicas", 0))
