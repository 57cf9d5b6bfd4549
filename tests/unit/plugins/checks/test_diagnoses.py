"""Each check of `lockstep doctor`, on a cluster in memory: what it finds, and what it leaves."""

from typing import Any

import pytest

from engine.objects.ref import Ref
from engine.plugin import Finding, Severity
from plugins import PLUGIN
from plugins.checks import (
    claims,
    contention,
    drift,
    failing,
    installation,
    intervals,
    load,
    orphans,
    prune,
    stale,
    suspended,
    throttling,
    undecryptable,
    unhealthy,
)
from tests.support.build import config
from tests.support.wards import (
    LATELY,
    LONG_AGO,
    Ward,
    diagnosed,
    event,
    failed,
    kustomization,
    progressing,
    ready,
    source,
    told,
)

SHARED = Ref("", "ConfigMap", "apps", "a")


@pytest.mark.parametrize("name", [n for n in PLUGIN.diagnoses if n != "installation"])
async def test_a_fleet_that_is_well_has_nothing_wrong(name: str) -> None:
    fleet = [source(), kustomization("infra"), kustomization("web", dependsOn=[{"name": "infra"}])]

    assert await diagnosed(PLUGIN.diagnoses[name], *fleet) == []


async def test_a_chain_is_told_once_at_its_root() -> None:
    found = await diagnosed(
        failing.diagnose,
        source(failed("AuthenticationFailed", "wrong password")),
        kustomization("infra", failed("ArtifactFailed", "no artifact")),
        kustomization("web", failed("DependencyNotReady", "infra"), dependsOn=[{"name": "infra"}]),
    )

    assert told(found) == [
        "error: GitRepository/apps/fleet is not ready: AuthenticationFailed: wrong password"
    ]
    assert found[0].evidence == (
        "waiting for it: Kustomization/apps/infra, Kustomization/apps/web",
    )


async def test_what_nobody_has_made_is_a_root_too() -> None:
    found = await diagnosed(failing.diagnose, kustomization("web", failed("ArtifactFailed", "no")))

    assert told(found) == [
        "error: GitRepository/apps/fleet does not exist, and others are to wait for it or to "
        "build it"
    ]


async def test_all_of_a_circle_are_at_fault() -> None:
    waits = failed("DependencyNotReady", "waits")
    found = await diagnosed(
        failing.diagnose,
        source(),
        kustomization("a", waits, dependsOn=[{"name": "b"}]),
        kustomization("b", waits, dependsOn=[{"name": "a"}]),
    )

    assert [str(each.about) for each in found] == ["Kustomization/apps/a", "Kustomization/apps/b"]


async def test_a_suspended_root_is_to_be_resumed() -> None:
    asleep = kustomization("infra", failed("BuildFailed", "old"), suspend=True)
    waits = failed("DependencyNotReady", "infra")
    web = kustomization("web", waits, dependsOn=[{"name": "infra"}])
    (found,) = await diagnosed(failing.diagnose, source(), asleep, web)

    assert (
        found.what == "Kustomization/apps/infra is suspended and not ready, and others wait for it"
    )
    assert found.fix == "lockstep resume kustomization infra -n apps"


def _behind(at: str) -> list[dict[str, Any]]:
    artifact = {"revision": "main@sha1:2", "lastUpdateTime": at, "size": 1}
    status = ready(artifact=artifact)
    return [source(status), kustomization("web", ready(lastAppliedRevision="main@sha1:1"))]


@pytest.mark.parametrize(
    ("fleet", "why"),
    [
        (_behind(LONG_AGO), "GitRepository/apps/fleet has held main@sha1:2"),
        ([source(), kustomization("web", progressing())], "a reconcile has been under way for"),
        (
            [source(), kustomization("web", ready(observedGeneration=0))],
            "its spec was changed, and nobody has looked at that",
        ),
    ],
)
async def test_what_lags_behind_is_stale(fleet: list[Any], why: str) -> None:
    (found,) = await diagnosed(stale.diagnose, *fleet)

    assert found.what.startswith(f"Kustomization/apps/web is stale: {why}")


async def test_a_request_that_nobody_answers_is_stale() -> None:
    asked = kustomization("web")
    asked["metadata"]["annotations"] = {"reconcile.fluxcd.io/requestedAt": LONG_AGO}
    (found,) = await diagnosed(stale.diagnose, source(), asked)

    assert "a reconcile was asked for" in found.what


async def test_a_commit_of_a_moment_ago_is_not() -> None:
    assert await diagnosed(stale.diagnose, *_behind(LATELY)) == []


async def test_the_events_of_what_is_not_well_are_shown() -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "apps"},
    }
    inventory = ready(Ref.of(deployment))["inventory"]
    sick = kustomization("web", failed("HealthCheckFailed", "timeout", inventory=inventory))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1-x", "namespace": "apps"}}
    other = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "namespace": "apps"}}
    (found,) = await diagnosed(
        unhealthy.diagnose,
        sick,
        event(pod, "Back-off pulling image", type="Warning", reason="BackOff", count=7),
        event(other, "unrelated", type="Warning"),
    )

    assert found.evidence == ("Pod/apps/web-1-x: BackOff: Back-off pulling image (7 times)",)


async def test_fights_are_told_with_who_fights() -> None:
    message = "Applied revision: 1; contended: Deployment/apps/web: .spec.replicas (by hpa)"
    status = ready()
    status["conditions"][0]["message"] = message
    (found,) = await diagnosed(contention.diagnose, kustomization("web", status))

    assert found.severity is Severity.ERROR
    assert found.evidence == ("Deployment/apps/web: .spec.replicas (by hpa)",)


async def test_an_object_that_is_applied_again_and_again_is_a_loop() -> None:
    owner = kustomization("web")
    again = event(owner, "ConfigMap/apps/a configured\nConfigMap/apps/b created", count=20)
    (found,) = await diagnosed(contention.diagnose, owner, again)

    assert told([found]) == [
        "warning: Kustomization/apps/web applies the same objects again and again"
    ]
    assert found.evidence == ("ConfigMap/apps/a: configured 20 times",)


async def test_an_object_that_many_commits_change_is_no_loop() -> None:
    owner = kustomization("web")
    told_of = [event(owner, "ConfigMap/apps/a configured") for _ in range(20)]
    for number, each in enumerate(told_of):
        each["metadata"]["name"] = f"e{number}"
        each["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/revision": f"main@{number}"}

    assert await diagnosed(contention.diagnose, owner, *told_of) == []


@pytest.mark.parametrize("writer", ["ada at T", "ada"])
async def test_an_edit_is_told_with_who_made_it(writer: str) -> None:
    line = f'drift of ConfigMap/apps/a corrected (a.yaml:1): .data.x was "2" (written by {writer})'
    (found,) = await diagnosed(drift.diagnose, event(kustomization("web"), f"head\n{line}"))

    assert told([found]) == ["warning: ConfigMap/apps/a was changed beside Git by ada: corrected"]
    assert found.evidence == (line,)


async def test_old_edits_are_forgotten() -> None:
    line = "drift of ConfigMap/apps/a corrected: ..."
    old = event(kustomization("web"), line, lastTimestamp=LONG_AGO)

    assert await diagnosed(drift.diagnose, old) == []


async def test_short_intervals_are_told_and_so_is_their_sum() -> None:
    many = [Ref("", "ConfigMap", "apps", f"c{number}") for number in range(400)]
    found = await diagnosed(
        intervals.diagnose,
        kustomization("fast", interval="30s"),
        kustomization("large", ready(*many), interval="1m"),
        kustomization("asleep", interval="1s", suspend=True),
    )

    assert told(found) == [
        "warning: Kustomization/apps/fast is looked at every 30s",
        "warning: all intervals together mean 809 requests a minute with Flux's controllers",
    ]
    assert found[1].evidence[0] == "Kustomization/apps/large: 803 a minute"


async def test_what_does_not_prune_is_told() -> None:
    found = await diagnosed(prune.diagnose, kustomization("web", prune=False), kustomization("b"))

    assert [str(each.about) for each in found] == ["Kustomization/apps/web"]


def labelled(name: str, owner: str, **metadata: Any) -> Any:
    labels = {
        "kustomize.toolkit.fluxcd.io/name": owner,
        "kustomize.toolkit.fluxcd.io/namespace": "apps",
    }
    entry = {"manager": "kustomize-controller", "operation": "Apply"}
    obj = config(name)
    known = {"namespace": "apps", "labels": labels, "managedFields": [entry]}
    whole = {**obj["metadata"], **known, **metadata}
    return {**obj, "metadata": whole}


async def test_what_is_in_no_inventory_is_an_orphan() -> None:
    found = await diagnosed(
        orphans.diagnose,
        kustomization("web", ready(SHARED)),
        labelled("a", "web"),
        labelled("left", "web"),
        labelled("lost", "gone"),
        labelled("copied", "web", ownerReferences=[{"kind": "X"}]),
        labelled("by-hand", "web", managedFields=[{"manager": "kubectl", "operation": "Update"}]),
    )

    assert told(found) == [
        "warning: 1 object carries the labels of Kustomization/apps/gone, which is gone",
        "warning: 1 object carries the labels of Kustomization/apps/web, but is not in its "
        "inventory",
    ]
    assert [each.evidence for each in found] == [("ConfigMap/apps/lost",), ("ConfigMap/apps/left",)]


async def test_where_objects_are_in_another_cluster_two_may_have_one_name() -> None:
    remote = {"secretRef": {"name": "other"}}
    fleet = [
        kustomization("a", ready(SHARED)),
        kustomization("b", ready(SHARED)),
        kustomization("c", ready(SHARED), kubeConfig=remote),
    ]
    (found,) = await diagnosed(claims.diagnose, *fleet)

    assert told([found]) == [
        "error: Kustomization/apps/a, Kustomization/apps/b all apply ConfigMap/apps/a"
    ]


async def test_large_sources_and_kustomizations_are_told() -> None:
    many = [Ref("", "ConfigMap", "apps", f"c{number}") for number in range(501)]
    artifact = {"size": 100 * 1024 * 1024}
    found = await diagnosed(
        load.diagnose,
        source(ready(artifact=artifact)),
        kustomization("large", ready(*many)),
        *(kustomization(f"k{number}") for number in range(100)),
    )

    assert told(found) == [
        "warning: Kustomization/apps/large applies 501 objects",
        "warning: GitRepository/apps/fleet holds 100 MiB",
        "warning: 101 Kustomizations build GitRepository/apps/fleet",
    ]


async def test_a_decryption_secret_that_is_missing_is_told() -> None:
    secret = {"provider": "sops", "secretRef": {"name": "keys"}}
    (found,) = await diagnosed(undecryptable.diagnose, kustomization("web", decryption=secret))

    assert told([found]) == ["error: decryption Secret apps/keys of web does not exist"]
    assert found.matters


async def test_what_has_slept_for_a_week_is_told_with_who_put_it_to_sleep() -> None:
    asleep = kustomization("web", suspend=True)
    asleep["metadata"]["managedFields"] = [
        {
            "manager": "flux",
            "operation": "Update",
            "time": "2026-12-31T00:00:00Z",
            "fieldsV1": {"f:spec": {"f:suspend": {}}},
        }
    ]
    fresh = kustomization("new", suspend=True)
    (found,) = await diagnosed(suspended.diagnose, asleep, fresh)

    assert told([found]) == ["warning: Kustomization/apps/web has been suspended for 15 days"]
    assert found.evidence == ("suspended since 2026-12-31 by flux",)


async def test_signs_of_throttling_are_gathered() -> None:
    slow = failed("ReconciliationFailed", "the server has received too many requests")
    ward = Ward(kustomization("web", slow), refused={429: 3})
    (found,) = await diagnosed(throttling.diagnose, ward=ward)

    assert found.evidence == (
        "Kustomization/apps/web: the server has received too many requests",
        "3 of the requests made just now were refused with status 429",
    )


LEVELS = """\
PriorityLevelName, ActiveQueues, IsIdle,   IsQuiescing, WaitingRequests, ExecutingRequests, \
DispatchedRequests, RejectedRequests, TimedoutRequests, CancelledRequests
exempt,            <none>,       <none>,   <none>,      <none>,          <none>,            \
<none>,             <none>,           <none>,           <none>
system,            0,            true,     false,       0,               0,                 \
400000,             2,                0,                0
workload-low,      0,            false,    false,       3,               9,                 \
900,                80,               20,               0
"""
METRICS = """\
# HELP rest_client_requests_total Requests to API servers.
rest_client_requests_total{code="200",host="https://x",method="GET"} 90.0
rest_client_requests_total{code="429",host="https://x",method="GET"} 9.0
rest_client_requests_total{code="429",host="https://x",method="PATCH"} 1.0
lockstep_api_concurrency_limit 4.0
"""


def engine_pod(**port: Any) -> dict[str, Any]:
    container = {"name": "manager", "ports": [{"containerPort": 8080, **port}]}
    metadata = {"name": "lockstep-0", "namespace": "flux-system"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container]},
    }


async def test_signs_of_throttling_are_read_from_metrics_where_they_can_be_reached() -> None:
    ward = Ward(engine_pod(name="http-prom"))
    assert await diagnosed(throttling.diagnose, ward=ward) == []
    proxy = "/api/v1/namespaces/flux-system/pods/lockstep-0%3A8080/proxy/metrics"
    ward.texts = {proxy: METRICS, "/debug/api_priority_and_fairness/dump_priority_levels": LEVELS}
    (found,) = await diagnosed(throttling.diagnose, ward=ward)

    assert found.evidence == (
        "Pod lockstep-0: 10 of 100 requests were refused with status 429; "
        "now it sends at most 4 at a time",
        "priority level workload-low: 100 of 1000 were turned away",
    )


@pytest.mark.parametrize("text", ["", "nonsense", "a, b\n1, 2", LEVELS.replace("80", "many")])
async def test_metrics_that_are_not_understood_are_no_sign(text: str) -> None:
    ward = Ward(engine_pod(name="http-prom"), engine_pod(name="other"))
    proxy = "/api/v1/namespaces/flux-system/pods/lockstep-0%3A8080/proxy/metrics"
    ward.texts = {proxy: text, "/debug/api_priority_and_fairness/dump_priority_levels": text}

    assert await diagnosed(throttling.diagnose, ward=ward) == []


async def test_that_no_engine_runs_is_told_as_check_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def odd(_: Any) -> list[Finding]:
        return [Finding(Severity.OK, "fine"), Finding(Severity.WARNING, "nobody", "start one")]

    for module in (installation.kubernetes, installation.definitions):
        monkeypatch.setattr(module, "check", _nothing)
    monkeypatch.setattr(installation.leases, "check", odd)
    (found,) = await diagnosed(installation.diagnose)

    assert (found.what, found.fix, found.matters) == (
        "nobody",
        "start one",
        "without it nothing is reconciled",
    )


async def _nothing(_: Any) -> list[Finding]:
    return []


async def test_the_number_of_requests_does_not_depend_on_the_number_of_objects() -> None:
    async def asked(count: int) -> int:
        fleet = [kustomization(f"k{number}", ready(SHARED)) for number in range(count)]
        ward = Ward(source(), *fleet, *(labelled(f"c{n}", "k0") for n in range(count)))
        for name, diagnosis in PLUGIN.diagnoses.items():
            if name not in ("installation", "undecryptable"):  # as of `check`
                await diagnosed(diagnosis, ward=ward)
        return len(ward.calls)

    assert await asked(3) == await asked(30)


async def test_what_may_not_be_seen_is_not_called_missing() -> None:
    waits = kustomization("web", failed("BuildFailed", "boom"))
    waits["spec"]["sourceRef"]["namespace"] = "elsewhere"
    (found,) = await diagnosed(failing.diagnose, waits, namespace="apps")

    assert told([found]) == ["error: Kustomization/apps/web is not ready: BuildFailed: boom"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("drift of Role/a/system:x left as it is (a.yaml:1), because", "left as it is"),
        ("drift of Role/a/system:x (a.yaml:1): .rules", "not corrected, as its"),
        ("drift of Role/a/system:x: .rules", "not corrected, as its"),
    ],
)
async def test_what_becomes_of_an_edit_is_told(line: str, what: str) -> None:
    (found,) = await diagnosed(drift.diagnose, event(kustomization("web"), line))

    assert found.what.startswith(
        f"Role/a/system:x was changed beside Git by somebody unknown: {what}"
    )
