from typing import Any

import pytest

from engine.api.decode import decode
from engine.api.kustomize import Kustomization
from engine.errors import InvalidCELExpression
from engine.objects.ref import Ref
from engine.reconcile.expressions import HealthExpressions, health_expressions
from tests.support.build import config, made
from tests.support.reconciling import Workshop

WIDGET = {"apiVersion": "example.com/v1", "kind": "Widget"}
CHECK = {
    **WIDGET,
    "inProgress": "status.phase == 'Working'",
    "failed": "status.phase == 'Broken'",
    "current": "status.phase == 'Done'",
}
REF = Ref("example.com", "Widget", "ns", "w")


def health(
    obj: dict[str, Any], *checks: dict[str, str], ref: Ref = REF, metadata: Any = None
) -> str:
    shop = Workshop()
    ks = shop.kustomization(healthCheckExprs=list(checks or (CHECK,)))
    expressions = health_expressions(decode(Kustomization, ks))
    assert expressions.judges(ref)
    known = {"apiVersion": "example.com/v1", "kind": ref.kind}
    named = {"name": ref.name, **(metadata or {})}
    return str(expressions.health({**known, "metadata": named, **obj}).status)


@pytest.mark.parametrize(
    ("phase", "wanted"),
    [("Working", "InProgress"), ("Broken", "Failed"), ("Done", "Current"), ("?", "InProgress")],
)
def test_the_first_expression_that_holds_decides(phase: str, wanted: str) -> None:
    assert health({"status": {"phase": phase}}) == wanted


def test_the_order_is_in_progress_then_failed_then_current() -> None:
    always = {**WIDGET, "current": "true", "failed": "true", "inProgress": "true"}

    assert health({}, always) == "InProgress"
    assert health({}, {**WIDGET, "current": "true", "failed": "true"}) == "Failed"
    assert health({}, {**WIDGET, "current": "true"}) == "Current"


def test_a_status_of_an_older_generation_is_in_progress() -> None:
    done = {"phase": "Done", "observedGeneration": 1}

    assert health({"status": done}, metadata={"generation": 2}) == "InProgress"
    assert health({"status": done}, metadata={"generation": 1}) == "Current"
    assert (
        health({"status": {**done, "observedGeneration": "1"}}, metadata={"generation": 2})
        == "Current"
    )


def test_a_field_that_is_not_there_makes_it_unknown() -> None:
    assert health({}) == "Unknown"
    assert health({"status": {}}) == "Unknown"


def test_a_check_without_kind_is_for_its_group_and_one_with_it_comes_first() -> None:
    group = {"apiVersion": "example.com/v2", "current": "true"}

    assert health({}, group) == "Current"
    assert health({"status": {"phase": "Broken"}}, group, CHECK) == "Failed"


async def said(checks: list[dict[str, str]], **objects: dict[str, Any]) -> Workshop:
    shop = Workshop()
    shop.source("main@sha1:1", **objects)
    shop.kustomization(healthCheckExprs=checks, wait=True)
    await shop.run()
    return shop


async def test_the_expressions_take_the_place_of_the_rules_for_the_kind() -> None:
    check = {"apiVersion": "v1", "kind": "ConfigMap", "current": "data.done == 'yes'"}
    broken = {**check, "failed": "data.done == 'never'"}

    shop = await said([check], a={**config("a"), "data": {"done": "yes"}})
    assert shop.said("Healthy").startswith("True ")

    shop = await said([broken], a={**config("a"), "data": {"done": "never"}})
    assert shop.said("Healthy").startswith("False HealthCheckFailed")
    assert "status: 'Failed': by the expression 'data.done == 'never''" in shop.said()


async def test_an_expression_without_value_is_told_when_the_time_is_over() -> None:
    check = {"apiVersion": "v1", "kind": "ConfigMap", "current": "status.done == 'yes'"}

    shop = await said([check], a=config("a"))

    assert "timeout waiting for: [ConfigMap/ns/a status: 'Unknown': failed to" in shop.said()
    assert "no such attribute(s): status" in shop.said()


@pytest.mark.parametrize(
    ("checks", "text"),
    [
        (
            [{**WIDGET, "current": "status."}],
            "failed to create custom status evaluator for healthchecks[0]: failed to parse the "
            "expression Current: failed to parse the CEL expression 'status.': "
            "ERROR: <input>:1:8: Syntax error",
        ),
        (
            [CHECK, {**CHECK, "apiVersion": "example.com/v2"}],
            "duplicate custom health check for GroupKind Widget.example.com at healthchecks[1]",
        ),
        ([{**WIDGET, "current": ""}], "healthchecks[0]: expression Current not specified"),
    ],
)
async def test_an_expression_that_is_none_stalls_before_anything_is_applied(
    checks: list[dict[str, str]], text: str
) -> None:
    shop = await said(checks, a=made("ConfigMap", "a"))

    start = "True InvalidCELExpression: Reconciliation failed terminally due to configuration error"
    assert shop.said("Stalled").startswith(start)
    assert text in shop.said()
    assert shop.status()["observedGeneration"] == 1
    assert Ref("", "ConfigMap", "ns", "a") not in shop.client.objects


async def test_what_others_build_on_is_ready_when_its_expression_holds() -> None:
    check = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "current": "metadata.annotations.phase == 'Open'",
    }
    space = made("Namespace", "n", "", annotations={"phase": "Closed"})

    shop = await said([check], n=space, a=config("a"))
    assert "Namespace/n is not ready after 60s: status 'InProgress'" in shop.said()
    assert Ref("", "ConfigMap", "ns", "a") not in shop.client.objects

    ready = made("Namespace", "n", "", annotations={"phase": "Open"})
    shop = await said([check], n=ready, a=config("a"))
    assert shop.said("Healthy").startswith("True ")


def test_the_values_of_a_secret_are_not_quoted() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    check = {"apiVersion": "v1", "kind": "Secret", "current": "int(data.pin) == 1"}
    expressions = judging(check)

    found = expressions.health({**secret, "data": {"pin": "hunter2"}})

    assert str(found.status) == "Unknown"
    assert "hunter2" not in found.message


@pytest.mark.slow
def test_an_expression_that_takes_too_long_is_not_tried_for_ever() -> None:
    expressions = judging({**WIDGET, "current": "l.all(a, l.all(b, l.all(c, a == b || true)))"})
    obj = {**WIDGET, "metadata": {"name": "w"}, "l": list(range(2_000))}

    first, *others = (expressions.health(obj) for _ in range(21))

    assert str(first.status) == "Unknown"
    assert "takes more than 50000 steps" in first.message
    assert others[-1].message.endswith("took more than 1,000,000 steps in all")


@pytest.mark.slow
def test_an_expression_that_takes_long_each_time_is_not_tried_for_ever() -> None:
    """A tenant may have thousands of objects, and change them again and again."""
    expressions = judging({**WIDGET, "current": "l.all(a, l.all(b, a == b || true))"})
    obj = {**WIDGET, "metadata": {"name": "w"}, "l": list(range(70))}

    states = [str(expressions.health(obj).status) for _ in range(120)]

    assert states[:20] == ["Current"] * 20
    assert states[-1] == "Unknown"
    small = {**obj, "l": [1]}
    fresh = judging({**WIDGET, "current": "l.all(a, l.all(b, a == b || true))"})
    assert {str(fresh.health(small).status) for _ in range(5_000)} == {"Current"}


@pytest.mark.parametrize("count", [300, 150])
def test_more_expressions_than_can_be_parsed_in_a_turn_are_refused(count: int) -> None:
    text = "true" + " || true" * (80 if count == 150 else 1)
    kinds = [{"apiVersion": "x.io/v1", "kind": f"K{n}", "current": text} for n in range(count)]

    with pytest.raises(InvalidCELExpression, match="more than 200 kinds, or 64 KiB"):
        judging(*kinds)


def judging(*checks: dict[str, str]) -> HealthExpressions:
    ks = Workshop().kustomization(healthCheckExprs=list(checks))
    return health_expressions(decode(Kustomization, ks))
