"""See also test_architecture.py: every reason is one that Flux knows."""

import pytest

from engine.errors import (
    AccessDenied,
    ArtifactPending,
    BuildFailed,
    DependencyNotReady,
    Failed,
    Failure,
    HealthCheckCanceled,
    Malformed,
)


@pytest.mark.parametrize(
    ("kind", "reason", "terminal"),
    [
        (BuildFailed, "BuildFailed", False),
        (ArtifactPending, "ArtifactFailed", False),
        (AccessDenied, "AccessDenied", True),
        (Failed, "Failed", False),
        (Malformed, "Failed", True),
    ],
)
def test_a_failure_has_the_reason_of_its_class_or_the_one_it_names(
    kind: type[Failure], reason: str, terminal: bool
) -> None:
    failure = kind("text")

    assert (failure.reason, failure.terminal, failure.message) == (reason, terminal, "text")


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (BuildFailed, "Warning"),
        (DependencyNotReady, "Normal"),
        (HealthCheckCanceled, "Normal"),
        (ArtifactPending, ""),
    ],
)
def test_waits_are_no_warnings(kind: type[Failure], event: str) -> None:
    assert (kind.event_type if kind.event else "") == event


def test_an_event_may_say_it_in_other_words() -> None:
    assert BuildFailed("text").told == "text"
    assert DependencyNotReady("text", told="waiting").told == "waiting"
