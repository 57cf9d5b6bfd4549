from typing import Any

import pytest

from engine.plan.suspension import MARKS, UNTIL, Suspension, instant, is_in_git


def marked(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "app", **metadata}}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01t00:01:00.5z", 60.5),
        ("1970-01-01 01:01:00+01:00", 60.0),
        ("1970-01-01T00:00:00.1234567891-00:01", 60.123456),
    ],
)
def test_an_instant_is_read_as_rfc_3339_says(text: str, seconds: float) -> None:
    assert instant(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["tomorrow", "2026-12-24", "2026-12-24T18:00:00", "2026-02-31T00:00:00Z", "18:00", "1e9"],
)
def test_what_is_no_instant_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339, such as 2026-12-24T18:00:00Z"):
        instant(text)


def test_a_suspension_is_told_in_one_line() -> None:
    annotations = dict(zip(MARKS, ("a\nmigration", "2026-12-24T18:00:00Z", "ada"), strict=True))

    assert str(Suspension.of(marked(annotations=annotations))) == (
        "suspended by ada until 2026-12-24T18:00:00Z: a migration"
    )
    assert str(Suspension.of(marked())) == "suspended"
    assert not Suspension.of(marked())
    assert len(str(Suspension(reason="x" * 5_000))) < 300


def test_an_annotation_is_in_git_if_somebody_applies_it() -> None:
    fields = {"f:metadata": {"f:annotations": {f"f:{UNTIL}": {}}}}
    by_hand = {"manager": "kubectl", "operation": "Update", "fieldsV1": fields}

    assert not is_in_git(marked(managedFields=[by_hand]), UNTIL)
    assert is_in_git(marked(managedFields=[{**by_hand, "operation": "Apply"}]), UNTIL)
    assert not is_in_git(marked(), UNTIL)
