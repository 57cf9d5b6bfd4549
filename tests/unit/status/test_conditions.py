from typing import Any

from engine.status.conditions import (
    condition,
    find,
    is_true,
    ordered,
    with_condition,
    without_conditions,
)


def made(type_: str, status: str = "True", message: str = "m", at: str = "t1") -> dict[str, Any]:
    return condition(type_, status, "R", message, 1, at)


def types(conditions: list[Any]) -> list[str]:
    return [each["type"] for each in conditions]


def test_the_time_moves_with_status_reason_and_message_and_not_with_the_generation() -> None:
    old = [made("Ready")]

    def at(new: dict[str, Any]) -> str:
        return str(with_condition(old, new)[0]["lastTransitionTime"])

    assert at(made("Ready", at="t2")) == "t1"
    assert at(condition("Ready", "True", "R", "m", 2, "t2")) == "t1"
    assert at(made("Ready", "False", at="t2")) == "t2"
    assert at(made("Ready", message="other", at="t2")) == "t2"
    assert at(condition("Ready", "True", "Q", "m", 1, "t2")) == "t2"


def test_stalled_and_reconciling_exclude_each_other() -> None:
    stalled = with_condition([made("Reconciling"), made("Ready")], made("Stalled"))

    assert types(stalled) == ["Stalled", "Ready"]
    assert types(with_condition(stalled, made("Reconciling"))) == ["Reconciling", "Ready"]


def test_the_order_is_that_of_flux() -> None:
    newer = condition("B", "True", "R", "m", 2, "t")
    mixed = [made("C"), made("A"), newer, made("Ready"), made("Reconciling"), made("Stalled")]

    assert types(ordered(mixed)) == ["Stalled", "Reconciling", "Ready", "B", "A", "C"]


def test_a_message_is_cut_where_kubernetes_would_refuse_it() -> None:
    message = made("Ready", message="x" * 40_000)["message"]

    assert len(message) == 32_768
    assert message.endswith("x...")


def test_conditions_are_found_and_removed_by_type() -> None:
    conditions = [made("Ready", "False"), made("Healthy")]

    assert find(conditions, "Ready") == conditions[0]
    assert find(conditions, "Stalled") is None
    assert is_true(conditions, "Healthy")
    assert not is_true(conditions, "Ready")
    assert types(without_conditions(conditions, "Ready", "Stalled")) == ["Healthy"]
