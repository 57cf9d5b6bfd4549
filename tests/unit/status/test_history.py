from collections.abc import Mapping
from typing import Any

from engine.status.history import Outcome, with_outcome


def after(*runs: tuple[str, str]) -> list[Mapping[str, Any]]:
    """The history after runs of (digest, status)."""
    history: list[Mapping[str, Any]] = []
    for number, (digest, status) in enumerate(runs):
        outcome = Outcome(digest, status, f"t{number}", "1s", {"revision": f"r{number}"})
        history = with_outcome(history, outcome)
    return history


def test_the_same_outcome_is_refreshed_and_comes_first() -> None:
    newest, other = after(("a", "ok"), ("b", "ok"), ("a", "ok"))

    assert newest == {
        "digest": "a",
        "firstReconciled": "t0",
        "lastReconciled": "t2",
        "lastReconciledDuration": "1s",
        "lastReconciledStatus": "ok",
        "totalReconciliations": 2,
        "metadata": {"revision": "r2"},
    }
    assert other["digest"] == "b"


def test_another_status_of_the_same_content_is_another_entry() -> None:
    assert [each["lastReconciledStatus"] for each in after(("a", "ok"), ("a", "bad"))] == [
        "bad",
        "ok",
    ]


def test_five_entries_are_kept() -> None:
    history = after(*((str(number), "ok") for number in range(9)))

    assert [each["digest"] for each in history] == ["8", "7", "6", "5", "4"]
