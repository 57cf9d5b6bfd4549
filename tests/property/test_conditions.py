from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.status.conditions import condition, find, ordered, with_condition

conditions = st.builds(
    condition,
    st.sampled_from(["Ready", "Reconciling", "Stalled", "Healthy", "FetchFailed"]),
    st.sampled_from(["True", "False", "Unknown"]),
    st.sampled_from(["A", "B"]),
    st.sampled_from(["x", "y"]),
    st.integers(0, 3),
    st.sampled_from(["t1", "t2"]),
)
merges = st.lists(conditions, max_size=8)


def merged(news: list[dict[str, Any]]) -> list[Any]:
    result: list[Any] = []
    for new in news:
        result = with_condition(result, new)
    return result


@given(merges, conditions)
def test_a_merge_is_idempotent(news: list[dict[str, Any]], new: dict[str, Any]) -> None:
    once = with_condition(merged(news), new)

    assert with_condition(once, new) == once


@given(merges, conditions)
def test_the_last_word_counts_and_each_type_is_there_once(
    news: list[dict[str, Any]], new: dict[str, Any]
) -> None:
    result = with_condition(merged(news), new)
    types = [each["type"] for each in result]

    found = find(result, new["type"])
    assert found is not None
    assert {**found, "lastTransitionTime": ""} == {**new, "lastTransitionTime": ""}
    assert len(types) == len(set(types))
    assert not {"Stalled", "Reconciling"} <= set(types)


@given(merges)
def test_the_order_does_not_depend_on_how_it_came(news: list[dict[str, Any]]) -> None:
    result = merged(news)

    assert ordered(reversed(result)) == ordered(result) == result


@given(merges, conditions)
def test_saying_the_same_later_does_not_move_the_time(
    news: list[dict[str, Any]], new: dict[str, Any]
) -> None:
    result = with_condition(merged(news), new)

    assert with_condition(result, {**new, "lastTransitionTime": "later"}) == result
