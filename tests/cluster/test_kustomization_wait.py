"""Health of what was applied."""

from typing import Any

import anyio
import pytest

from tests.support.fleet import (
    Fleet,
    condition_of,
    config_map,
    has_reason,
    is_at,
    is_checking,
    is_ready,
)


async def test_objects_without_a_status_are_healthy_at_once(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a")}, wait=True)

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_ready)

    healthy = condition_of(ks, "Healthy")
    assert (healthy["status"], healthy["reason"]) == ("True", "Succeeded")
    assert healthy["message"].startswith("Health check passed in ")


@pytest.mark.covers(
    "Kustomization.spec.wait", "Kustomization:Progressing", "Kustomization:Succeeded"
)
async def test_an_object_is_waited_for_until_it_says_that_it_is_ready(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": unready("web")}, wait=True, timeout="5m")

    async with fleet.engine():
        waiting = await fleet.until("Kustomization", "app", is_checking)
        await tell(fleet, "web", "Ready")
        await fleet.until("Kustomization", "app", is_ready)

    assert condition_of(waiting)["status"] == "Unknown"
    assert condition_of(waiting, "Reconciling")["message"].endswith("with a timeout of 5m0s")
    assert waiting["status"]["inventory"]["entries"]


@pytest.mark.covers("Kustomization:HealthCheckFailed")
async def test_a_failed_object_fails_before_the_time_is_over(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": unready("web")}, wait=True, timeout="5m")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        await tell(fleet, "web", "Stalled")
        ks = await fleet.until("Kustomization", "app", has_reason("HealthCheckFailed"))

    name = f"OCIRepository/{fleet.namespace}/web"
    wanted = f"failed early due to stalled resources: [{name} status: 'Failed'"
    assert wanted in condition_of(ks)["message"]
    assert condition_of(ks, "Healthy")["reason"] == "HealthCheckFailed"
    assert "lastAppliedRevision" not in ks["status"]


@pytest.mark.covers("Kustomization:HealthCheckCanceled")
async def test_a_new_commit_ends_the_wait_for_the_old_one(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": unready("web")}, wait=True, timeout="5m")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        ks = await fleet.goes_live({"app/a.yaml": config_map("a")})

    assert condition_of(ks, "Healthy")["status"] == "True"
    assert await fleet.get("OCIRepository", "web") is None


@pytest.mark.covers(
    "Kustomization.spec.healthChecks[].apiVersion",
    "Kustomization.spec.healthChecks[].kind",
    "Kustomization.spec.healthChecks[].name",
    "Kustomization.spec.healthChecks[].namespace",
)
async def test_a_named_check_may_be_outside_of_the_kustomization(fleet: Fleet) -> None:
    check = {"apiVersion": "v1", "kind": "ConfigMap", "name": "b", "namespace": fleet.namespace}
    await fleet.app({"app/a.yaml": config_map("a")}, healthChecks=[check], timeout="5m")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        maps = await fleet.resource("ConfigMap")
        await fleet.client.create(maps, config_map("b", fleet.namespace))
        await fleet.until("Kustomization", "app", is_ready)


async def tell(fleet: Fleet, name: str, condition: str) -> None:
    """What the controller of that object would write."""
    said = {"type": condition, "status": "True", "reason": "Test", "message": ""}
    said |= {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    await fleet.client.merge_patch(
        await fleet.resource("OCIRepository"),
        fleet.namespace,
        name,
        {"status": {"observedGeneration": 1, "conditions": [said]}},
        subresource="status",
    )


def unready(name: str) -> dict[str, Any]:
    """An object that nobody reconciles here: it is not ready before a test says so."""
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "OCIRepository",
        "metadata": {"name": name},
        "spec": {"interval": "1h", "url": "oci://example.test/app"},
    }


async def test_drift_is_corrected_while_the_wait_goes_on(fleet: Fleet) -> None:
    files = {"app/a.yaml": unready("web"), "app/b.yaml": config_map("b", color="blue")}
    await fleet.app(files, wait=True, timeout="5m")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        await fleet.patch("ConfigMap", "b", {"data": {"color": "red"}})
        await fleet.until("ConfigMap", "b", lambda obj: obj["data"] == {"color": "blue"})
        meanwhile = await fleet.get("Kustomization", "app")
        await tell(fleet, "web", "Ready")
        await fleet.until("Kustomization", "app", is_ready)

    assert meanwhile is not None
    assert is_checking(meanwhile)
    assert condition_of(meanwhile)["status"] == "Unknown"


async def test_an_object_of_somebody_else_is_waited_for_by_one_watch(fleet: Fleet) -> None:
    check = {"apiVersion": "v1", "kind": "ConfigMap", "name": "b", "namespace": fleet.namespace}
    await fleet.app({"app/a.yaml": config_map("a")}, healthChecks=[check], timeout="5m")

    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_checking)
        assert state.client is not None
        await fleet.put(config_map("b"))
        await fleet.until("Kustomization", "app", is_ready)
        asked = state.client.statistics().requests
        assert state.engine is not None
        left = state.engine.clusters.own.live.following.statistics()

    assert asked["watch", "configmaps"] == 3  # of ours, of those with variables, and of that one
    assert (
        asked["get", "configmaps"] <= 2
    )  # whether ours is there before it is made, and the first look
    assert left.watches == 0


async def test_a_newer_spec_ends_the_wait(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": unready("web")}, wait=True, timeout="5m")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        await fleet.patch("Kustomization", "app", {"spec": {"wait": False}})
        await fleet.until("Kustomization", "app", is_ready)


async def test_a_manual_request_ends_the_wait_and_begins_another(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": unready("web")}, wait=True, timeout="5m")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        await fleet.request("Kustomization", "app", "now")
        ks = await fleet.until("Kustomization", "app", has_reason("HealthCheckCanceled"))
        await fleet.until("Kustomization", "app", is_checking)

    assert condition_of(ks)["message"] == (
        f"New reconciliation triggered by Kustomization/{fleet.namespace}/app"
    )


async def test_a_commit_that_changes_nothing_here_leaves_the_wait_alone(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": unready("web")}, wait=True, timeout="5m")
    seen: set[str] = set()

    async def note() -> None:
        async for obj in fleet.news("Kustomization", "app"):
            seen.add(condition_of(obj or {}).get("reason", ""))

    async with fleet.engine(), anyio.create_task_group() as tasks:
        await fleet.until("Kustomization", "app", is_checking)
        tasks.start_soon(note)
        commit = fleet.commit({"other/a.yaml": config_map("other")})
        await fleet.reconcile("GitRepository", "fleet")
        await tell(fleet, "web", "Ready")
        await fleet.until("Kustomization", "app", is_at(commit))
        tasks.cancel_scope.cancel()

    assert "HealthCheckCanceled" not in seen
