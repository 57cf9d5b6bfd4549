"""`lockstep doctor` on a fleet in which much is wrong: what it prints, and what it costs."""

import json
import re
from functools import partial
from typing import Any

import pytest
from anyio import to_thread

from engine.api import KINDS
from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.cluster import Client, Resource
from engine.cluster.resource import resource_of
from engine.objects.ref import Object, Ref
from tests.support.fleet import Fleet, config_map, is_ready
from tests.unit.cli.conftest import Ended, run_here

LONG_AGO = "2026-01-01T00:00:00Z"
KUSTOMIZATIONS = resource_of(KINDS[KUSTOMIZE_GROUP, "Kustomization"])
REPOSITORIES = resource_of(KINDS[SOURCE_GROUP, "GitRepository"])
CHECKS = ("failing", "contention", "claims", "drift", "orphans", "prune", "intervals")
MOST = 120  # requests: a list for each kind that is served, however many objects there are

WANTED = """\
failing
  ✗ GitRepository/NS/fleet is not ready: AuthenticationFailed: wrong password
      waiting for it: Kustomization/NS/apps, Kustomization/NS/infra
      why: nothing newer in Git arrives until it is ready, here and in all that waits for it
      fix: renew the credentials in the Secret of spec.secretRef, then: lockstep reconcile \
source git fleet -n NS

contention
  ✗ Kustomization/NS/solo: somebody else keeps changing its objects
      contention: 5 corrections within 1m were undone: ConfigMap/NS/a: .data.x (by bot)
      why: each write undoes the other: load on the API server, and nobody gets what they want
      fix: let one of them write it: leave the field out of Git, or name it in spec.ignore, or \
stop the other writer

claims
  ✗ Kustomization/NS/solo, Kustomization/NS/twin all apply ConfigMap/NS/a
      ConfigMap/NS/a
      why: each apply takes the object from the other; when one of them goes, so may the object
      fix: leave each object to one of them in Git: lockstep build --all . shows where it is

drift
  ! ConfigMap/NS/a was changed beside Git by kubectl-edit: corrected
      drift of ConfigMap/NS/a corrected (app/a.yaml:1): .data.x was "2" (written by kubectl-edit \
at 2026-01-01T00:00:00Z), now "1" (app/a.yaml:4)
      why: an edit that is not in Git is lost, and nobody else knows of it
      fix: make the change in Git; forbid edits by admission policy, or allow the field with \
spec.ignore

orphans
  ! 1 object carries the labels of Kustomization/NS/gone, which is gone
      ConfigMap/NS/left
      why: nobody updates or deletes them: they run what Git has long forgotten
      fix: put it back into Git, or: kubectl delete configmap left -n NS

prune
  ! Kustomization/NS/solo does not prune
      spec.prune is false
      why: what is deleted in Git goes on running, and nobody looks after it
      fix: set spec.prune: true in Git; `lockstep diff kustomization` shows what would go

intervals
  ! Kustomization/NS/solo is looked at every 10s
      spec.interval is 10s: 30 requests a minute with Flux
      why: each look asks the API server or the Git server, whether or not anything changed
      fix: set spec.interval to 10m in Git; changes arrive by webhook (kind Receiver)

3 errors, 4 warnings (7 checks, REQUESTS)
"""


def not_ready(reason: str, message: str) -> dict[str, Any]:
    return {"conditions": [condition("False", reason, message)], "observedGeneration": 1}


def ready(*inventory: Ref) -> dict[str, Any]:
    entries = [{"id": ref.id, "v": "v1"} for ref in inventory]
    conditions = [condition("True", "ReconciliationSucceeded", "Applied revision: main@sha1:1")]
    return {
        "conditions": conditions,
        "observedGeneration": 1,
        "inventory": {"entries": entries},
    }


def condition(status: str, reason: str, message: str) -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": LONG_AGO,
    }


async def put(fleet: Fleet, resource: Resource, obj: Object, status: Object) -> None:
    name = obj["metadata"]["name"]
    await fleet.client.create(resource, obj, fleet.namespace)
    patch = {"metadata": {}, "status": status}
    await fleet.client.merge_patch(resource, fleet.namespace, name, patch, subresource="status")


async def tell(client: Client, namespace: str, owner: str, message: str) -> None:
    """An event as the engine records it."""
    now = "2099-01-01T00:00:00Z"  # never too old for the check
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "it-", "namespace": namespace},
        "involvedObject": {
            "apiVersion": f"{KUSTOMIZE_GROUP}/v1",
            "kind": "Kustomization",
            "namespace": namespace,
            "name": owner,
        },
        "type": "Warning",
        "reason": "Progressing",
        "message": message,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    await client.create(Resource("", "v1", "Event", "events", namespaced=True), event)


@pytest.fixture
async def sick(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A fleet in which much is wrong, and where nobody reconciles."""
    monkeypatch.setenv("KUBECONFIG", str(fleet.server.kubeconfig))
    namespace, shared = fleet.namespace, Ref("", "ConfigMap", fleet.namespace, "a")
    source = {
        "apiVersion": REPOSITORIES.api_version,
        "kind": "GitRepository",
        "metadata": {"name": "fleet"},
        "spec": {"url": fleet.git_url, "interval": "10m"},
    }
    await put(fleet, REPOSITORIES, source, not_ready("AuthenticationFailed", "wrong password"))
    waits = not_ready("ArtifactFailed", "Source artifact not found, retrying in 30s")
    await put(fleet, KUSTOMIZATIONS, fleet.described("infra"), waits)
    apps = fleet.described("apps", dependsOn=[{"name": "infra"}])
    depends = not_ready("DependencyNotReady", f"dependency '{namespace}/infra' is not ready")
    await put(fleet, KUSTOMIZATIONS, apps, depends)
    other = {"kind": "ExternalArtifact", "name": "other"}
    await put(
        fleet,
        resource_of(KINDS[SOURCE_GROUP, "ExternalArtifact"]),
        {
            "apiVersion": f"{SOURCE_GROUP}/v1",
            "kind": "ExternalArtifact",
            "metadata": {"name": "other"},
            "spec": {},
        },
        {},
    )
    solo = fleet.described("solo", prune=False, interval="10s", sourceRef=other)
    await put(fleet, KUSTOMIZATIONS, solo, ready(shared))
    await put(fleet, KUSTOMIZATIONS, fleet.described("twin", sourceRef=other), ready(shared))
    left = config_map("left", namespace, x="1")
    labels = {f"{KUSTOMIZE_GROUP}/name": "gone", f"{KUSTOMIZE_GROUP}/namespace": namespace}
    left["metadata"]["labels"] = labels
    config_maps = await fleet.resource("ConfigMap")
    await fleet.client.apply(config_maps, left, manager="kustomize-controller")
    begun = "contention: 5 corrections within 1m were undone: "
    await tell(fleet.client, namespace, "solo", f"{begun}ConfigMap/{namespace}/a: .data.x (by bot)")
    await tell(
        fleet.client,
        namespace,
        "solo",
        f"ConfigMap/{namespace}/a configured (drift: .data.x, by kubectl-edit)\n"
        f"drift of ConfigMap/{namespace}/a corrected (app/a.yaml:1): "
        f'.data.x was "2" (written by kubectl-edit at {LONG_AGO}), now "1" (app/a.yaml:4)',
    )
    return fleet


async def doctor(fleet: Fleet, *more: str) -> Ended:
    names = [word for check in CHECKS for word in ("--check", check)]
    words = ["doctor", "-n", fleet.namespace, *names, *more]
    return await to_thread.run_sync(partial(run_here, *words))


async def test_everything_that_is_wrong_is_told_with_why_and_what_mends_it(sick: Fleet) -> None:
    people, programs = await doctor(sick), await doctor(sick, "-o", "json")

    told = json.loads(programs.out)
    wanted = WANTED.replace("NS", sick.namespace)
    assert re.sub(r"\d+ requests\)", "REQUESTS)", people.out) == wanted, people
    assert (people.status, programs.status, told["severity"]) == (2, 2, "error")
    assert told["requests"] < MOST
    assert told["findings"][0] == {
        "check": "failing",
        "severity": "error",
        "object": {
            "group": SOURCE_GROUP,
            "kind": "GitRepository",
            "namespace": sick.namespace,
            "name": "fleet",
        },
        "what": f"GitRepository/{sick.namespace}/fleet is not ready: AuthenticationFailed: "
        "wrong password",
        "evidence": [
            f"waiting for it: Kustomization/{sick.namespace}/apps, "
            f"Kustomization/{sick.namespace}/infra"
        ],
        "why": "nothing newer in Git arrives until it is ready, here and in all that waits for it",
        "fix": "renew the credentials in the Secret of spec.secretRef, then: lockstep reconcile "
        f"source git fleet -n {sick.namespace}",
    }


async def test_only_errors_count_where_only_errors_are_asked_for(sick: Fleet) -> None:
    warned = await to_thread.run_sync(
        run_here, "doctor", "-n", sick.namespace, "--check", "prune", "--severity", "error"
    )

    assert warned.status == 0
    assert warned.out.startswith("✔ nothing is wrong (1 check, ")


async def test_what_the_engine_has_corrected_is_told_with_who_changed_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(fleet.server.kubeconfig))
    await fleet.app({"app/a.yaml": config_map("web", color="blue")})
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("ConfigMap", "web", {"data": {"color": "red"}})
        await fleet.until("ConfigMap", "web", lambda obj: obj["data"]["color"] == "blue")
    ended = await doctor(fleet)  # the engine has told all when it has ended

    assert ended.status == 1, ended
    what = f"ConfigMap/{fleet.namespace}/web was changed beside Git by kubectl-patch: corrected"
    assert f"drift\n  ! {what}\n" in ended.out
    assert '.data.color was "red" (written by kubectl-patch at ' in ended.out
    assert "1 warning" in ended.out
