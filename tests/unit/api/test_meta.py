from typing import Any

import pytest

from engine.api.meta import DISABLED, PRUNE, has_mark


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ({}, False),
        ({"labels": None, "annotations": None}, False),
        ({"labels": {PRUNE: "disabled"}}, True),
        ({"annotations": {PRUNE: "Disabled"}}, True),
        ({"labels": {PRUNE: "enabled"}, "annotations": {PRUNE: "DISABLED"}}, True),
        ({"labels": {PRUNE: "enabled"}}, False),
        ({"annotations": {PRUNE: None}}, False),
    ],
)
def test_a_mark_is_a_label_or_an_annotation_in_any_case(
    metadata: dict[str, Any], wanted: bool
) -> None:
    assert has_mark({"metadata": metadata}, PRUNE, DISABLED) is wanted
