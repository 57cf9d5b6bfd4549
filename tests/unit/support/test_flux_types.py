from typing import Any

import pytest

from tests.support.flux import rfc3339_nano
from tests.support.flux_types import misfits

CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Succeeded",
    "message": "",
    "lastTransitionTime": "2026-11-22T10:00:00Z",
    "observedGeneration": 1,
}


def repository(**status: Any) -> dict[str, Any]:
    return {"kind": "GitRepository", "status": status}


def test_a_status_of_flux_fits() -> None:
    obj = repository(conditions=[CONDITION], observedGeneration=-1, observedIgnore="*.md")

    assert misfits(obj) == []


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "a number for a text": ({"observedIgnore": 1}, "status.observedIgnore: 1 is no string"),
    "a text for a number": ({"observedGeneration": "1"}, "observedGeneration: '1' is no int64"),
    "a flag for a number": ({"observedGeneration": True}, "observedGeneration: True is no int64"),
    "an unknown field": ({"phase": "Done"}, "status.phase: Flux has no such field"),
    "an object for a list": ({"conditions": {}}, "status.conditions: {} is no list"),
    "a missing field": ({"artifact": {}}, "status.artifact.digest: missing"),
    "a local time": (
        {"conditions": [{**CONDITION, "lastTransitionTime": "2026-11-22T10:00:00+01:00"}]},
        "status.conditions[0].lastTransitionTime: '2026-11-22T10:00:00+01:00' is no seconds",
    ),
    "a reason with spaces": (
        {"conditions": [{**CONDITION, "reason": "not found"}]},
        "status.conditions[0].reason: 'not found' is no reason",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_go_would_not_decode_is_named(case: str) -> None:
    status, text = MISFITS[case]

    assert any(text in line for line in misfits(repository(**status)))


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
    ],
)
def test_a_token_is_written_as_go_writes_it(at: int, text: str) -> None:
    assert rfc3339_nano(at) == text
