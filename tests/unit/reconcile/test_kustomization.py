import json

from engine.cluster import Forbidden
from engine.objects.ref import Ref
from tests.support.build import config, made, marked
from tests.support.memory_client import kind
from tests.support.reconciling import APP, Workshop

A, B = Ref("", "ConfigMap", "ns", "a"), Ref("", "ConfigMap", "ns", "b")


async def test_a_run_applies_and_says_so() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a", data={"x": "1"}))
    shop.kustomization()

    requeue = await shop.run()

    status = shop.status()
    assert shop.said() == "True ReconciliationSucceeded: Applied revision: main@sha1:1"
    assert [each["type"] for each in status["conditions"]] == ["Ready"]
    assert status["observedGeneration"] == 1
    assert status["lastAppliedRevision"] == status["lastAttemptedRevision"] == "main@sha1:1"
    assert status["inventory"] == {"entries": [{"id": "ns_a__ConfigMap", "v": "v1"}]}
    assert requeue.after is not None
    assert 570 <= requeue.after <= 630
    assert shop.client.objects[A]["metadata"]["labels"] == {
        "kustomize.toolkit.fluxcd.io/name": "app",
        "kustomize.toolkit.fluxcd.io/namespace": "flux",
    }


async def test_its_events_are_those_of_flux() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()

    await shop.run()

    group = "kustomize.toolkit.fluxcd.io"
    applied, finished = shop.events
    assert (applied["reason"], applied["message"]) == ("Progressing", "ConfigMap/ns/a created")
    assert applied["metadata"]["annotations"] == {f"{group}/revision": "main@sha1:1"}
    assert finished["reason"] == "ReconciliationSucceeded"
    assert finished["message"].startswith("Reconciliation finished in ")
    assert finished["message"].endswith(", next run in 10m0s")
    assert finished["metadata"]["annotations"] == {
        f"{group}/revision": "main@sha1:1",
        f"{group}/commit_status": "update",
    }


async def test_a_second_run_writes_and_tells_nothing() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    await shop.run()
    shop.told()
    shop.client.calls.clear()

    await shop.run()

    assert shop.client.writes() == []
    assert shop.told() == []


async def test_a_long_look_at_an_unchanged_object_writes_nothing_either() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    await shop.run()
    shop.client.calls.clear()
    shop.client.before("get ConfigMap/ns/a", lambda: shop.clock.skip(60))

    await shop.run()

    assert shop.client.writes() == []


async def test_a_manual_request_is_answered_even_if_nothing_changed() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    await shop.run()
    shop.request("now")

    await shop.run()

    assert shop.status()["lastHandledReconcileAt"] == "now"


async def test_a_request_that_comes_during_a_run_is_not_answered_by_it() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    shop.client.before("apply ConfigMap/ns/a", lambda: shop.request("late"))

    await shop.run()

    assert "lastHandledReconcileAt" not in shop.status()
    assert shop.pushed[-1] == APP


async def test_a_spec_that_changes_during_a_run_is_not_said_to_be_applied() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    shop.client.before("apply ConfigMap/ns/a", lambda: shop.kustomization(prune=False))

    await shop.run()

    assert shop.status()["observedGeneration"] == 1
    assert shop.status()["conditions"][0]["observedGeneration"] == 1
    assert shop.pushed[-1] == APP


async def test_the_inventory_is_written_before_the_first_create() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    seen: list[object] = []
    shop.client.before("apply ConfigMap/ns/a", lambda: seen.append(shop.status()["inventory"]))

    await shop.run()

    assert seen == [{"entries": [{"id": "ns_a__ConfigMap", "v": "v1"}]}]


async def test_what_left_git_is_pruned_and_told() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"), b=config("b"))
    shop.kustomization()
    await shop.run()
    shop.told()
    shop.source("main@sha1:2", a=config("a"))

    await shop.run()

    assert B not in shop.client.objects
    assert shop.told()[0] == "Normal Progressing: ConfigMap/ns/b deleted"
    assert shop.status()["inventory"]["entries"] == [{"id": "ns_a__ConfigMap", "v": "v1"}]


async def test_what_resists_its_deletion_stays_in_the_inventory() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"), b=config("b"))
    shop.kustomization()
    await shop.run()
    shop.source("main@sha1:2", a=config("a"))
    shop.client.refuse("delete ConfigMap/ns/b", Forbidden(403, "Forbidden", "no"))

    requeue = await shop.run()

    assert shop.said().startswith("False PruneFailed: ConfigMap/ns/b delete failed (Forbidden): no")
    assert [each["id"][:4] for each in shop.status()["inventory"]["entries"]] == ["ns_a", "ns_b"]
    assert shop.status()["lastAppliedRevision"] == "main@sha1:1"
    assert requeue.after == 60


async def test_what_left_git_and_cannot_be_read_does_not_stop_the_rest() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"), b=config("b"))
    shop.kustomization()
    await shop.run()
    shop.source("main@sha1:2", a=config("a", data={"x": "2"}))
    no = Forbidden(403, "Forbidden", "no")
    shop.client.refuse("get ConfigMap/ns/b", no, no)

    await shop.run()

    assert shop.client.objects[A]["data"] == {"x": "2"}
    assert shop.said().startswith("False PruneFailed: ConfigMap/ns/b")
    assert len(shop.status()["inventory"]["entries"]) == 2


async def test_a_refused_object_fails_the_run_and_keeps_what_was_pruned_for_later() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    shop.client.refuse("apply ConfigMap/ns/a", Forbidden(403, "Forbidden", "no"))

    requeue = await shop.run()

    assert shop.said().startswith("False ReconciliationFailed: ConfigMap/ns/a apply failed")
    assert shop.said("Reconciling").startswith(
        "True ProgressingWithRetry: Detecting drift for revision main@sha1:1"
    )
    assert shop.status()["history"][0]["lastReconciledStatus"] == "ReconciliationFailed"
    assert "observedGeneration" not in shop.status()
    assert requeue.after == 60
    assert shop.told()[0].startswith("Warning ReconciliationFailed: ConfigMap/ns/a apply failed")


async def test_drift_is_corrected_without_touching_the_conditions() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a", data={"x": "1"}))
    shop.kustomization()
    await shop.run()
    before = shop.status()["conditions"]
    shop.told()
    shop.client.put({**shop.client.objects[A], "data": {"x": "edited"}})

    await shop.run()

    assert shop.client.objects[A]["data"] == {"x": "1"}
    assert shop.status()["conditions"] == before
    assert shop.told()[0] == (
        "Normal Progressing: ConfigMap/ns/a configured (drift: .data.x)\n"
        "drift of ConfigMap/ns/a corrected (app/a.yaml:1): "
        '.data.x was "edited", now "1" (app/a.yaml:3)'
    )


async def test_a_namespace_on_an_object_of_cluster_scope_makes_no_second_object() -> None:
    shop = Workshop()
    issuers = kind("cert-manager.io/v1", "ClusterIssuer", "clusterissuers", namespaced=False)
    shop.client.kinds["cert-manager.io", "ClusterIssuer"] = issuers
    shop.source("main@sha1:1", i=made("ClusterIssuer", "i", "", api_version="cert-manager.io/v1"))
    shop.kustomization(targetNamespace="ns")

    await shop.run()

    entries = shop.status()["inventory"]["entries"]
    assert entries == [{"id": "_i_cert-manager.io_ClusterIssuer", "v": "v1"}]


async def test_an_inventory_that_knows_such_an_object_by_its_namespace_deletes_nothing() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", n=made("Namespace", "n", ""))
    shop.client.put(made("Namespace", "n", "", status={"phase": "Active"}))
    ks = shop.kustomization()
    entries = [{"id": "other_n__Namespace", "v": "v1"}]
    shop.tell({**ks, "status": {"inventory": {"entries": entries}}})

    await shop.run()

    assert Ref("", "Namespace", "", "n") in shop.client.objects
    assert shop.status()["inventory"]["entries"] == [{"id": "_n__Namespace", "v": "v1"}]


async def test_skipped_objects_are_in_the_inventory_and_not_written() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=marked(config("a"), reconcile="disabled"))
    shop.kustomization()

    await shop.run()

    assert A not in shop.client.objects
    assert len(shop.status()["inventory"]["entries"]) == 1


async def test_values_of_secrets_show_in_no_message() -> None:
    shop = Workshop()
    shop.client.put(made("Secret", "vars", "flux", data={"name": "SHVudGVyMg=="}))
    shop.source("main@sha1:1", a=config("a", data={"x": "${name}", "y": "${absent}"}))
    shop.kustomization(postBuild={"substituteFrom": [{"kind": "Secret", "name": "vars"}]})

    await shop.run()

    assert shop.said().startswith("False BuildFailed")
    shop.source("main@sha1:2", a=config("a", data={"x": "${name}"}))
    error = Forbidden(403, "Forbidden", "no Hunter2 here")
    shop.client.refuse("apply ConfigMap/ns/a", error)
    await shop.run()
    assert "no *** here" in shop.said()
    assert "Hunter2" not in json.dumps([shop.status(), shop.events])


async def test_a_secret_that_may_not_be_read_fails_the_build() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization(postBuild={"substituteFrom": [{"kind": "Secret", "name": "vars"}]})
    shop.client.refuse("get Secret/flux/vars", Forbidden(403, "Forbidden", "not yours"))

    await shop.run()

    assert shop.said() == ("False BuildFailed: substitute from 'Secret/vars' error: not yours")


async def test_the_brake_holds_everything_until_the_list_is_approved() -> None:
    shop = Workshop()
    many = {f"c{number}": config(f"c{number}") for number in range(30)}
    shop.source("main@sha1:1", a=config("a"), **many)
    shop.kustomization()
    await shop.run()
    shop.source("main@sha1:2", a=config("a"))

    await shop.run()

    held = shop.said()
    assert held.startswith("False PruneFailed: prune stopped before deleting anything: 30 of 31")
    shop.annotate({"gitops.lockstep/approve-prune": held.rpartition("=")[2]})
    assert shop.pushed[-1] == APP
    await shop.run()
    assert shop.said().startswith("True")
    assert len(shop.status()["inventory"]["entries"]) == 1
