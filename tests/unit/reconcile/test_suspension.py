from typing import Any

import pytest

from engine.objects.ref import Object, Ref
from engine.plan.suspension import BY, ENDED, REASON, UNTIL
from engine.reconcile.triggers import DRIFT
from engine.runtime import Requeue
from tests.support.build import config
from tests.support.clock import ManualClock, settle
from tests.support.reconciling import APP, Workshop
from tests.unit.cluster.test_live_rules import edit, watching

A = Ref("", "ConfigMap", "ns", "a")
NOW = "2023-11-14T22:13:20Z"  # of a ManualClock
SOON, LATER = "2023-11-14T22:14:20Z", "2023-11-20T00:00:00Z"


def shop_with(**annotations: str) -> Workshop:
    """A suspended Kustomization with that to say."""
    shop = Workshop(clock=ManualClock())
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization(suspend=True)
    marks = {"until": UNTIL, "reason": REASON, "by": BY}
    shop.annotate({marks[key]: value for key, value in annotations.items()})
    shop.pushed.clear()
    return shop


def app(shop: Workshop) -> Object:
    found: Object = shop.client.objects[APP]
    return found


def marks(shop: Workshop) -> Any:
    return app(shop)["metadata"].get("annotations") or {}


async def test_a_suspension_ends_by_itself() -> None:
    shop = shop_with(until=SOON, reason="a migration", by="ada")

    requeue = await shop.run()

    assert requeue == Requeue(after=60.0, reason="the end of its suspension")
    assert app(shop)["spec"]["suspend"] is True
    assert isinstance(shop.clock, ManualClock)
    await shop.clock.advance(61)
    await shop.run()
    assert app(shop)["spec"]["suspend"] is False
    assert marks(shop) == {ENDED: SOON}
    assert shop.told() == [
        "Normal Resumed: resumed, as its time is over: it was suspended by ada until "
        f"{SOON}: a migration"
    ]


async def test_an_engine_that_starts_after_the_end_resumes_at_once() -> None:
    shop = shop_with(until="2023-11-01T00:00:00Z")

    await shop.run(reasons=("created",))

    assert app(shop)["spec"]["suspend"] is False


async def test_a_far_end_is_looked_at_every_hour_as_clocks_are_set_anew() -> None:
    shop = shop_with(until=LATER)

    assert (await shop.run()).after == 3600.0


async def test_a_suspension_ends_although_its_drift_cannot_be_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = shop_with(until="2023-11-01T00:00:00Z")
    shop.kustomization(suspend=False)
    await shop.run()
    shop.kustomization(suspend=True)
    shop.annotate({UNTIL: "2023-11-01T00:00:00Z"})
    shop.engine.builds.forget(APP)  # as after a restart
    monkeypatch.setattr(shop.engine.builders, "build", None)  # whatever a bug may be

    await shop.run()

    assert app(shop)["spec"]["suspend"] is False


async def test_what_is_no_time_is_told_once_and_ends_nothing() -> None:
    shop = shop_with(until="tomorrow")

    assert await shop.run() == Requeue()
    assert await shop.run() == Requeue()

    (told,) = shop.told()
    assert told.startswith(f"Warning Suspended: annotation {UNTIL}: 'tomorrow' is not an instant")
    assert app(shop)["spec"]["suspend"] is True
    assert shop.said() == ""


async def test_one_that_git_suspends_again_is_resumed_once_and_then_told() -> None:
    shop = shop_with(until="2023-11-01T00:00:00Z")
    await shop.run()
    shop.told()
    shop.kustomization(suspend=True)
    shop.annotate({UNTIL: "2023-11-01T00:00:00Z"})
    shop.engine.suspensions.forget(APP)  # as after a restart

    await shop.run()
    await shop.run()

    assert app(shop)["spec"]["suspend"] is True
    (told,) = shop.told()
    assert "somebody set spec.suspend again: remove it and the annotation" in told


async def test_what_a_person_resumed_says_nothing_for_the_next_time() -> None:
    shop = shop_with(until=SOON, reason="a migration", by="ada")
    await shop.run()
    shop.kustomization(suspend=False)

    await shop.run()

    assert marks(shop) == {}
    assert shop.said().startswith("True ReconciliationSucceeded")


async def test_another_end_is_acted_on_at_once() -> None:
    shop = shop_with(until=LATER)
    await shop.run()
    shop.annotate({UNTIL: SOON})

    assert shop.pushed == [APP]
    assert (await shop.run()).after == 60.0


async def test_drift_while_suspended_is_told_once_and_not_corrected() -> None:
    async with watching(a=config("a", data={"x": "1"})) as shop:
        shop.kustomization(suspend=True)
        shop.annotate({BY: "ada"})
        await shop.run()
        shop.pushed.clear()
        edit(shop, x="edited")
        await settle()
        pushed = list(shop.pushed)
        await shop.run(reasons=(DRIFT,))
        await settle()
        await shop.run(reasons=(DRIFT,))

        assert pushed == [APP]
        assert shop.client.objects[A]["data"] == {"x": "edited"}
        (told,) = shop.told()[-1:]
        assert told.startswith("Warning DriftDetected: drift of ConfigMap/ns/a (app/a.yaml:1): ")
        assert ".data.x" in told
        assert told.endswith("it is not corrected, as this is suspended by ada")
        assert "edited" not in told


async def test_who_writes_a_field_again_and_again_while_suspended_is_told_once() -> None:
    """Each write has another time: events, and what is kept of them, would know no bound."""
    async with watching(a=config("a", data={"x": "1"})) as shop:
        shop.kustomization(suspend=True)
        for second in range(3):
            edit(shop, x=f"edited at {second}")
            live = shop.client.objects[A]
            entry = {
                "manager": "other",
                "operation": "Update",
                "fieldsType": "FieldsV1",
                "time": f"2023-11-14T22:14:0{second}Z",
                "fieldsV1": {"f:data": {"f:x": {}}},
            }
            shop.client.put({**live, "metadata": {**live["metadata"], "managedFields": [entry]}})
            await settle()
            await shop.run(reasons=(DRIFT,))

        told = [line for line in shop.told() if "DriftDetected" in line]
        assert len(told) == 1
        assert ".data.x (by other at 2023-11-14T22:14:00Z)" in told[0]


async def test_what_drifted_while_suspended_is_corrected_once_it_is_resumed() -> None:
    async with watching(a=config("a", data={"x": "1"})) as shop:
        shop.kustomization(suspend=True)
        await shop.run()
        edit(shop, x="edited")
        await settle()
        await shop.run(reasons=(DRIFT,))
        shop.kustomization(suspend=False)
        await shop.run()

        assert shop.client.objects[A]["data"] == {"x": "1"}


async def test_an_object_that_goes_while_suspended_is_told_and_not_created() -> None:
    async with watching(a=config("a", data={"x": "1"})) as shop:
        shop.kustomization(suspend=True)
        await shop.run()
        shop.client.remove(A)
        await settle()
        await shop.run(reasons=(DRIFT,))
        await shop.run(reasons=(DRIFT,))

        assert A not in shop.client.objects
        told = [line for line in shop.told() if "DriftDetected" in line]
        assert told == [
            "Warning DriftDetected: ConfigMap/ns/a (app/a.yaml:1) is not in the cluster; it is "
            "not created, as this is suspended"
        ]
