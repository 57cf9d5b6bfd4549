import logging
from typing import Any

import pytest

from engine.cluster import Conflict, LeaseLost
from engine.cluster.errors import NotFound, Unavailable
from engine.objects.ref import Ref
from engine.reconcile.forgetting import forget
from engine.runtime import Requeue
from tests.support.build import config
from tests.support.holdings import holders
from tests.support.reconciling import APP, Workshop


def shop_with_app(**spec: object) -> Workshop:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization(**spec)
    return shop


async def test_the_finalizer_is_set_first() -> None:
    shop = shop_with_app()

    await shop.run()

    assert shop.client.objects[APP]["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    assert shop.client.writes()[0] == "patch Kustomization/flux/app"


async def test_a_suspended_object_is_left_alone_but_answers_requests() -> None:
    shop = shop_with_app(suspend=True)
    shop.request("now")

    requeue = await shop.run()

    assert requeue == Requeue()
    assert shop.status() == {"lastHandledReconcileAt": "now"}
    assert shop.told() == []


async def test_an_object_that_is_gone_is_not_reconciled() -> None:
    shop = Workshop()

    assert await shop.run() == Requeue()
    assert shop.client.calls == []


async def test_a_malformed_object_stalls() -> None:
    shop = shop_with_app(interval="soon")

    requeue = await shop.run()

    assert requeue == Requeue()
    assert shop.said().startswith("False Failed: ")
    assert shop.said("Stalled").startswith("True Failed: ")
    assert shop.status()["observedGeneration"] == 1


async def test_a_bug_is_told_logged_and_tried_again_with_growing_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = shop_with_app()
    shop.client.before("get ConfigMap/ns/a", lambda: 1 / 0)

    with caplog.at_level(logging.ERROR, "lockstep"):
        requeue = await shop.run()

    assert requeue == Requeue(failed=True, reason="retry")
    assert shop.said().startswith("False Failed: unexpected ")
    assert shop.said("Stalled") == ""
    assert any(record.exc_info for record in caplog.records)


async def test_an_object_that_changed_meanwhile_is_read_again_and_the_run_repeated() -> None:
    shop = shop_with_app()
    ref = "patch Kustomization/flux/app"
    shop.client.refuse(ref, Conflict(409, "Conflict", "modified"))
    shop.client.before(ref, lambda: shop.client.put(shop.client.objects[APP] | {"x": 1}))

    requeue = await shop.run()

    assert requeue == Requeue(failed=True, reason="conflict")
    known = shop.engine.mirror.get(APP)
    assert known is not None
    assert known["x"] == 1  # whatever the watch has told by now


async def test_an_object_that_went_meanwhile_is_forgotten() -> None:
    shop = shop_with_app()
    ref = "patch Kustomization/flux/app"
    shop.client.refuse(ref, NotFound(404, "NotFound", "gone"))
    shop.client.before(ref, lambda: shop.client.objects.pop(APP))

    assert await shop.run() == Requeue()
    assert shop.engine.mirror.get(APP) is None


async def test_a_status_that_cannot_be_written_is_tried_again() -> None:
    shop = shop_with_app()
    shop.client.refuse("patch Kustomization/flux/app", Unavailable(503, "", "later"))

    assert await shop.run() == Requeue(failed=True, reason="API server")


async def test_without_its_lease_a_run_tells_nothing_and_is_owed() -> None:
    shop = shop_with_app()
    shop.client.refuse("patch Kustomization/flux/app", LeaseLost("another"))

    assert (await shop.run()).failed
    assert shop.told() == []


async def test_after_a_failure_success_leaves_only_ready() -> None:
    shop = shop_with_app(path="./missing")
    await shop.run()
    assert shop.said().startswith("False ArtifactFailed: kustomization path not found: './missing'")
    shop.kustomization(path="./app")

    await shop.run()

    assert [each["type"] for each in shop.status()["conditions"]] == ["Ready"]
    assert shop.status()["observedGeneration"] == 2


async def test_a_failure_that_says_the_same_again_is_not_written_again() -> None:
    shop = shop_with_app(path="./missing")
    await shop.run()
    shop.client.calls.clear()

    await shop.run()

    assert shop.client.writes() == []


async def test_history_is_written_for_outcomes_that_are_new() -> None:
    shop = shop_with_app()
    await shop.run()
    shop.source("main@sha1:2", a=config("a"))

    await shop.run()

    (entry,) = shop.status()["history"]
    assert entry["lastReconciledStatus"] == "ReconciliationSucceeded"
    assert entry["totalReconciliations"] == 2
    assert entry["metadata"] == {"revision": "main@sha1:2"}


async def test_what_a_run_notes_of_an_object_that_is_gone_by_then_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ref = Ref(APP.group, APP.kind, APP.namespace, "force-deleted")
    shop = shop_with_app()
    shop.kustomization(ref)
    build = shop.engine.builders.build

    async def slow(*arguments: Any, **more: Any) -> Any:
        built = await build(*arguments, **more)
        shop.engine.triggers.deleted(shop.client.objects.pop(ref))  # somebody took its finalizer
        forget(ref, shop.engine)
        return built

    monkeypatch.setattr(shop.engine.builders, "build", slow)

    assert await shop.run(ref) == Requeue()
    assert set(holders(ref)) <= {"Mirror._deleted", "Workshop.pushed"}
