"""Health of kinds whose status only their user understands: `spec.healthCheckExprs`."""

import secrets
from collections import Counter
from typing import Any

import pytest

from engine.objects.ref import Object, Ref
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_checking, is_ready

CHECK = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "inProgress": "has(data.phase) && data.phase == 'Working'",
    "failed": "has(data.phase) && data.phase.matches('^Bro.en$')",
    "current": "data.?phase.orValue('') == 'Done'",
}


async def app(fleet: Fleet, **check: str) -> None:
    ignore = [{"paths": ["/data/phase"]}]
    files = {"app/a.yaml": config_map("a", phase="Working", x=secrets.token_hex(2))}
    checks = [CHECK | check]
    await fleet.app(files, interval="1h", wait=True, healthCheckExprs=checks, ignore=ignore)


async def set_phase(fleet: Fleet, phase: str) -> None:
    await fleet.patch("ConfigMap", "a", {"data": {"phase": phase}})


@pytest.mark.covers(
    "Kustomization.spec.healthCheckExprs[].apiVersion",
    "Kustomization.spec.healthCheckExprs[].kind",
    "Kustomization.spec.healthCheckExprs[].current",
    "Kustomization.spec.healthCheckExprs[].inProgress",
)
async def test_an_object_is_waited_for_until_its_expression_holds(fleet: Fleet) -> None:
    await app(fleet)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        await set_phase(fleet, "Done")
        ready = await fleet.until("Kustomization", "app", is_ready)

    assert condition_of(ready, "Healthy")["status"] == "True"


@pytest.mark.covers("Kustomization.spec.healthCheckExprs[].failed")
async def test_an_object_that_failed_by_its_expression_is_told_at_once(fleet: Fleet) -> None:
    await app(fleet)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        await set_phase(fleet, "Broken")
        failed = await fleet.until("Kustomization", "app", has_reason("HealthCheckFailed"))

    assert f"[ConfigMap/{fleet.namespace}/a status: 'Failed'" in message_of(failed)


@pytest.mark.parametrize("text", ["data.phase ==", "1" + "+1" * 20_000, "a" + ".a" * 4_000])
@pytest.mark.covers("Kustomization:InvalidCELExpression")
async def test_an_expression_that_is_none_stalls_and_harms_nobody_else(
    fleet: Fleet, text: str
) -> None:
    await app(fleet, current=text)
    await fleet.kustomization("other", path="./app")

    async with fleet.engine():
        stalled = await fleet.until("Kustomization", "app", has_reason("InvalidCELExpression"))
        await fleet.until("Kustomization", "other", is_ready)

    assert condition_of(stalled, "Stalled")["status"] == "True"
    assert "healthchecks[0]: failed to parse the expression Current: " in message_of(stalled)


def message_of(ks: Object) -> Any:
    return condition_of(ks)["message"]


async def test_what_expressions_judge_is_told_by_the_watch(fleet: Fleet) -> None:
    await app(fleet)

    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_checking)
        assert state.client is not None
        before = Counter(state.client.statistics().requests)
        await set_phase(fleet, "Other")
        await set_phase(fleet, "Done")
        await fleet.until("Kustomization", "app", is_ready)
        asked = Counter(state.client.statistics().requests) - before

    assert [key for key in asked if key[1] == "configmaps"] == []


@pytest.mark.parametrize(
    "text",
    [
        "data.all(a, data.all(b, data.all(c, data[a] == data[b] || a != c)))",
        "data.map(a, 'x' + a).map(a, a.replace('x', a + a + a)).map(a, data.map(b, a)) == []",
        "data.all(a, data.all(b, !('xxxxxxxxxxxxxxxxxxxxxxxx' + a).matches('(x+x+)+y')))",
    ],
)
async def test_an_expression_without_end_is_told_and_no_other_object_notices(
    fleet: Fleet, text: str
) -> None:
    many = {f"k{number}": "x" for number in range(2_000)}
    checks = [{"apiVersion": "v1", "kind": "ConfigMap", "current": text}]
    files = {"app/a.yaml": config_map("a", **many), "other/b.yaml": config_map("b")}
    await fleet.app(files, wait=True, timeout="5m", healthCheckExprs=checks)
    await fleet.kustomization("other", path="./other", wait=True)

    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_checking)
        await fleet.until("Kustomization", "other", is_ready)
        await fleet.reconcile("Kustomization", "other")
        assert state.engine is not None
        seen = state.engine.clusters.own.live.get(Ref("", "ConfigMap", fleet.namespace, "a"))
        checks[0]["current"] = "size(data) == 2000"
        await fleet.patch("Kustomization", "app", {"spec": {"healthCheckExprs": checks}})
        await fleet.until("Kustomization", "app", is_ready)

    assert seen is not None
    assert seen.health.status == "Unknown"
    assert "takes more than 50000 steps" in seen.health.message
    assert text[:50] in seen.health.message


async def test_types_that_never_fit_stall_and_are_pointed_at(fleet: Fleet) -> None:
    await app(fleet, current="size(data.phase) > 'Done'")

    async with fleet.engine():
        stalled = await fleet.until("Kustomization", "app", has_reason("InvalidCELExpression"))

    assert condition_of(stalled, "Stalled")["status"] == "True"
    assert message_of(stalled).endswith(
        "found no matching overload for '_>_' applied to '(int, string)'\n"
        " | size(data.phase) > 'Done'\n | .................^"
    )
