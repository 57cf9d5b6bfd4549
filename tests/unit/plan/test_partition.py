import pytest

from engine.objects.ref import Ref
from engine.plan.partition import (
    ANNOTATION,
    AfterPartition,
    Partitions,
    after_partition,
    approval_of,
)

APP = Ref("g", "Kustomization", "ns", "app")


@pytest.mark.parametrize(
    ("word", "default", "mode"),
    [
        ("", "apply", AfterPartition.APPLY),
        ("", "warn", AfterPartition.WARN),
        ("Hold", "apply", AfterPartition.HOLD),
        ("apply", "hold", AfterPartition.APPLY),
        ("aply", "apply", AfterPartition.HOLD),
    ],
)
def test_the_annotation_goes_before_the_setting_and_a_misspelt_one_holds(
    word: str, default: str, mode: AfterPartition
) -> None:
    annotations = {ANNOTATION: word} if word else {}

    assert after_partition({"metadata": {"annotations": annotations}}, default) is mode


def test_an_approval_is_bound_to_what_would_be_overwritten_in_any_order() -> None:
    assert approval_of(["a", "b"]) == approval_of(["b", "a"])
    assert approval_of(["a"]) != approval_of(["a", "b"])


def test_it_is_open_until_the_owner_has_looked() -> None:
    partitions = Partitions()
    partitions.begin([APP])
    was_open = partitions.is_open(APP)
    partitions.end(APP)

    assert was_open
    assert not partitions.is_open(APP)


def test_the_same_is_told_once_and_the_wait_counts_from_the_first_time() -> None:
    partitions = Partitions()
    partitions.begin([APP])

    assert [partitions.is_news(APP, each) for each in ("x", "x", "y", "x")] == [
        True,
        False,
        True,
        False,
    ]
    assert [partitions.warned_for(APP, now) for now in (100.0, 103.0)] == [0.0, 3.0]
