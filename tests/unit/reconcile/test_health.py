from typing import Any

import pytest

from engine.cluster import Forbidden
from engine.objects.ref import Object, Ref
from tests.support.build import config, made, marked
from tests.support.clock import ImpatientClock
from tests.support.reconciling import APP, Workshop

WEB = Ref("apps", "Deployment", "ns", "web")
PHASE = "Running health checks for revision main@sha1:1 with a timeout of 9m30s"


def deployment(ready: int = 1, **more: Any) -> dict[str, Any]:
    progressing = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    available = {"type": "Available", "status": "True"}
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), 1)
    status = {**counts, "readyReplicas": ready, "conditions": [progressing, available]}
    return (
        made("Deployment", "web", api_version="apps/v1", status=status, spec={"replicas": 1}) | more
    )


def shop_with(*objects: Object, **spec: Any) -> Workshop:
    shop = Workshop()
    shop.source("main@sha1:1", **{f"o{number}": obj for number, obj in enumerate(objects)})
    shop.kustomization(**spec)
    return shop


async def test_without_checks_there_is_no_healthy_condition() -> None:
    shop = shop_with(config("a"))

    await shop.run()

    assert shop.said("Healthy") == ""


async def test_what_was_applied_is_waited_for_and_told() -> None:
    shop = shop_with(deployment(), wait=True)
    shop.client.put(deployment())

    await shop.run()

    assert shop.said("Healthy").startswith("True Succeeded: Health check passed in ")
    assert shop.told()[1].startswith("Normal Progressing: Health check passed in ")


async def test_a_healthy_object_that_stays_so_is_not_told_again() -> None:
    shop = shop_with(deployment(), wait=True)
    shop.client.put(deployment())
    await shop.run()
    shop.told()
    shop.client.calls.clear()

    await shop.run()

    assert shop.told() == []
    assert shop.client.writes() == []


async def test_what_does_not_become_healthy_fails_and_keeps_the_inventory() -> None:
    shop = shop_with(deployment(ready=0), wait=True)

    requeue = await shop.run()

    assert shop.said().startswith("False HealthCheckFailed: health check failed after ")
    assert "timeout waiting for: [Deployment/ns/web status: 'InProgress'" in shop.said()
    assert shop.said("Healthy").startswith("False HealthCheckFailed: ")
    assert shop.said("Reconciling") == f"True ProgressingWithRetry: {PHASE}"
    assert "lastAppliedRevision" not in shop.status()
    assert len(shop.status()["inventory"]["entries"]) == 1
    assert requeue.after == 60


async def test_while_it_waits_the_status_says_for_what() -> None:
    shop = shop_with(deployment(ready=0), wait=True)
    seen: list[str] = []

    def look() -> None:
        seen.append(f"{shop.said()} | {shop.said('Reconciling')} | {shop.said('Healthy')}")
        shop.client.before("get Deployment/ns/web", look)

    shop.client.before("apply Deployment/ns/web", look)

    await shop.run()

    waiting = "Unknown Progressing: Reconciliation in progress"
    assert seen[-1] == f"{waiting} | True Progressing: {PHASE} | Unknown Progressing: {PHASE}"


async def test_what_is_over_at_once_is_no_news_however_long_the_requests_took() -> None:
    shop = shop_with(config("a"), wait=True)
    clock = shop.clock
    assert isinstance(clock, ImpatientClock)
    for slow in ("patch Kustomization/flux/app", "apply ConfigMap/ns/a"):
        shop.client.before(slow, lambda: clock.skip(30))

    await shop.run()

    patches = [call for call in shop.client.writes() if call == "patch Kustomization/flux/app"]
    assert shop.said("Healthy").startswith("True ")
    assert len(patches) == 3  # the finalizer, the inventory, the outcome


async def test_skipped_objects_are_not_waited_for() -> None:
    shop = shop_with(config("a"), marked(deployment(ready=0), reconcile="disabled"), wait=True)

    await shop.run()

    assert shop.said().startswith("True ")


async def test_explicit_checks_are_deployments_unless_they_say_otherwise() -> None:
    checks = [{"kind": "Deployment", "name": "web", "namespace": "ns"}]
    shop = shop_with(config("a"), healthChecks=checks)
    shop.client.put(deployment())

    await shop.run()

    assert shop.said("Healthy").startswith("True ")


@pytest.mark.parametrize(
    "check",
    [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "absent", "namespace": "ns"},
        {"apiVersion": "example.com/v1", "kind": "Unknown", "name": "absent", "namespace": "ns"},
    ],
)
async def test_a_check_of_what_does_not_exist_times_out(check: dict[str, str]) -> None:
    shop = shop_with(config("a"), healthChecks=[check])

    await shop.run()

    assert f"[{check['kind']}/ns/absent status: 'NotFound']" in shop.said()


async def test_a_kustomization_does_not_wait_for_itself() -> None:
    check = {"apiVersion": f"{APP.group}/v1", "kind": APP.kind, "name": "app", "namespace": "flux"}
    shop = shop_with(config("a"), healthChecks=[check])

    await shop.run()

    assert shop.said().startswith("True ")


async def test_what_may_not_be_read_is_unknown_not_absent() -> None:
    job = made("Job", "j", api_version="batch/v1", spec={"ttlSecondsAfterFinished": 5})
    shop = shop_with(job, wait=True, timeout="30s")
    shop.client.refuse("get Job/ns/j", None, *[Forbidden(403, "Forbidden", "no")] * 99)

    await shop.run()

    assert "[Job/ns/j status: 'Unknown': no]" in shop.said()


async def test_a_job_that_removed_itself_is_done() -> None:
    job = made("Job", "j", api_version="batch/v1", spec={"ttlSecondsAfterFinished": 5})
    ref = Ref.of(job)
    shop = shop_with(job, wait=True)
    shop.client.before(
        "apply Job/ns/j",
        lambda: shop.client.before("get Job/ns/j", lambda: shop.client.objects.pop(ref)),
    )

    await shop.run()

    assert shop.said().startswith("True ")


async def test_a_crashing_pod_fails_its_statefulset_early() -> None:
    labels = {"app": "db"}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}}
    db = made("StatefulSet", "db", api_version="apps/v1", spec=spec, status={"replicas": 0})
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    status = {"phase": "Running", "containerStatuses": [{"name": "c", "state": waiting}]}
    shop = shop_with(db, wait=True)
    shop.client.put(made("Pod", "db-0", labels=labels, status=status, spec={}))

    await shop.run()

    assert (
        "failed early due to stalled resources: [StatefulSet/ns/db status: 'Failed'" in shop.said()
    )


async def test_a_newer_request_ends_the_wait() -> None:
    shop = shop_with(deployment(ready=0), wait=True)
    shop.client.before("apply Deployment/ns/web", lambda: shop.request("now"))

    requeue = await shop.run()

    assert requeue.after == 0
    assert shop.said() == (
        "False HealthCheckCanceled: New reconciliation triggered by Kustomization/flux/app"
    )
    assert shop.told()[-1] == (
        "Normal HealthCheckCanceled: Health checks canceled due to new reconciliation "
        "triggered by Kustomization/flux/app"
    )
    assert "history" not in shop.status()


async def test_a_newer_revision_ends_the_wait() -> None:
    shop = shop_with(deployment(ready=0), wait=True)
    shop.client.before("apply Deployment/ns/web", lambda: shop.source("main@sha1:2", a=config("a")))

    await shop.run()

    assert shop.said().endswith("New reconciliation triggered by GitRepository/flux/fleet")
